"""Where and with what each subject is usually seen."""

from jwt_guard.audit.detect.base import Bounded, Known
from jwt_guard.audit.facts import AUTHENTICATED, Fact
from jwt_guard.audit.text import device_of, network_of

__all__ = ["Habits"]

_VERIFIED = frozenset({AUTHENTICATED, "login", "refreshed"})
_NOTHING = Known()
_MOST_PLACES = 16


class _Habit:
    __slots__ = ("devices", "events", "first", "networks")

    def __init__(self) -> None:
        self.first = 0.0
        self.events = 0
        self.networks: dict[str, float] = {}
        self.devices: dict[str, float] = {}


class Habits:
    """Remembers up to 16 networks and 16 devices of each subject, and when each came first.

    Args:
        subjects: how many subjects are remembered.
    """

    def __init__(self, subjects: int) -> None:
        self._habits: Bounded[str, _Habit] = Bounded(subjects, _Habit)

    def __len__(self) -> int:
        return len(self._habits)

    def before(self, fact: Fact) -> Known:
        """What was known of an event's subject before it; then learns from it."""
        person = fact.person
        if person is None or fact.name not in _VERIFIED:
            return _NOTHING
        habit = self._habits[person]
        if not habit.events:
            habit.first = fact.time
        network = network_of(fact.address) if fact.address else ""
        device = device_of(fact.agent) if fact.agent else ""
        known = Known(
            fact.time - habit.first,
            habit.events,
            _age(habit.networks, network, fact.time),
            _age(habit.devices, device, fact.time),
        )
        habit.events += 1
        _learn(habit.networks, network, fact.time)
        _learn(habit.devices, device, fact.time)
        return known


def _age(places: dict[str, float], place: str, now: float) -> float | None:
    first = places.get(place)
    return None if first is None else now - first


def _learn(places: dict[str, float], place: str, now: float) -> None:
    """Keep the places seen first longest ago but one: a row of new ones forgets only itself."""
    if place in places:
        return
    if len(places) >= _MOST_PLACES:
        del places[max(places, key=lambda name: places[name])]
    places[place] = now

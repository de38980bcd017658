"""Where and with what each subject is usually seen."""

from jwt_guard.audit.detect.base import Bounded, Known
from jwt_guard.audit.facts import AUTHENTICATED, Fact
from jwt_guard.audit.text import device_of, network_of

__all__ = ["Habits"]

_VERIFIED = frozenset({AUTHENTICATED, "login", "refreshed"})
_NOTHING = Known()
_MOST_PLACES = 16
_SHARED = 8


class _Habit:
    __slots__ = ("devices", "events", "first", "networks")

    def __init__(self) -> None:
        self.first = 0.0
        self.events = 0
        self.networks: dict[int, list[float]] = {}
        self.devices: dict[int, list[float]] = {}


class Habits:
    """Remembers up to 16 networks and 16 devices of each subject, and when each came first.

    A network that eight subjects use is shared, and nobody's in particular.

    Args:
        subjects: how many subjects are remembered.
    """

    def __init__(self, subjects: int) -> None:
        self._habits: Bounded[_Habit] = Bounded(subjects, _Habit)
        self._users: Bounded[set[int]] = Bounded(subjects, set)

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
        network_age, _ = _seen(habit.networks, network, fact.time)
        device = device_of(fact.agent) if fact.agent else ""
        device_age, device_events = _seen(habit.devices, device, fact.time)
        habit.events += 1
        return Known(
            fact.time - habit.first,
            habit.events - 1,
            network_age,
            device_age,
            device_events,
            self._is_shared(network, person),
        )

    def _is_shared(self, network: str, person: str) -> bool:
        users = self._users[network]
        if len(users) < _SHARED:
            users.add(hash(person))
        return len(users) >= _SHARED


def _seen(places: dict[int, list[float]], name: str, now: float) -> tuple[float | None, int]:
    """Since when and how often a place was seen before; then sees it.

    When there are too many, the newest goes: a row of new ones pushes out itself alone.
    """
    place = hash(name)
    known = places.get(place)
    if known is not None:
        known[1] += 1
        return now - known[0], int(known[1]) - 1
    if len(places) >= _MOST_PLACES:
        del places[max(places, key=lambda each: places[each][0])]
    places[place] = [now, 1]
    return None, 0

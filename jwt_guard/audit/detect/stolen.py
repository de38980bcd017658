"""Rules about stolen tokens: reuse, two places at once, impossible travel, a stranger's device.

All but reuse judge by what is usual for a subject, and so learn it for two days first.
"""

import math
from typing import Protocol

from jwt_guard.audit.detect.base import Alert, Bounded, Known
from jwt_guard.audit.facts import AUTHENTICATED, Fact
from jwt_guard.audit.text import device_of, network_of

__all__ = [
    "ImpossibleTravel",
    "Locator",
    "NewDevice",
    "RefreshReuse",
    "TokenTwoDevices",
    "TokenTwoNetworks",
]

_HOUR = 3600.0
_DAY = 86_400.0
_EARTH_KM = 6371.0
_NEAR_KM = 50.0
LEARNING = 2 * _DAY
"""How long a subject is known before anything counts as strange to it, in seconds."""
_JUST_NOW = 600.0

Place = tuple[float, float]
"""Latitude and longitude, in degrees."""


class RefreshReuse:
    """`refresh_reuse`: a refresh token came back that had been replaced: somebody has a copy.

    Rule: every `reuse_detected` event; the sessions have judged it. Threshold: one.
    Memory: none.
    """

    rule = "refresh_reuse"
    sees = frozenset({"reuse_detected"})

    def __len__(self) -> int:
        return 0

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        return Alert(
            rule=self.rule,
            title="A refresh token was used twice; its session was revoked",
            severity=4,
            key=f"{fact.person}|{fact.session}",
            fact=fact,
        )


def _token_key(fact: Fact) -> str | None:
    name = fact.token or fact.session
    return None if name is None else f"{fact.issuer}|{name}"


class TokenTwoNetworks:
    """`token_two_networks`: one token comes by turns from two networks.

    Rule: within ten minutes a token changes to and fro between two networks four times, and one of
    them is strange: no other subjects use it, and this one did not until an hour ago. A phone that
    leaves the Wi-Fi and comes back, or that flaps between networks of its own or a carrier's, is
    not reported. IPv4 and IPv6 are followed apart, because one device may use both by turns.
    Threshold: four changes. Memory: `tokens` entries of five places.
    """

    rule = "token_two_networks"
    sees = frozenset({AUTHENTICATED})

    def __init__(self, tokens: int, *, changes: int = 4, window: float = 600.0) -> None:
        self._changes = changes
        self._window = window
        self._seen: Bounded[list[tuple[str, float, bool]]] = Bounded(tokens, list)

    def __len__(self) -> int:
        return len(self._seen)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        key = _token_key(fact)
        if key is None or not fact.address:
            return None
        network = network_of(fact.address)
        seen = self._seen[f"{'6' if ':' in network else '4'}{key}"]
        if seen and seen[-1][0] == network:
            return None
        seen.append((network, fact.time, known.strange_network(_HOUR)))
        del seen[: -self._changes - 1]
        if len(seen) <= self._changes or fact.time - seen[0][1] > self._window:
            return None
        if len({place for place, _, _ in seen}) != 2 or not any(new for _, _, new in seen):
            return None
        if known.age < LEARNING:
            return None
        return Alert(
            rule=self.rule,
            title="One token is in use in two networks at once",
            severity=4,
            key=key,
            fact=fact,
            detail={"seconds": round(fact.time - seen[0][1])},
        )


class TokenTwoDevices:
    """`token_two_devices`: one token comes from a second device.

    Rule: a token that a familiar device of its subject has shown (known for an hour and ten
    events) is shown with another user agent (versions left aside), with which the subject was never
    seen until an hour ago. A program that always uses two agents is known for both, and on a new
    phone both are new.
    Threshold: one request. Memory: `tokens` entries of one agent.
    """

    rule = "token_two_devices"
    sees = frozenset({AUTHENTICATED})

    def __init__(self, tokens: int) -> None:
        self._first: Bounded[list[int]] = Bounded(tokens, list)

    def __len__(self) -> int:
        return len(self._first)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        key = _token_key(fact)
        if key is None or not fact.agent:
            return None
        device, first = hash(device_of(fact.agent)), self._first[key]
        familiar = known.device_age is not None and known.device_age >= _HOUR
        if familiar and not first and known.device_events >= 10:
            first.append(device)
        if familiar or not first or device == first[0] or known.age < LEARNING:
            return None
        return Alert(
            rule=self.rule,
            title="One token is in use on two devices",
            severity=4,
            key=key,
            fact=fact,
        )


class Locator(Protocol):
    """Tells where an address is: latitude and longitude in degrees, None when unknown."""

    def __call__(self, address: str, /) -> Place | None:
        """Where an address is."""
        ...


class _Places:
    """The last three places where a subject was, when it was there last, and when it logged in."""

    __slots__ = ("_seen", "login")

    def __init__(self) -> None:
        self.login = float("-inf")
        self._seen: list[tuple[Place, float]] = []

    def legs(self, here: Place, now: float) -> list[tuple[float, float]]:
        """Kilometres and seconds from each of the places to here."""
        return [(_distance(here, place), now - time) for place, time in self._seen]

    def add(self, here: Place, now: float) -> None:
        """Be here now."""
        kept = [(place, time) for place, time in self._seen if _distance(here, place) > _NEAR_KM]
        self._seen = [*kept[-2:], (here, now)]


class ImpossibleTravel:
    """`impossible_travel`: a subject is where nobody could have got to since.

    Rule: from each of the last three places (one alone may be a VPN's) it is more than 500 km and
    faster than 1,000 km/h, and the network is strange: no other subjects use it, and this one did
    not until a day ago. Where many are (behind a VPN, an office, a carrier) nobody is placed.
    Threshold: one request. Memory: `subjects` entries of three places.
    """

    rule = "impossible_travel"
    sees = frozenset({AUTHENTICATED, "login"})

    def __init__(
        self, subjects: int, locate: Locator, *, kmh: float = 1000.0, km: float = 500.0
    ) -> None:
        self._locate = locate
        self._kmh = kmh
        self._km = km
        self._places: Bounded[_Places] = Bounded(subjects, _Places)

    def __len__(self) -> int:
        return len(self._places)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        person, here = fact.person, self._locate(fact.address) if fact.address else None
        if person is None or here is None:
            return None
        places = self._places[person]
        legs = places.legs(here, fact.time)
        if known.shared:
            return None
        places.add(here, fact.time)
        if known.age < LEARNING or not known.strange_network(_DAY) or not legs:
            return None
        if not all(self._impossible(km, seconds) for km, seconds in legs):
            return None
        km, seconds = min(legs)
        return Alert(
            rule=self.rule,
            title="A subject is where it cannot have got to",
            severity=4,
            key=person,
            fact=fact,
            detail={"km": round(km), "seconds": round(seconds)},
        )

    def _impossible(self, km: float, seconds: float) -> bool:
        return km > self._km and km * 3600 > self._kmh * max(seconds, 1.0)


def _distance(one: Place, other: Place) -> float:
    """Kilometres over the sphere, by the haversine."""
    lat_1, lon_1, lat_2, lon_2 = map(math.radians, (*one, *other))
    half = math.sin((lat_2 - lat_1) / 2) ** 2
    half += math.cos(lat_1) * math.cos(lat_2) * math.sin((lon_2 - lon_1) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


class NewDevice:
    """`new_device`: a subject appears with an unknown device in a strange network.

    Rule: the device is new to a subject that has been known for ten events, and the
    network is new to it and nobody else's. A session that turns up there with no login in the last
    ten minutes is reported; a login only if it is more than 500 km from where the subject was
    last (which needs a database of places): people do buy phones. A new phone in the usual Wi-Fi
    or with a carrier, and the usual laptop in a new hotel, are not reported.
    Threshold: one request. Memory: `subjects` entries of three places.
    """

    rule = "new_device"
    sees = frozenset({AUTHENTICATED, "login", "refreshed"})

    def __init__(self, subjects: int, locate: Locator | None, *, km: float = 500.0) -> None:
        self._locate = locate
        self._km = km
        self._places: Bounded[_Places] = Bounded(subjects, _Places)

    def __len__(self) -> int:
        return len(self._places)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        if not (fact.address and fact.agent and fact.person) or known.shared:
            return None
        places = self._places[fact.person]
        far = self._is_far(places, fact.address, fact.time)
        expected = fact.time - places.login < _JUST_NOW
        if fact.name == "login":
            places.login, expected = fact.time, not far
        if known.network_age is not None or known.device_age is not None or expected:
            return None
        if known.age < LEARNING or known.events < 10:
            return None
        return Alert(
            rule=self.rule,
            title="An unknown device in an unknown network",
            severity=3,
            key=fact.person,
            fact=fact,
            detail={"login": fact.name == "login"},
        )

    def _is_far(self, places: _Places, address: str, now: float) -> bool:
        here = self._locate(address) if self._locate else None
        if here is None:
            return False
        legs = places.legs(here, now)
        places.add(here, now)
        return bool(legs) and min(legs)[0] > self._km

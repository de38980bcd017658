"""Rules about stolen tokens: reuse, two places at once, impossible travel, a stranger's device."""

import math
from collections import deque
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

    Rule: within ten minutes a token is seen in network A, then B, then A again (or B again after
    A), and its subject was never seen in B until an hour ago. A phone that leaves the Wi-Fi once,
    and one that flaps between networks that are its own, are not reported. IPv4 and IPv6 are
    followed apart, because one device may use both by turns.
    Threshold: two changes. Memory: `tokens` entries of two short lists.
    """

    rule = "token_two_networks"
    sees = frozenset({AUTHENTICATED})

    def __init__(self, tokens: int, *, window: float = 600.0) -> None:
        self._window = window
        self._seen: Bounded[str, deque[tuple[str, float, bool]]] = Bounded(
            tokens, lambda: deque(maxlen=3)
        )

    def __len__(self) -> int:
        return len(self._seen)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        key = _token_key(fact)
        if key is None or not fact.address:
            return None
        network = network_of(fact.address)
        family = "6" if ":" in network else "4"
        seen = self._seen[f"{family}{key}"]
        strange = known.network_age is None or known.network_age < _HOUR
        if seen and seen[-1][0] == network:
            seen[-1] = (network, fact.time, strange)
            return None
        seen.append((network, fact.time, strange))
        if len(seen) < 3 or seen[0][0] != network or fact.time - seen[0][1] > self._window:
            return None
        if known.age < _HOUR or not (strange or seen[1][2]):
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

    Rule: a token is seen with a user agent (versions left aside) that differs from its first, and
    its subject was never seen with that one until an hour ago. A program that always used two
    agents is known for both.
    Threshold: one request, after the subject was known for an hour. Memory: `tokens` entries of
    one agent.
    """

    rule = "token_two_devices"
    sees = frozenset({AUTHENTICATED})

    def __init__(self, tokens: int) -> None:
        self._first: Bounded[str, list[str]] = Bounded(tokens, list)

    def __len__(self) -> int:
        return len(self._first)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        key = _token_key(fact)
        if key is None or not fact.agent:
            return None
        device, first = device_of(fact.agent), self._first[key]
        if not first:
            first.append(device)
        strange = known.device_age is None or known.device_age < _HOUR
        if device == first[0] or not strange or known.age < _HOUR:
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

    def __call__(self, address: str, /) -> tuple[float, float] | None:
        """Where an address is."""
        ...


class ImpossibleTravel:
    """`impossible_travel`: a subject is where nobody could have got to since.

    Rule: from each of the last three places (one alone may be a VPN's) it is more than 500 km and
    faster than 1,000 km/h, and the subject was never seen in this network until a day ago; VPN
    exits and offices in daily use are known. Learns a subject for a day first.
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
        self._places: Bounded[str, deque[tuple[float, float, float]]] = Bounded(
            subjects, lambda: deque(maxlen=3)
        )

    def __len__(self) -> int:
        return len(self._places)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        person, here = fact.person, self._locate(fact.address) if fact.address else None
        if person is None or here is None:
            return None
        places = self._places[person]
        distances = [(_distance(here, place[:2]), fact.time - place[2]) for place in places]
        if places and _distance(here, places[-1][:2]) < self._km / 10:
            places[-1] = (*here, fact.time)
        else:
            places.append((*here, fact.time))
        strange = known.network_age is None or known.network_age < _DAY
        if not strange or known.age < _DAY or not distances:
            return None
        if not all(self._impossible(km, seconds) for km, seconds in distances):
            return None
        km, seconds = min(distances)
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


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Kilometres over the sphere, by the haversine."""
    lat_1, lon_1, lat_2, lon_2 = map(math.radians, (*one, *other))
    half = math.sin((lat_2 - lat_1) / 2) ** 2
    half += math.cos(lat_1) * math.cos(lat_2) * math.sin((lon_2 - lon_1) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


class NewDevice:
    """`new_device`: a subject appears with an unknown device in an unknown network.

    Rule: both are new to a subject that has been known for a day and for ten events. A new phone
    in the usual Wi-Fi, and the usual laptop in a new hotel, are not reported.
    Threshold: one request. Memory: none of its own; what is usual is kept for all rules.
    """

    rule = "new_device"
    sees = frozenset({AUTHENTICATED, "login"})

    def __len__(self) -> int:
        return 0

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        if known.network_age is not None or known.device_age is not None:
            return None
        if known.age < _DAY or known.events < 10 or not (fact.address and fact.agent):
            return None
        return Alert(
            rule=self.rule,
            title="An unknown device in an unknown network",
            severity=3,
            key=str(fact.person),
            fact=fact,
        )

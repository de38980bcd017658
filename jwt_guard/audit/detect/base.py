"""What every rule is made of: alerts, bounded memory, sliding counts."""

from array import array
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Generic, Protocol, TypeVar

import msgspec

from jwt_guard.audit.facts import Fact
from jwt_guard.audit.observer import Detail

__all__ = ["Alert", "Bounded", "Detector", "Known", "SlidingCount"]

V = TypeVar("V")

_LONGEST_KEY = 80


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something that looks wrong.

    Attributes:
        rule: the name of the rule that fired.
        title: what it means, for people.
        severity: as in OCSF: 2 low, 3 medium, 4 high.
        key: what it is about (a subject, an address, a kid): the same is not told again soon.
        fact: the event that made the rule fire.
        detail: what it counted or compared; nothing secret.
    """

    rule: str
    title: str
    severity: int
    key: str
    fact: Fact
    detail: Detail = {}


class Known(msgspec.Struct, frozen=True, gc=False):
    """What was known of a subject before an event.

    Attributes:
        age: seconds since the subject was first seen.
        events: how many of its events were seen.
        network_age: seconds since it was first seen in this network; None for the first time.
        device_age: seconds since it was first seen with this device; None for the first time.
        device_events: how many of its events came from this device.
        shared: whether many other subjects use this network: an office, a carrier, a VPN.
    """

    age: float = 0.0
    events: int = 0
    network_age: float | None = None
    device_age: float | None = None
    device_events: int = 0
    shared: bool = False

    def strange_network(self, within: float) -> bool:
        """Whether the network is nobody else's, and new to the subject within so many seconds."""
        return not self.shared and (self.network_age is None or self.network_age < within)


class Detector(Protocol):
    """One rule. Used by one thread, sees events in the order in which they were recorded.

    Attributes:
        rule: its name.
        sees: the names of the events that it wants to see.
    """

    rule: str
    sees: frozenset[str]

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """Judge an event by those before it."""
        ...

    def __len__(self) -> int:
        """How many entries it remembers: bounded by what it was made with."""
        ...


class Bounded(Generic[V]):
    """A memory of at most `most` entries; the one that was longest unused goes first.

    Strangers choose how long names are: long ones are remembered by a digest.

    Args:
        most: how many.
        make: makes the entry of a new key.
    """

    __slots__ = ("_entries", "_make", "_most")

    def __init__(self, most: int, make: Callable[[], V]) -> None:
        self._most = most
        self._make = make
        self._entries: OrderedDict[str, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, key: str) -> V:
        if len(key) > _LONGEST_KEY:
            key = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            return entry
        if len(self._entries) >= self._most:
            self._entries.popitem(last=False)
        entry = self._entries[key] = self._make()
        return entry


class SlidingCount:
    """Whether `threshold` things came within `window` seconds; remembers so many times at most."""

    __slots__ = ("_threshold", "_times")

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._times = array("d")

    def reached(self, time: float, window: float) -> bool:
        """Count one more."""
        times = self._times
        times.append(time)
        if len(times) > self._threshold:
            del times[0]
        return len(times) == self._threshold and time - times[0] <= window

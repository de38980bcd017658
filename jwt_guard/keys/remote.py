"""The keys of an issuer elsewhere, never in a request's way.

    young ──refresh_every──> ageing ──twice that──> expired ──outage_limit──> gone

Young keys are looked up without a lock. Ageing ones are too, while a load runs in the background.
Expired ones are used only after an attempt to load new ones has failed, and then without further
waiting; gone ones never. A token whose key is not there may cause a load, at the pace that `Pace`
allows. All loads are single: whoever needs one that is under way waits for that one.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jwt_guard.audit.observer import EventName, Observer, Occurrence, tell
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.forks import call_after_fork
from jwt_guard.keys.documents import Document, KeysNotLoaded, LoadKeys
from jwt_guard.keys.flights import Flight, Landing
from jwt_guard.keys.keyset import KeySet
from jwt_guard.keys.pace import Pace, UnknownKids

__all__ = ["KeyStats", "RemoteKeys", "RemotePolicy"]

_log = logging.getLogger("jwt_guard.keys")

_GRACE = 0.5
"""Seconds beyond the timeout after which a load is taken for lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePolicy:
    """How keys from elsewhere are kept.

    Attributes:
        refresh_every: seconds after which keys are loaded anew, in the background.
        outage_limit: seconds for which expired keys still serve while they cannot be loaded.
            Keys expire at twice `refresh_every`.
        timeout: seconds that a load may take in all.
    """

    refresh_every: float = 300.0
    outage_limit: float = 3600.0
    timeout: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStats:
    """What has happened to the keys of one issuer in this process.

    Attributes:
        keys: how many can be used.
        skipped: why others cannot.
        age: seconds since they were last seen to be current; None before the first load.
        loads: loads started.
        failures: loads failed.
        failures_in_row: loads failed since the last good one.
        rotations: loads that brought other keys than before.
        unknown_kids: lookups of keys that are not there.
        spared: those of them that caused no load.
        unavailable: refusals for want of keys.
    """

    keys: int
    skipped: tuple[str, ...]
    age: float | None
    loads: int
    failures: int
    failures_in_row: int
    rotations: int
    unknown_kids: int
    spared: int
    unavailable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """The keys in hand, and until when they are what."""

    document: Document
    loaded: float
    ageing: float
    expired: float
    gone: float


class RemoteKeys:
    """A `KeySource` over the network. Shared by all threads and tasks of a process.

    Args:
        issuer: whose keys they are, for the log.
        load: how they are loaded.
        policy: how they are kept.
        observers: who is told of rotations and outages.
        clock: monotonic seconds.
        jitter: a random number from 0 to 1.
    """

    def __init__(
        self,
        issuer: str,
        load: LoadKeys,
        policy: RemotePolicy | None = None,
        *,
        observers: Iterable[Observer] = (),
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.issuer = issuer
        self.policy = policy or RemotePolicy()
        self._load = load
        self._observers = observers
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._flight: Flight | None = None
        self._pace = Pace(jitter)
        self._kids = UnknownKids()
        self._counts = dict.fromkeys(
            ("loads", "failures", "rotations", "unknown_kids", "spared", "unavailable"), 0
        )
        call_after_fork(self)

    def after_fork(self) -> None:
        """See `Forked`: a load that was under way is the parent's."""
        self._lock = threading.Lock()
        self._flight = None

    # Lookups

    def current(self) -> KeySet | None:
        """See `KeySource`."""
        held = self._held
        if held is None:
            return None
        now = self._clock()
        if now < held.ageing:
            return held.document.keys
        return self._ageing(held, now)

    def renewed(self, kid: str | None) -> Flow[KeySet]:
        """See `KeySource`."""
        keys = self.current()
        if keys is None:
            return (yield from self._needed())
        flight = self._flight_for(kid)
        if flight is not None:
            yield from self._landing(flight)
        if self._pace.failures:
            raise self._unavailable()  # whether there is such a key cannot be told
        return self.current() or keys

    def reload(self) -> Flow[bool]:
        """Load now, or wait for the load that is under way. Answers whether it was good."""
        with self._lock:
            flight = self._under_way() or self._claimed(self._clock())
        yield from self._landing(flight)
        return self._held is not None and self._held.loaded >= flight.started

    def stats(self) -> KeyStats:
        """What has happened so far."""
        with self._lock:
            held = self._held
            return KeyStats(
                keys=len(held.document.keys) if held else 0,
                skipped=held.document.skipped if held else (),
                age=self._clock() - held.loaded if held else None,
                failures_in_row=self._pace.failures,
                **self._counts,
            )

    def _ageing(self, held: _Held, now: float) -> KeySet | None:
        """Keys past their youth: none where the request must wait for a load, or be refused."""
        if now >= held.gone or (now >= held.expired and not self._pace.failures):
            return None
        self._refresh_ahead(now)
        return held.document.keys

    def _refresh_ahead(self, now: float) -> None:
        """Load in the background, if that is due. Waits for nothing, not even the lock."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            due = self._under_way() is None and not self._pace.is_cooling(now)
            flight = self._ahead(now) if due else None
        finally:
            self._lock.release()
        if flight is not None:
            flight.launch()

    def _needed(self) -> Flow[KeySet]:
        """Keys, where there are none that may be used without a load."""
        with self._lock:
            now = self._clock()
            flight = self._under_way()
            if flight is None and not self._pace.is_cooling(now):
                flight = self._claimed(now)
        if flight is not None:
            yield from self._landing(flight)
        keys = self.current()
        if keys is None:
            raise self._unavailable()
        return keys

    def _flight_for(self, kid: str | None) -> Flight | None:
        """The load that may bring a key that is not there; None where none is due."""
        with self._lock:
            now = self._clock()
            self._counts["unknown_kids"] += 1
            flight = self._under_way()
            if not self._kids.is_absent(kid, now):
                self._kids.see(kid, now)
                if flight is None and self._may_fetch(kid, now):
                    return self._counted(now)
                if flight is not None:
                    return flight
            self._counts["spared"] += 1
            return None

    def _may_fetch(self, kid: str | None, now: float) -> bool:
        if self._pace.is_cooling(now):
            return False
        left = self._pace.fetches_left(now)
        if left != 1:
            return left > 1
        return self._pace.may_spend_last(now) and self._kids.looks_real(kid, now)

    # Loads; the lock is held

    def _under_way(self) -> Flight | None:
        flight = self._flight
        if flight is None or flight.has_landed:
            return None
        if self._clock() < flight.started + flight.patience:
            return flight
        self._lose(flight)
        return None

    def _lose(self, flight: Flight) -> None:
        """A load whose thread hangs, or whose process or loop is no more, has failed."""
        if self._flight is flight and not flight.has_landed:
            self._flight = None
            self._count_failure(0)

    def _ahead(self, now: float) -> Flight:
        """A load at the owner's pace, which leaves the window's last fetch to a rotation."""
        return self._counted(now) if self._pace.fetches_left(now) > 1 else self._claimed(now)

    def _counted(self, now: float) -> Flight:
        """A load that takes one of the window's fetches."""
        self._pace.started(now)
        return self._claimed(now)

    def _claimed(self, now: float) -> Flight:
        """The slot is taken before anything is sent, so that nobody else takes it too."""
        patience = self.policy.timeout + _GRACE
        self._counts["loads"] += 1
        self._flight = Flight(lambda: self._loaded(now), started=now, patience=patience)
        return self._flight

    def _count_failure(self, retry_after: float) -> None:
        now = self._clock()
        empty = self._held is None or now >= self._held.gone
        self._pace.failed(now, empty=empty, at_least=retry_after)
        self._counts["failures"] += 1

    # Loads; the lock is not held

    def _landing(self, flight: Flight) -> Flow[None]:
        yield from Landing(flight)
        with self._lock:
            self._lose(flight)

    def _loaded(self, started: float) -> Flow[None]:
        """One load. Never raises."""
        known = self._held.document if self._held else None
        try:
            document = yield from self._load(known, self.policy.timeout)
        except KeysNotLoaded as error:
            yield from self._failed(str(error), error.retry_after or 0)
        except Exception as error:  # noqa: BLE001 - a flaw here must not end the process's refreshing
            _log.exception("loading the keys of %s failed", self.issuer)
            yield from self._failed(type(error).__name__, 0)
        else:
            yield from self._succeeded(document, started)

    def _succeeded(self, document: Document, started: float) -> Flow[None]:
        with self._lock:
            before = self._held
            if before is not None and before.loaded > started:
                return  # a load that was given up, and overtaken
            recovered = self._pace.failures > 0
            self._held = self._aged(document)
            self._pace.succeeded()
            brought = {key.kid for key in document.keys.keys}
            self._kids.settle(started, self._clock(), brought)
            rotated = before is not None and before.document is not document
            self._counts["rotations"] += rotated
        if before is None or rotated:
            self._report(document)
        if recovered:
            yield from self._told(EventName.KEYS_RECOVERED, "")
        if rotated:
            yield from self._told(EventName.KEY_ROTATED, "")

    def _aged(self, document: Document) -> _Held:
        """Keys of this moment; when they age varies by a tenth, so that processes spread."""
        now = self._clock()
        every = self.policy.refresh_every
        expired = now + 2 * every
        return _Held(
            document=document,
            loaded=now,
            ageing=now + every * (1 - self._jitter() / 10),
            expired=expired,
            gone=expired + self.policy.outage_limit,
        )

    def _failed(self, reason: str, retry_after: float) -> Flow[None]:
        with self._lock:
            first = self._pace.failures == 0
            self._count_failure(retry_after)
        level = logging.WARNING if first else logging.INFO
        _log.log(level, "the keys of %s cannot be loaded: %s", self.issuer, reason)
        if first:
            yield from self._told(EventName.KEYS_DOWN, reason)

    def _report(self, document: Document) -> None:
        _log.info("%d keys of %s loaded", len(document.keys), self.issuer)
        for reason in document.skipped:
            _log.warning("a key of %s is skipped: %s", self.issuer, reason)

    def _told(self, name: EventName, reason: str) -> Flow[None]:
        detail = {"why": reason} if reason else {}
        try:
            yield from tell(
                self._observers, Occurrence(name=name, issuer=self.issuer, detail=detail)
            )
        except Refusal:
            _log.error("%s of %s could not be recorded", name.value, self.issuer)

    def _unavailable(self) -> Refusal:
        with self._lock:
            self._counts["unavailable"] += 1
            wait = self._pace.pause_left(self._clock())
        return Refusal(Reason.KEYS_UNAVAILABLE, retry_after=max(1, math.ceil(wait)))

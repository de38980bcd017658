"""The thread that turns facts into records and hands them to the sinks."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from jwt_guard.audit.facts import Fact
from jwt_guard.audit.lane import Lane
from jwt_guard.audit.privacy import SubjectKeysUnavailable
from jwt_guard.audit.queue import FactQueue, Item, Ticket
from jwt_guard.audit.sampling import Sampling
from jwt_guard.audit.shown import Shower, Shown, own_record
from jwt_guard.audit.threads import started

__all__ = ["Watcher", "Writer"]

_log = logging.getLogger("jwt_guard.audit")

_BATCH = 512
_IDLE = 0.5
_BREATH = 0.02
_RETRY = 0.5


class Watcher(Protocol):
    """Sees every fact, in order, in one thread: detectors and metrics."""

    def watch(self, fact: Fact) -> Iterable[Fact]:
        """See a fact; answer what else is to be written because of it."""
        ...


class Writer:
    """Takes facts from the queue, shows them to the watchers, writes them to all lanes.

    Args:
        queue: where the facts come from.
        shower: makes them fit to be written.
        lanes: where the records go.
        sampling: which of the verified requests are written.
        watchers: who sees every fact.
    """

    def __init__(
        self,
        queue: FactQueue,
        shower: Shower,
        lanes: Sequence[Lane],
        sampling: Sampling,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self._queue = queue
        self._shower = shower
        self._lanes = lanes
        self._sampling = sampling
        self._watchers = watchers
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Begin to write. False where a thread is missing; it may be tried again.

        Until then facts wait in the queue, or records in their lane; `close` writes them.
        """
        if self._thread is None:
            self._thread = started(self._work, "jwt_guard audit")
        running = [lane.start() for lane in self._lanes]
        return self._thread is not None and all(running)

    def close(self, patience: float) -> None:
        """Write what waits, for at most so many seconds, and let the sinks go."""
        deadline = time.monotonic() + patience
        self._closing.set()
        self._queue.force(None)
        if self._thread is not None:
            self._thread.join(patience)
        else:
            self._work()
        for lane in self._lanes:
            lane.close(max(0.1, deadline - time.monotonic()))

    def _work(self) -> None:
        while True:
            closing = self._closing.is_set()
            items = self._queue.take(_BATCH, 0 if closing else _IDLE)
            self._write(items, float("inf") if closing else time.time())
            if closing and not items:
                break
            if not closing and not self._queue.rules.strict and len(items) < _BATCH:
                # Gathers a batch: one lock, one signature and one wake-up for many records.
                self._closing.wait(_BREATH)
        self._shower.close()

    def _write(self, items: list[Item], now: float) -> None:
        facts = [each for fact, _ in items if fact is not None for each in self._kept(fact)]
        facts += self._sampling.due(now)
        tickets = [ticket for _, ticket in items if ticket is not None]
        gap = self._gap()
        if facts or gap or tickets:
            self._hand_over([*gap, *self._shown(facts)], tickets)

    def _kept(self, fact: Fact) -> Iterable[Fact]:
        """The fact, if it is to be written, and whatever the watchers make of it."""
        kept = self._sampling.keep(fact)
        if kept is not None:
            yield kept
        for watcher in self._watchers:
            try:
                yield from watcher.watch(fact)
            except Exception:  # noqa: BLE001 - a detector's mistake must not end the record
                _log.exception("an audit watcher failed")

    def _gap(self) -> list[Shown]:
        dropped = self._queue.take_dropped()
        if not dropped:
            return []
        return [own_record("gap", time.time(), {"dropped": dropped, "why": "queue_full"})]

    def _shown(self, facts: list[Fact]) -> list[Shown]:
        """Nothing is written under plain names: without the subjects' keys it waits."""
        while True:
            try:
                self._shower.refresh()
                shown = [self._shower.show(fact) for fact in facts]
                self._shower.commit()
            except SubjectKeysUnavailable as error:
                _log.error("audit waits for the subjects' keys: %s", error)
                self._queue.mark("subjects' keys", failing=True)
                if self._closing.wait(_RETRY):
                    return []
            else:
                self._queue.mark("subjects' keys", failing=False)
                return shown

    def _hand_over(self, shown: list[Shown], tickets: list[Ticket]) -> None:
        durable = sum(lane.sink.durable for lane in self._lanes)
        for ticket in tickets:
            ticket.expect(durable)
        for lane in self._lanes:
            records = [lane.encoder.encode(each) for each in shown]
            if records or tickets:
                lane.put(records, tickets if lane.sink.durable else ())
        for ticket in tickets:
            ticket.acknowledge()

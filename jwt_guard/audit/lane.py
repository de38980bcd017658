"""One sink, its backlog, and the thread that writes it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from jwt_guard.audit.chain import Encoded
from jwt_guard.audit.queue import Ticket
from jwt_guard.audit.shown import own_record
from jwt_guard.audit.sinks import Encoder, Sink, SinkFailed
from jwt_guard.audit.threads import started

__all__ = ["Lane"]

_log = logging.getLogger("jwt_guard.audit")

_MOST_AT_ONCE = 5_000
_FIRST_DELAY = 0.05
_LONGEST_DELAY = 5.0
_QUIET = 60.0


class Marker(Protocol):
    """Told when a durable sink begins and ceases to fail."""

    def __call__(self, what: str, *, failing: bool) -> None:
        """Note it."""
        ...


class Lane:
    """Carries records to one sink, so that a slow or dead one does not hold up the others.

    Until it is started, and where it cannot be, records wait; `close` then writes them itself.

    Args:
        sink: where the records go.
        encoder: writes records in the sink's format.
        capacity: how many records may wait.
        lossy: whether records that find no room are dropped and counted; else they are waited for.
        failing: told when the sink begins and ceases to fail.
    """

    def __init__(
        self,
        sink: Sink,
        encoder: Encoder,
        *,
        capacity: int,
        lossy: bool,
        failing: Marker,
    ) -> None:
        self.sink = sink
        self.encoder = encoder
        self.failures = 0
        self.written = 0
        self.dropped = 0
        self._capacity = capacity
        self._lossy = lossy or not sink.durable
        self._tell = failing
        self._failing = False
        self._complained = float("-inf")
        self._records: deque[Encoded] = deque()
        self._tickets: deque[tuple[int, Ticket]] = deque()
        self._taken = 0
        self._gap = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def backlog(self) -> int:
        """How many records wait."""
        return len(self._records)

    def start(self) -> bool:
        """Begin to write. False where no thread can be started; it may be tried again."""
        if self._thread is None:
            self._thread = started(self._work, f"jwt_guard audit {self.sink.name}")
        return self._thread is not None

    def put(self, records: Sequence[Encoded], tickets: Sequence[Ticket]) -> None:
        """Take records; waits for room unless it may drop them."""
        with self._changed:
            if self._is_full() and self._lossy:
                self._gap += len(records)
                self.dropped += len(records)
                for ticket in tickets:
                    ticket.acknowledge()
                return
            while self._is_full() and self._thread is not None and not self._closing:
                self._changed.wait(0.1)
            self._records.extend(records)
            self._taken += len(records)
            self._tickets.extend((self._taken, ticket) for ticket in tickets)
            safe = self._safe_tickets()
            self._changed.notify_all()
        for ticket in safe:
            ticket.acknowledge()

    def close(self, patience: float) -> None:
        """Write what waits, for at most so many seconds, and let the sink go.

        Without a thread, no batch is begun after that time; one that is under way cannot be left.
        """
        deadline = time.monotonic() + patience
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(patience)
        else:
            self._work(deadline)
        if self._records:
            _log.error("audit sink %s: %d records are lost", self.sink.name, len(self._records))

    def _is_full(self) -> bool:
        return len(self._records) >= self._capacity

    def _work(self, deadline: float = float("inf")) -> None:
        while (batch := self._next()) and time.monotonic() < deadline:
            if not self._written(batch):
                break
        self._let_go()

    def _let_go(self) -> None:
        """By whoever wrote: a database's connection belongs to a thread."""
        try:
            self.sink.close()
        except Exception as error:  # noqa: BLE001 - the other sinks are to be closed too
            _log.error("audit sink %s: %s at its end", self.sink.name, type(error).__name__)

    def _settle(self, count: int) -> None:
        """So many records, the oldest, are in the sink."""
        with self._changed:
            for _ in range(count):
                self._records.popleft()
            self.written += count
            safe = self._safe_tickets()
            self._changed.notify_all()
        for ticket in safe:
            ticket.acknowledge()

    def _next(self) -> list[Encoded]:
        """The oldest records, still in the backlog; empty when it is time to end."""
        with self._changed:
            while not self._records and not self._closing:
                self._changed.wait()
            return list(islice(self._records, _MOST_AT_ONCE))

    def _safe_tickets(self) -> list[Ticket]:
        safe = []
        while self._tickets and self._tickets[0][0] <= self.written:
            safe.append(self._tickets.popleft()[1])
        return safe

    def _written(self, batch: list[Encoded]) -> bool:
        """Write a batch, however long it takes; False if it was given up at the end."""
        delay = _FIRST_DELAY
        while True:
            gap = self._gap
            told = self._gap_record(gap)
            try:
                self.sink.write([*told, *batch])
            except Exception as error:  # noqa: BLE001 - a sink's own exceptions end no thread
                batch = self._left(batch, gap, error)
            else:
                self._told(gap)
                self._succeeded()
                self._settle(len(batch))
                return True
            if self._wait(delay):
                return False
            delay = min(2 * delay, _LONGEST_DELAY)

    def _left(self, batch: list[Encoded], gap: int, error: Exception) -> list[Encoded]:
        """What of a batch is still to be written after it failed."""
        self._failed(error)
        written = error.written if isinstance(error, SinkFailed) else 0
        if written and gap:
            self._told(gap)
            written -= 1
        self._settle(written)
        return batch[written:]

    def _wait(self, delay: float) -> bool:
        """Wait before the next attempt. True when closing: then there is no next one."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, delay)

    def _gap_record(self, gap: int) -> list[Encoded]:
        if not gap:
            return []
        detail = {"sink": self.sink.name, "dropped": gap, "why": "backlog_full"}
        return [self.encoder.encode(own_record("gap", time.time(), detail))]

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if not self._failing:
            self._mark(failing=True)
        now = time.monotonic()
        if now - self._complained >= _QUIET:
            self._complained = now
            _log.error(
                "audit sink %s fails, %d records wait: %s",
                self.sink.name,
                len(self._records),
                type(error).__name__ if not isinstance(error, SinkFailed) else error,
            )

    def _mark(self, *, failing: bool) -> None:
        self._failing = failing
        if self.sink.durable:
            self._tell(self.sink.name, failing=failing)

    def _told(self, gap: int) -> None:
        """The sink holds a record of so many that were dropped."""
        with self._changed:
            self._gap -= gap

    def _succeeded(self) -> None:
        if self._failing:
            self._complained = float("-inf")
            self._mark(failing=False)
            _log.warning("audit sink %s works again", self.sink.name)

"""The bounded queue between the requests and the writer, and what happens when it is full."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from jwt_guard.audit.facts import Fact
from jwt_guard.audit.observer import Pending
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Effect

__all__ = ["FactQueue", "QueueRules", "Ticket", "WhenFull"]

_RETRY_AFTER = 5
_POLL = 0.005


class WhenFull(StrEnum):
    """What a full queue does to the request that brings one more."""

    BLOCK = "block"
    DROP = "drop"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """How many facts may wait, and what happens to one more.

    Attributes:
        size: how many, in the queue and before each sink.
        when_full: what happens when no more may.
        strict: whether an outcome takes effect only when its record is safe in every durable
            sink, and is refused when that cannot be.
        patience: how many seconds a request may wait for that, or for room.
    """

    size: int = 10_000
    when_full: WhenFull = WhenFull.DROP
    strict: bool = False
    patience: float = 5.0

    @property
    def lossy(self) -> bool:
        """Whether records may be lost, rather than requests held up."""
        return self.when_full is WhenFull.DROP and not self.strict


def unavailable() -> Refusal:
    """The refusal of a request whose record cannot be taken."""
    return Refusal(Reason.AUDIT_UNAVAILABLE, retry_after=_RETRY_AFTER)


class Ticket(Effect[None]):
    """Ends when every durable sink holds the record; refuses when that takes too long."""

    __slots__ = ("_done", "_left", "_lock", "_patience", "_waiters")

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._left = 1
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._waiters: list[Callable[[], None]] = []

    def expect(self, sinks: int) -> None:
        """Wait for so many more acknowledgements."""
        with self._lock:
            self._left += sinks

    def acknowledge(self) -> None:
        """One that was waited for is there."""
        with self._lock:
            self._left -= 1
            if self._left:
                return
            self._done.set()
            waiters, self._waiters = self._waiters, []
        for wake in waiters:
            wake()

    def run(self) -> None:
        """See `Effect`. Raises `Refusal` with `audit_unavailable`."""
        if not self._done.wait(self._patience):
            raise unavailable()

    async def arun(self) -> None:
        """See `Effect`. Raises `Refusal` with `audit_unavailable`."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        with self._lock:
            if self._done.is_set():
                return
            self._waiters.append(lambda: _wake(loop, done))
        try:
            await asyncio.wait_for(done.wait(), self._patience)
        except TimeoutError:
            raise unavailable() from None


def _wake(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
    try:
        loop.call_soon_threadsafe(done.set)
    except RuntimeError:
        return  # the loop was closed: nobody waits any more


class _Room(Effect[None]):
    """Waits for room in the queue; a record that finds none in time is dropped and counted."""

    __slots__ = ("_fact", "_queue")

    def __init__(self, queue: "FactQueue", fact: Fact) -> None:
        self._queue = queue
        self._fact = fact

    def run(self) -> None:
        deadline = time.monotonic() + self._queue.rules.patience
        while not self._queue.offer(self._fact):
            if time.monotonic() > deadline:
                self._queue.drop()
                return
            time.sleep(_POLL)

    async def arun(self) -> None:
        deadline = time.monotonic() + self._queue.rules.patience
        while not self._queue.offer(self._fact):
            if time.monotonic() > deadline:
                self._queue.drop()
                return
            await asyncio.sleep(_POLL)


Item = tuple[Fact | None, Ticket | None]


class FactQueue:
    """Takes facts from any thread, gives them to one.

    Args:
        rules: how many facts it holds, and what happens to one more.
    """

    def __init__(self, rules: QueueRules) -> None:
        self.rules = rules
        self.refused = 0
        self.dropped = 0
        self._failing: frozenset[str] = frozenset()
        self._items: deque[Item] = deque()
        self._told = 0
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._asleep = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, fact: Fact) -> Pending:
        """Take a fact.

        Raises:
            Refusal: `audit_unavailable`, where it must not be lost and cannot be taken.
        """
        if self.rules.strict:
            return self._put_strictly(fact)
        if len(self._items) < self.rules.size:
            self._items.append((fact, None))
            if self._asleep:
                self._ready.set()
            return None
        return self._full(fact)

    def force(self, fact: Fact | None, ticket: Ticket | None = None) -> None:
        """Take a fact or a ticket, full or not, and wake the writer."""
        if fact is not None or ticket is not None:
            self._items.append((fact, ticket))
        self._ready.set()

    def offer(self, fact: Fact) -> bool:
        """Take a fact if there is room."""
        if len(self._items) >= self.rules.size:
            return False
        self._items.append((fact, None))
        self._ready.set()
        return True

    def drop(self) -> None:
        """Count a fact that was lost."""
        with self._lock:
            self.dropped += 1

    def mark(self, what: str, *, failing: bool) -> None:
        """Note what cannot be written now: strict mode refuses at once, without waiting for it."""
        with self._lock:
            self._failing = self._failing | {what} if failing else self._failing - {what}

    def take(self, most: int, wait: float) -> list[Item]:
        """The oldest facts; waits for the first one."""
        if not self._items:
            self._asleep = True
            # A fact that came before the flag was seen would else wait for the next one.
            if not self._items:
                self._ready.wait(wait)
            self._ready.clear()
            self._asleep = False
        items = self._items
        return [items.popleft() for _ in range(min(most, len(items)))]

    def take_dropped(self) -> int:
        """How many facts were lost since this was asked last."""
        with self._lock:
            dropped, self._told = self.dropped - self._told, self.dropped
        return dropped

    def _put_strictly(self, fact: Fact) -> Pending:
        if self._failing or len(self._items) >= self.rules.size:
            self.refused += 1
            raise unavailable()
        ticket = Ticket(self.rules.patience)
        self._items.append((fact, ticket))
        self._ready.set()
        return ticket

    def _full(self, fact: Fact) -> Pending:
        if self.rules.when_full is WhenFull.REFUSE:
            self.refused += 1
            raise unavailable()
        if self.rules.when_full is WhenFull.BLOCK:
            return _Room(self, fact)
        self.drop()
        return None

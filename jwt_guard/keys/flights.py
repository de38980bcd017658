"""One load of keys under way, which any number of threads and tasks wait for together."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from jwt_guard.audit.threads import started
from jwt_guard.flow import Effect, Flow, arun, run

__all__ = ["Flight", "Landing"]

Work = Callable[[], Flow[None]]


class Flight:
    """A load: started once, by whoever comes first, as a thread or as a task.

    Args:
        work: the load. It never raises.
        started: the moment at which it was decided, by the owner's clock.
        patience: how long it may take, in seconds.
    """

    __slots__ = (
        "_deadline",
        "_landed",
        "_lock",
        "_loop",
        "_taken",
        "_task",
        "_work",
        "patience",
        "started",
    )

    def __init__(self, work: Work, *, started: float, patience: float) -> None:
        self.started = started
        self.patience = patience
        self._deadline = time.monotonic() + patience
        self._work = work
        self._landed: Future[None] = Future()
        self._lock = threading.Lock()
        self._taken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def has_landed(self) -> bool:
        """Whether it has ended."""
        return self._landed.done()

    def launch(self) -> None:
        """Start without waiting: as a task where a loop runs, else as a thread."""
        loop = _running_loop()
        if loop is None:
            self.launch_thread()
        else:
            self.launch_task(loop)

    def launch_thread(self) -> None:
        """Start as a thread, unless it has started and goes on while the caller waits."""
        if self._take_off(_running_loop()) and started(self._fly, "jwt-guard-keys") is None:
            self._land()

    def launch_task(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start as a task of the running loop, unless it has started and goes on."""
        if self._take_off():
            self._loop = loop
            self._task = loop.create_task(self._afly())

    def wait(self) -> None:
        """Wait until it has landed, or patience ends. Blocks."""
        with suppress(TimeoutError):
            self._landed.result(self._left())

    async def await_(self) -> None:
        """Wait until it has landed, or patience ends. Whoever gives up leaves the others be."""
        await asyncio.wait([asyncio.wrap_future(self._landed)], timeout=self._left())

    def _left(self) -> float:
        """Seconds of patience, whoever comes when."""
        return max(0.0, self._deadline - time.monotonic())

    def _take_off(self, blocked: Any = None) -> bool:
        """Whether the caller is to start it: the first one, or the first to find it stuck.

        Args:
            blocked: the loop that the caller is about to block, if any.
        """
        with self._lock:
            if self._taken and not self._is_stuck(blocked):
                return False
            self._taken, self._loop = True, None
            return True

    def _is_stuck(self, blocked: Any) -> bool:
        """Whether it is a task of a loop that does not turn, and so cannot land."""
        loop = self._loop
        return loop is not None and (loop is blocked or not loop.is_running())

    def _fly(self) -> None:
        try:
            run(self._work())
        finally:
            self._land()

    async def _afly(self) -> None:
        try:
            await arun(self._work())
        finally:
            self._land()

    def _land(self) -> None:
        with self._lock:
            if not self._landed.done():
                self._landed.set_result(None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Landing(Effect[None]):
    """The end of a flight, which is launched if need be."""

    __slots__ = ("_flight",)

    def __init__(self, flight: Flight) -> None:
        self._flight = flight

    def run(self) -> None:
        """See `Effect`."""
        self._flight.launch_thread()
        self._flight.wait()

    async def arun(self) -> None:
        """See `Effect`."""
        self._flight.launch_task(asyncio.get_running_loop())
        await self._flight.await_()

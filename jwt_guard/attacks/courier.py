"""Sending within bounds: so many requests, so fast, for so long, and then no more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from jwt_guard.attacks.model import Answer, Request
from jwt_guard.attacks.targets import Target

LONGEST_PAUSE = 10.0
THROTTLED = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one run: requests a second, seconds a request, seconds and requests in all.

    A `rate` of 0 sends without pause.
    """

    rate: float = 100.0
    timeout: float = 10.0
    seconds: float = 600.0
    requests: int = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A request that goes out after so many seconds, and its own time-out in seconds."""

    request: Request
    delay: float
    timeout: float | None


class LimitReached(Exception):
    """The run's time or number of requests is used up; the message says which."""


class Courier:
    """Sends requests to one target and keeps the bounds; counts what it sent."""

    def __init__(self, target: Target, limits: Limits) -> None:
        self.target = target
        self.sent = 0
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds
        self._next = 0.0

    def send(self, request: Request, *, timeout: float | None = None) -> Answer:
        """One request. A target that asks for patience is asked once more. Raises LimitReached."""
        answer = self._send(request, timeout)
        pause = _retry_after(answer)
        if answer.status != THROTTLED or pause is None or pause > LONGEST_PAUSE:
            return answer
        self.wait(pause)
        return self._send(request, timeout)

    def _send(self, request: Request, timeout: float | None) -> Answer:
        self._spend(1)
        self._room_for(timeout or 0.0)
        return self.target.send(request, timeout=timeout or self._limits.timeout)

    def send_all(self, requests: Sequence[Request]) -> tuple[Answer, ...]:
        """Several requests at one moment. Raises LimitReached."""
        self._spend(len(requests))
        return self.target.send_all(requests, timeout=self._limits.timeout)

    def send_timed(self, timed: Sequence[Timed]) -> tuple[Answer, ...]:
        """Requests that overlap, each at its moment. Raises LimitReached."""
        self._spend(len(timed))
        self._room_for(max(each.delay + (each.timeout or 0.0) for each in timed))
        with ThreadPoolExecutor(len(timed)) as pool:
            return tuple(pool.map(self._delayed, timed))

    def _delayed(self, timed: Timed) -> Answer:
        time.sleep(timed.delay)
        return self.target.send(timed.request, timeout=timed.timeout or self._limits.timeout)

    def wait(self, seconds: float) -> None:
        """Let time pass, but not beyond the run's end. Raises LimitReached."""
        self._room_for(seconds)
        time.sleep(seconds)

    def _room_for(self, seconds: float) -> None:
        """What is waited for on purpose must not be cut short: its answer would mislead."""
        if time.monotonic() + seconds > self._deadline:
            raise LimitReached(f"the time limit of {self._limits.seconds:g} s is used up")

    def _spend(self, count: int) -> None:
        if self.sent + count > self._limits.requests:
            raise LimitReached(f"the limit of {self._limits.requests} requests is used up")
        self.wait(max(0.0, self._next - time.monotonic()))
        self.sent += count
        if self._limits.rate:
            self._next = time.monotonic() + count / self._limits.rate


def _retry_after(answer: Answer) -> float | None:
    value = answer.header("Retry-After") or ""
    return float(value) if value.isascii() and value.isdigit() else None

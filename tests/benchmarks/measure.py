"""Timing on a noisy machine: short slices of every case in turn, the fastest slice counts.

Processor time, so that what else the machine does is not measured too. What it does to caches and
clocks slows all cases alike or is not in the fastest slice, so ratios of one run hold where
absolute figures do not.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import repeat

__all__ = ["Timer", "awaited", "called", "fastest"]

Timer = Callable[[int], float]
"""Does its work so many times and answers the seconds that it took."""


def called(work: Callable[[], object]) -> Timer:
    """A timer of something that is called."""

    def timer(times: int) -> float:
        rounds = repeat(None, times)
        start = time.process_time()
        for _ in rounds:
            work()
        return time.process_time() - start

    return timer


def awaited(loop: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[object]]) -> Timer:
    """A timer of something that is awaited on a running loop."""

    async def inside(times: int) -> float:
        rounds = repeat(None, times)
        start = time.process_time()
        for _ in rounds:
            await work()
        return time.process_time() - start

    return lambda times: loop.run_until_complete(inside(times))


def fastest(
    timers: Mapping[str, Timer], *, rounds: int = 120, slice_seconds: float = 0.002
) -> dict[str, float]:
    """The time of each case in microseconds.

    Args:
        timers: what is timed, by name.
        rounds: how many slices each gets, in turn with the others.
        slice_seconds: how long one slice lasts, about.
    """
    times = {name: _calls_in(timer, slice_seconds) for name, timer in timers.items()}
    best = dict.fromkeys(timers, float("inf"))
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, timer in timers.items():
                best[name] = min(best[name], timer(times[name]) / times[name])
    finally:
        gc.enable()
    return {name: seconds * 1e6 for name, seconds in best.items()}


def _calls_in(timer: Timer, seconds: float) -> int:
    timer(3)
    return max(1, int(seconds * 3 / max(timer(3), 1e-9)))

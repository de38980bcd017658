"""Races over every store: `python -m tests.benchmarks.refresh_races`.

One refresh token presented many times in the same instant, by threads, by tasks of an event loop
and by processes: there must be one lineage, and nobody logged out. And refreshes against
revocations in the same instant: nothing may survive. Exit status 1 when a figure is not what it
must be.
"""

import argparse
import asyncio
import logging
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from jwt_guard.errors import Refusal
from jwt_guard.flow import arun, run
from jwt_guard.guard import Guard
from jwt_guard.sessions import Grant
from tests.benchmarks.figures import Table
from tests.benchmarks.store_kit import STORES, WEB, configuration, sessions_of, store_urls

Burst = Callable[[str], list[str]]
"""From a refresh token to what each presentation was answered: a token, or a reason."""

_START_IN = 0.05


def _answer(guard: Guard, token: str) -> str:
    try:
        return run(sessions_of(guard).refresh(token, client=WEB)).refresh_token
    except Refusal as refusal:
        return refusal.reason.value


def _together(jobs: Sequence[Callable[[], Any]], at: float | None = None) -> list[Any]:
    """Do all of it in threads that start together, perhaps at a moment."""
    barrier = threading.Barrier(len(jobs))
    answers: list[Any] = [None] * len(jobs)

    def thread(place: int) -> None:
        barrier.wait()
        if at is not None:
            time.sleep(max(0.0, at - time.time()))
        answers[place] = jobs[place]()

    threads = [threading.Thread(target=thread, args=(place,)) for place in range(len(jobs))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return answers


def _by_threads(guard: Guard, together: int) -> Burst:
    return lambda token: _together([partial(_answer, guard, token)] * together)


def _by_tasks(guard: Guard, together: int, loop: asyncio.AbstractEventLoop) -> Burst:
    async def one(token: str) -> str:
        try:
            return (await arun(sessions_of(guard).refresh(token, client=WEB))).refresh_token
        except Refusal as refusal:
            return refusal.reason.value

    async def all_of_them(token: str) -> list[str]:
        return await asyncio.gather(*(one(token) for _ in range(together)))

    return lambda token: loop.run_until_complete(all_of_them(token))


class Processes:
    """Processes that each hold a guard of their own over the same store."""

    def __init__(self, config: dict[str, Any], count: int, together: int) -> None:
        context = multiprocessing.get_context("spawn")
        shares = [len(range(first, together, count)) for first in range(count)]
        self._pipes: list[Connection] = []
        self._processes = []
        for share in shares:
            here, there = context.Pipe()
            process = context.Process(target=_process, args=(config, share, there), daemon=True)
            process.start()
            self._pipes.append(here)
            self._processes.append(process)
        for pipe in self._pipes:
            pipe.recv()  # it is ready

    def burst(self, token: str) -> list[str]:
        """Present a token from all of them at one moment."""
        for pipe in self._pipes:
            pipe.send((token, time.time() + _START_IN))
        return [answer for pipe in self._pipes for answer in pipe.recv()]

    def close(self) -> None:
        """End them."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join()


def _process(config: dict[str, Any], share: int, pipe: Connection) -> None:
    guard = Guard.from_config(config)
    _answer(guard, "jgr_" + "A" * 80)  # connected before the races begin
    pipe.send("ready")
    while (asked := pipe.recv()) is not None:
        token, at = asked
        pipe.send(_together([partial(_answer, guard, token)] * share, at))
    guard.store.close()


def _raced(guard: Guard, burst: Burst, repetitions: int) -> tuple[int, int, int, float]:
    """Refreshes, the most lineages of one token, logouts, and seconds in all."""
    lineages, refused, seconds, refreshes = 0, 0, 0.0, 0
    for _ in range(repetitions):
        grant = run(sessions_of(guard).start("ada", client=WEB))
        began = time.perf_counter()
        answers = burst(grant.refresh_token)
        seconds += time.perf_counter() - began
        given = {answer for answer in answers if answer.startswith("jgr_")}
        refreshes += len(answers)
        lineages = max(lineages, len(given))
        refused += sum(not answer.startswith("jgr_") for answer in answers)
        refused += any(not _answer(guard, token).startswith("jgr_") for token in given)
    return refreshes, lineages, refused, seconds


def _survivors(guard: Guard, repetitions: int) -> int:
    """How many refreshes against a revocation in the same instant gave something of use."""
    sessions, survivors = sessions_of(guard), 0
    for number in range(repetitions):
        grant = run(sessions.start(f"ada-{number}", client=WEB))
        revoke = [
            lambda grant=grant: run(sessions.revoke_session(grant.session_id)),
            lambda number=number: run(sessions.revoke_subject(f"ada-{number}")),
        ][number % 2]
        given: list[Grant] = []

        def refresh(grant: Grant = grant, given: list[Grant] = given) -> None:
            try:
                given.append(run(sessions.refresh(grant.refresh_token, client=WEB)))
            except Refusal:
                return

        _together([refresh, revoke])
        survivors += any(_is_of_use(guard, each) for each in [grant, *given])
    return survivors


def _is_of_use(guard: Guard, grant: Grant) -> bool:
    try:
        guard.verify(grant.access_token)
    except Refusal:
        return _answer(guard, grant.refresh_token).startswith("jgr_")
    return True


def _rows(kind: str, url: str, asked: argparse.Namespace) -> list[list[Any]]:
    config = configuration(url)
    guard = Guard.from_config(config)
    loop = asyncio.new_event_loop()
    bursts: dict[str, Burst] = {
        "threads": _by_threads(guard, asked.together),
        "tasks": _by_tasks(guard, asked.together, loop),
    }
    rows = [_row(kind, way, guard, burst, asked) for way, burst in bursts.items()]
    if kind != "memory":
        processes = Processes(config, asked.processes, asked.together)
        way = f"{asked.processes} processes"
        rows.append(_row(kind, way, guard, processes.burst, asked))
        processes.close()
    survivors = _survivors(guard, asked.revocations)
    rows.append([kind, "against revoke", asked.revocations, None, None, survivors, None])
    loop.run_until_complete(guard.store.aclose())
    loop.close()
    return rows


def _row(kind: str, way: str, guard: Guard, burst: Burst, asked: argparse.Namespace) -> list[Any]:
    refreshes, lineages, refused, seconds = _raced(guard, burst, asked.repetitions)
    if way.endswith("processes"):
        seconds -= _START_IN * asked.repetitions
    each = seconds / asked.repetitions * 1000
    return [kind, way, refreshes, lineages, refused, None, each]


def main() -> int:
    """Race, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--together", type=int, default=50)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--revocations", type=int, default=200)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    rows: list[list[Any]] = []
    with store_urls(asked.stores) as urls:
        for kind in asked.stores:
            rows += _rows(kind, urls[kind], asked)
    head = ["store", "by", "refreshes", "lineages", "logouts", "survivors", "ms a burst"]
    shown = [[str(cell) if isinstance(cell, int) else cell for cell in row] for row in rows]
    print(Table(head, shown).text())
    bad = [row for row in rows if row[3] not in {None, 1} or row[4] or row[5]]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

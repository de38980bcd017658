"""How a guard lives through its provider's bad days: `python -m tests.benchmarks.provider_outage`.

Real connections to a server on loopback that refuses, hangs or is slow. Exit status 1 when a figure
is beyond its limit.
"""

import argparse
import asyncio
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from jwt_guard import Guard, Refusal
from tests.support import faults
from tests.support.faulty import JWKS, Fault, FaultyServer
from tests.support.tokens import AUDIENCE, ISSUER, jwks, mint

__all__ = ["main"]

GOOD, UNKNOWN, COLD = 200, 40, 20
WINDOW = 30.0
ROUNDS = 5

Verify = Callable[[str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: what was measured, and whether it is within its limit."""

    scenario: str
    driver: str
    what: str
    value: str
    limit: str
    good: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: `ok` or the reason, and how long it took, in seconds."""

    unknown: bool
    verdict: str
    seconds: float


def _guard(server: FaultyServer, **changes: Any) -> Guard:
    entry = {"issuer": ISSUER, "keys": server.jwks_uri, "algorithms": ["ES256"], "allow_http": True}
    return Guard.from_config({"audience": AUDIENCE, "issuers": [entry | changes]})


def _requests() -> list[tuple[bool, str]]:
    """Good tokens and tokens with unknown kids, no two alike, in random order."""
    good = [(False, mint(jti=f"good-{n}")) for n in range(GOOD)]
    unknown = [(True, mint(header={"kid": f"unknown-{n}"})) for n in range(UNKNOWN)]
    mixed = good + unknown
    random.Random(7).shuffle(mixed)
    return mixed


# Two drivers


def _by_threads(guard: Guard, requests: Sequence[tuple[bool, str]], over: float) -> list[Answer]:
    """Each request in a thread, spread over some seconds."""
    start = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        pending = []
        for place, (unknown, token) in enumerate(requests):
            pending.append(pool.submit(_ask, guard, unknown, token))
            time.sleep(_until(start + over * place / len(requests)))
        return [each.result() for each in pending]


def _until(moment: float) -> float:
    return max(0.0, moment - time.monotonic())


def _ask(guard: Guard, unknown: bool, token: str) -> Answer:
    start = time.perf_counter()
    try:
        guard.verify(token)
        verdict = "ok"
    except Refusal as refusal:
        verdict = refusal.reason.value
    return Answer(unknown, verdict, time.perf_counter() - start)


def _by_tasks(guard: Guard, requests: Sequence[tuple[bool, str]], over: float) -> list[Answer]:
    """Each request in a task of one loop, spread over some seconds."""

    async def work() -> list[Answer]:
        start, pending = time.monotonic(), []
        for place, (unknown, token) in enumerate(requests):
            pending.append(asyncio.create_task(_aask(guard, unknown, token)))
            await asyncio.sleep(_until(start + over * place / len(requests)))
        return await asyncio.gather(*pending)

    return asyncio.run(work())


async def _aask(guard: Guard, unknown: bool, token: str) -> Answer:
    start = time.perf_counter()
    try:
        await guard.averify(token)
        verdict = "ok"
    except Refusal as refusal:
        verdict = refusal.reason.value
    return Answer(unknown, verdict, time.perf_counter() - start)


DRIVERS = {"threads": _by_threads, "one event loop": _by_tasks}


# Scenarios


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """What came of one round: the answers in the order of the requests, and the fetches."""

    answers: list[Answer]
    fetches: int
    calm: float


def _flood(server: FaultyServer, scenario: str, fault: Fault | None, over: float) -> list[Figure]:
    """Unknown kids among good tokens, while the provider is down.

    A stall that the guard causes is there in every round, at the same request; one that the machine
    causes is not. So rounds are repeated while the slowest good request is beyond the limit, and
    each request counts with its best time.
    """
    figures: list[Figure] = []
    for driver in DRIVERS:
        rounds: list[Flood] = []
        while len(rounds) < ROUNDS and not (rounds and _slowest(rounds) <= _limit(rounds)):
            rounds.append(_round(server, driver, fault, over))
        figures += _flood_figures(scenario, driver, rounds)
    return figures


def _round(server: FaultyServer, driver: str, fault: Fault | None, over: float) -> Flood:
    drive = DRIVERS[driver]
    server.jwks = jwks()
    guard = _guard(server)
    guard.reload_keys()
    calm = _median(drive(guard, [(False, mint(jti=f"calm-{n}")) for n in range(100)], 0.5))
    before = guard.key_stats()[ISSUER].loads
    _break(server, fault)
    answers = drive(guard, _requests(), over)
    fetches = guard.key_stats()[ISSUER].loads - before
    _mend(server)
    return Flood(answers=answers, fetches=fetches, calm=calm)


def _slowest(rounds: Sequence[Flood]) -> float:
    """The slowest good request, each at its best."""
    good = (place for place, answer in enumerate(rounds[0].answers) if not answer.unknown)
    return max(min(each.answers[place].seconds for each in rounds) for place in good)


def _limit(rounds: Iterable[Flood]) -> float:
    return 3 * min(each.calm for each in rounds) + 0.005


def _flood_figures(scenario: str, driver: str, rounds: Sequence[Flood]) -> Iterable[Figure]:
    fetches = max(each.fetches for each in rounds)
    passed = min(_passed(each.answers, unknown=False) for each in rounds)
    let_in = max(_passed(each.answers, unknown=True) for each in rounds)
    slowest, limit = _slowest(rounds), _limit(rounds)
    yield Figure(
        scenario=scenario,
        driver=driver,
        what=f"fetches for {UNKNOWN} unknown kids",
        value=str(fetches),
        limit="2",
        good=fetches <= 2 and let_in == 0,
    )
    yield Figure(
        scenario=scenario,
        driver=driver,
        what="good tokens answered",
        value=f"{passed} of {GOOD}",
        limit=str(GOOD),
        good=passed == GOOD,
    )
    yield Figure(
        scenario=scenario,
        driver=driver,
        what=f"slowest good one, best of {len(rounds)}",
        value=f"{slowest * 1000:.2f} ms",
        limit=f"{limit * 1000:.2f} ms (3 calm medians + 5)",
        good=slowest <= limit,
    )


def _passed(answers: Iterable[Answer], *, unknown: bool) -> int:
    return sum(each.verdict == "ok" for each in answers if each.unknown is unknown)


def _cold_start(server: FaultyServer) -> list[Figure]:
    """Twenty at once, nothing loaded, and a provider that takes two seconds."""
    figures: list[Figure] = []
    for driver, drive in DRIVERS.items():
        server.jwks = jwks()
        server.at(JWKS, faults.slow(2))
        before = server.count()
        answers = drive(_guard(server), [(False, mint(jti=f"cold-{n}")) for n in range(COLD)], 0)
        server.heal(JWKS)
        fetches, passed = server.count() - before, sum(each.verdict == "ok" for each in answers)
        figures.append(
            Figure(
                scenario="cold start, 2 s",
                driver=driver,
                what=f"fetches for {COLD} requests, answered",
                value=f"{fetches}, {passed} of {COLD}",
                limit=f"1, {COLD}",
                good=fetches == 1 and passed == COLD,
            )
        )
    return figures


def _expiry(server: FaultyServer) -> list[Figure]:
    """Keys that expire after 2 s while the provider is down, and serve 3 s more."""
    figures: list[Figure] = []
    for driver, drive in DRIVERS.items():
        server.jwks = jwks()
        guard = _guard(server, refresh_every=1, outage_limit=3)
        guard.reload_keys()
        loaded = time.monotonic()
        server.refuse()
        answers = drive(guard, [(False, mint(jti=f"old-{n}")) for n in range(400)], 4)
        time.sleep(_until(loaded + 5.2))
        after = drive(guard, [(False, mint(jti=f"late-{n}")) for n in range(50)], 0.1)
        server.accept()
        passed, refused = _count(answers, "ok"), _count(after, "keys_unavailable")
        figures.append(
            Figure(
                scenario="expired and down",
                driver=driver,
                what="passed before the limit, 503 after it",
                value=f"{passed} of {len(answers)}, {refused} of {len(after)}",
                limit="all, all",
                good=(passed, refused) == (len(answers), len(after)),
            )
        )
    return figures


def _count(answers: Iterable[Answer], verdict: str) -> int:
    return sum(each.verdict == verdict for each in answers)


def _median(answers: Iterable[Answer]) -> float:
    return statistics.median(each.seconds for each in answers)


def _break(server: FaultyServer, fault: Fault | None) -> None:
    if fault is None:
        server.refuse()
    else:
        server.at(JWKS, fault)


def _mend(server: FaultyServer) -> None:
    server.heal(JWKS)
    server.accept()


def main() -> int:
    """Measure, print the table, and answer whether all is within its limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=WINDOW, help="over which each flood is spread"
    )
    seconds = parser.parse_args().seconds
    logging.getLogger("jwt_guard").setLevel(logging.CRITICAL)
    with FaultyServer() as server:
        figures = _cold_start(server) + _expiry(server)
        figures += _flood(server, "refused connections", None, seconds)
        figures += _flood(server, "hanging", faults.hanging, seconds)
    _print(figures)
    return 0 if all(figure.good for figure in figures) else 1


def _print(figures: Iterable[Figure]) -> None:
    table = Table("scenario", "driver", "figure", "measured", "limit", "")
    for figure in figures:
        mark = "good" if figure.good else "BEYOND"
        row = (figure.scenario, figure.driver, figure.what, figure.value, figure.limit, mark)
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    sys.exit(main())

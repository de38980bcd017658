"""What the dashboard shows: the newest part of a log, summed up."""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from jwt_guard.audit.facts import AUTHENTICATED, DENIED, REFUSED, Fact
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.reading import BadRecord, fact_of
from jwt_guard.audit.rows import RowTables, numbered_lines
from jwt_guard.audit.verifying import LONGEST_LINE

__all__ = ["OUTCOMES", "Lines", "Report", "file_lines", "report_of", "row_lines"]

OUTCOMES = (AUTHENTICATED, REFUSED, DENIED)
_LIVE = 1800.0
_MOST_ALERTS = 25
_MOST_BYTES = 128 << 20
_NEAR_ENOUGH = 1 << 16
_LATE = 60.0
_ALIVE = frozenset({AUTHENTICATED, "login", "issued", "refreshed"})
_ENDED = frozenset({"logged_out", "revoked", "reuse_detected"})


@dataclass(slots=True)
class Report:
    """A stretch of time, summed up.

    Attributes:
        since: when it begins, seconds since 1970 UTC.
        until: when it ends.
        now: when it was made.
        outcomes: by outcome, how many fell into each of equal intervals.
        reasons: refusals and denials by exact reason.
        addresses: refusals and denials by address.
        subjects: requests by subject, as the log names them.
        events: everything else by name.
        rules: alerts by rule.
        alerts: the newest ones, the newest first.
        sessions: the live ones: when each was seen last, and whose it is.
        bad_lines: lines that are no records.
        whole: whether all records of the time were read.
        name: makes a name that anybody may read of what the log calls a subject or a session.
    """

    since: float
    until: float
    now: float
    outcomes: dict[str, list[int]]
    reasons: Counter[str] = field(default_factory=Counter[str])
    addresses: Counter[str] = field(default_factory=Counter[str])
    subjects: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    rules: Counter[str] = field(default_factory=Counter[str])
    alerts: list[Fact] = field(default_factory=list[Fact])
    sessions: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    bad_lines: int = 0
    whole: bool = True
    name: Callable[[str], str] = str

    def total(self, outcome: str) -> int:
        """How many there were in all."""
        return sum(self.outcomes[outcome])


Lines = Callable[[float], tuple[Iterable[bytes], bool]]
"""The lines of a log from some time on, and perhaps some before, and whether all are there."""


def report_of(
    log: Lines,
    *,
    hours: float,
    intervals: int = 48,
    now: float | None = None,
    name: Callable[[str], str] = str,
) -> Report:
    """Sum up the last hours of a log.

    Args:
        log: reads it.
        hours: how many.
        intervals: into how many they are divided; each begins at a round time, so that the last
            one is not over yet.
        now: seconds since 1970 UTC.
        name: as in `Report`.

    Raises:
        Exception: it cannot be read, as whatever reads it says.
    """
    width, now = hours * 3600 / intervals, time.time() if now is None else now
    until = math.ceil(now / width) * width
    outcomes = {outcome: [0] * intervals for outcome in OUTCOMES}
    report = Report(until - hours * 3600, until, now, outcomes, name=name)
    lines, report.whole = log(report.since)
    return _summed_up(report, lines)


def _summed_up(report: Report, lines: Iterable[bytes]) -> Report:
    for line in lines:
        try:
            fact = fact_of(line)
        except BadRecord:
            report.bad_lines += 1
            continue
        if report.since <= fact.time < report.until:
            _add(report, fact)
    report.alerts.reverse()
    return report


def _add(report: Report, fact: Fact) -> None:
    if fact.name in OUTCOMES:
        _add_outcome(report, fact)
    elif fact.name == "alert":
        _add_alert(report, fact)
    else:
        report.events[fact.name] += 1
    _follow_session(report, fact)


def _add_alert(report: Report, fact: Fact) -> None:
    report.rules[str((fact.detail or {}).get("rule"))] += 1
    if fact.subject is not None:
        fact = msgspec.structs.replace(fact, subject=report.name(fact.subject))
    report.alerts = [*report.alerts[-_MOST_ALERTS + 1 :], fact]


def _add_outcome(report: Report, fact: Fact) -> None:
    buckets = report.outcomes[fact.name]
    width = (report.until - report.since) / len(buckets)
    buckets[int((fact.time - report.since) / width)] += fact.count
    if fact.subject is not None:
        report.subjects[report.name(fact.subject)] += fact.count
    if fact.name != AUTHENTICATED:
        report.reasons[fact.reason or "unknown"] += fact.count
        report.addresses[fact.address or "unknown"] += fact.count


def _follow_session(report: Report, fact: Fact) -> None:
    if fact.session is None:
        return
    session = report.name(fact.session)
    if fact.name in _ENDED:
        report.sessions.pop(session, None)
    elif fact.name in _ALIVE and fact.time >= report.now - _LIVE:
        report.sessions[session] = (fact.time, report.name(fact.subject or "-"))


def row_lines(tables: RowTables) -> Lines:
    """Reads a log in a database, and lets go of it."""

    def read(since: float) -> Iterable[bytes]:
        try:
            yield from (line for _, line in numbered_lines(tables, since=since))
        finally:
            tables.close()

    return lambda since: (read(since), True)


def file_lines(log: Path) -> Lines:
    """Reads a log in files, by its current part; at most the newest 128 MiB of it."""
    return partial(_newest_lines, log)


def _newest_lines(log: Path, since: float) -> tuple[Iterable[bytes], bool]:
    parts = [part for part in LogFolder(log).parts() if part.stat().st_mtime >= since]
    starts = [_start_of(part, since - _LATE) for part in parts]
    sizes = [part.stat().st_size - start for part, start in zip(parts, starts, strict=True)]
    skip = max(0, sum(sizes) - _MOST_BYTES)
    return _lines(parts, starts, skip), not skip


def _start_of(part: Path, since: float) -> int:
    """A place in a part before which nothing is as new as that; records stand by their time."""
    low, high = 0, part.stat().st_size
    with part.open("rb") as file:
        while high - low > _NEAR_ENOUGH:
            middle = (low + high) // 2
            if _is_before(file, middle, since):
                low = middle
            else:
                high = middle
    return low


def _is_before(file: BinaryIO, place: int, since: float) -> bool:
    """Whether the first record behind a place is older; one that is none does not count."""
    file.seek(place)
    file.readline(LONGEST_LINE)
    try:
        return fact_of(file.readline(LONGEST_LINE)).time < since
    except BadRecord:
        return False


def _lines(parts: list[Path], starts: list[int], skip: int) -> Iterable[bytes]:
    for part, start in zip(parts, starts, strict=True):
        with part.open("rb") as file:
            size = file.seek(0, os.SEEK_END) - start
            if skip >= size:
                skip -= size
                continue
            file.seek(start + skip)
            if start + skip:
                file.readline(LONGEST_LINE)
            skip = 0
            while line := file.readline(LONGEST_LINE):
                yield line

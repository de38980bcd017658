"""What the dashboard shows: the newest part of a log, summed up."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jwt_guard.audit.facts import AUTHENTICATED, DENIED, REFUSED, Fact
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.reading import BadRecord, fact_of
from jwt_guard.audit.verifying import LONGEST_LINE

__all__ = ["OUTCOMES", "Report", "report_of", "summed_up"]

OUTCOMES = (AUTHENTICATED, REFUSED, DENIED)
_LIVE = 1800.0
_MOST_ALERTS = 25
_MOST_BYTES = 128 << 20
_ALIVE = frozenset({AUTHENTICATED, "login", "issued", "refreshed"})
_ENDED = frozenset({"logged_out", "revoked", "reuse_detected"})


@dataclass(slots=True)
class Report:
    """A stretch of time, summed up.

    Attributes:
        since: when it begins, seconds since 1970 UTC.
        until: when it ends.
        outcomes: by outcome, how many fell into each of equal intervals.
        reasons: refusals and denials by exact reason.
        addresses: refusals and denials by address.
        subjects: requests by subject, as the log names them.
        events: everything else by name.
        alerts: the newest ones, the newest first.
        sessions: the live ones: when each was seen last, and whose it is.
        bad_lines: lines that are no records.
        whole: whether all records of the time were read.
    """

    since: float
    until: float
    outcomes: dict[str, list[int]]
    reasons: Counter[str] = field(default_factory=Counter[str])
    addresses: Counter[str] = field(default_factory=Counter[str])
    subjects: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    alerts: list[Fact] = field(default_factory=list[Fact])
    sessions: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    bad_lines: int = 0
    whole: bool = True

    def total(self, outcome: str) -> int:
        """How many there were in all."""
        return sum(self.outcomes[outcome])


def report_of(log: Path, *, hours: float, intervals: int = 48, now: float | None = None) -> Report:
    """Sum up the last hours of a log; at most the newest 128 MiB of it are read.

    Raises:
        OSError: the log cannot be read.
    """
    until = time.time() if now is None else now
    report = _empty(until - hours * 3600, until, intervals)
    lines, report.whole = _newest_lines(log, report.since)
    return summed_up(report, lines)


def _empty(since: float, until: float, intervals: int) -> Report:
    return Report(since, until, {outcome: [0] * intervals for outcome in OUTCOMES})


def summed_up(report: Report, lines: Iterable[bytes]) -> Report:
    """Add the records among some lines to a report."""
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
        report.alerts = [*report.alerts[-_MOST_ALERTS + 1 :], fact]
    else:
        report.events[fact.name] += 1
    _follow_session(report, fact)


def _add_outcome(report: Report, fact: Fact) -> None:
    buckets = report.outcomes[fact.name]
    width = (report.until - report.since) / len(buckets)
    buckets[int((fact.time - report.since) / width)] += fact.count
    if fact.subject is not None:
        report.subjects[fact.subject] += fact.count
    if fact.name != AUTHENTICATED:
        report.reasons[fact.reason or "unknown"] += fact.count
        report.addresses[fact.address or "unknown"] += fact.count


def _follow_session(report: Report, fact: Fact) -> None:
    if fact.session is None:
        return
    if fact.name in _ENDED:
        report.sessions.pop(fact.session, None)
    elif fact.name in _ALIVE and fact.time >= report.until - _LIVE:
        report.sessions[fact.session] = (fact.time, fact.subject or "-")


def _newest_lines(log: Path, since: float) -> tuple[Iterable[bytes], bool]:
    """The lines of the parts that were still written to in that time, and whether all are there."""
    parts = [part for part in LogFolder(log).parts() if part.stat().st_mtime >= since]
    sizes = [part.stat().st_size for part in parts]
    skip = max(0, sum(sizes) - _MOST_BYTES)
    return _lines(parts, skip), not skip


def _lines(parts: list[Path], skip: int) -> Iterable[bytes]:
    for part in parts:
        size = part.stat().st_size
        if skip >= size:
            skip -= size
            continue
        with part.open("rb") as file:
            file.seek(skip)
            if skip:
                file.readline(LONGEST_LINE)
            skip = 0
            while line := file.readline(LONGEST_LINE):
                yield line

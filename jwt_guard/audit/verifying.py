"""Whether a log is as it was written: every record, in order, from its beginning to its end."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from jwt_guard.audit.chain import (
    GENESIS,
    Link,
    LinkProblem,
    check_link,
    fingerprint_of,
    sequence_of,
)
from jwt_guard.audit.ecs import OPENING as ECS_OPENING
from jwt_guard.audit.folder import LogFolder, read_head
from jwt_guard.audit.ocsf import OPENING as OCSF_OPENING
from jwt_guard.audit.seal import Checkpoint, Head, Seals

__all__ = ["Place", "Report", "lines_of", "verify_file_log", "verify_lines"]

OPENINGS = (OCSF_OPENING, ECS_OPENING)

LONGEST_LINE = 1 << 20
_MOST_PROBLEMS = 1000
# Only the log's own records hold one of these, and near their beginning: in what strangers say,
# quotes are escaped.
_OWN = (b'"class_uid":1008,', b'"category":["host"],')
_NEAR = 768
_UNVOUCHED = frozenset({"head_missing", "head_not_ours", "key_changed"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found, and what.

    Attributes:
        part: the file's name, or the table's.
        line: counted from 1; None where it is no line.
        message: what is wrong there.
    """

    part: str
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.part}{'' if self.line is None else f':{self.line}'}: {self.message}"


@dataclass(slots=True)
class Report:
    """What verification found.

    Attributes:
        records: how many records were read.
        checkpoints: how many signed checkpoints were found good.
        parts: how many parts were read.
        last: the last link.
        problems: what an auditor must not accept.
        notes: what an auditor wants to know: crashes, purges, lost events.
        purged_through: the number of the last record that was purged by the log's own word.
    """

    records: int = 0
    checkpoints: int = 0
    parts: int = 0
    last: Link = field(default_factory=Link)
    problems: list[Place] = field(default_factory=list[Place])
    notes: list[Place] = field(default_factory=list[Place])
    purged_through: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_file_log(log: Path, seals: Seals, *, expect: Link | None = None) -> Report:
    """Verify a log of files against its head.

    Args:
        log: the current part.
        seals: the public keys that are trusted.
        expect: a link that you noted elsewhere and that must be in the chain.

    Raises:
        OSError: a part cannot be read.
    """
    folder = LogFolder(log)
    head, sizes = _snapshot(folder)
    walk = _Walk(seals, expect)
    for part, size in sizes:
        walk.part(part.name, lines_of(part, size))
    return walk.ended(head, log.name)


def verify_lines(
    name: str, lines: Iterable[bytes], seals: Seals, head: Head | None, *, expect: Link | None
) -> Report:
    """Verify one log whose lines come from anywhere, a database or a copy."""
    walk = _Walk(seals, expect)
    walk.part(name, lines)
    return walk.ended(head, name)


def _snapshot(folder: LogFolder) -> tuple[Head | None, list[tuple[Path, int]]]:
    """The head and the parts as they were at one moment, while writers may be at work."""
    with folder.locked():
        try:
            head = read_head(folder.head.read_bytes())
        except FileNotFoundError:
            head = None
        return head, [(part, part.stat().st_size) for part in folder.parts()]


def lines_of(part: Path, size: int) -> Iterator[bytes]:
    """The lines of a file's first bytes, none longer than a limit; memory stays bounded."""
    rest = b""
    with part.open("rb") as file:
        while size > 0:
            block = file.read(min(size, LONGEST_LINE))
            if not block:
                break
            size -= len(block)
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            for line in lines:
                yield line + b"\n"
            if len(rest) > LONGEST_LINE:
                yield rest
                rest = b""
    if rest:
        yield rest


class _Walk:
    """Goes through a log once, and goes on behind a problem to find the next."""

    def __init__(self, seals: Seals, expect: Link | None) -> None:
        self._seals = seals
        self._expect = expect
        self._met = expect is None
        self._started = False
        self._chain: str | None = None
        self._first: tuple[int, bytes] | None = None
        self._allowed_start: tuple[int, bytes] | None = None
        self._tail: list[Link] = []
        self._line = 0
        self._part = ""
        self.report = Report()

    def part(self, name: str, lines: Iterable[bytes]) -> None:
        self._part, report = name, self.report
        report.parts += 1
        last = report.last
        line_number = 0
        for line_number, line in enumerate(lines, 1):
            try:
                last = check_link(line, OPENINGS, last)
            except LinkProblem as problem:
                self._line = line_number
                last = self._resumed(line, last, str(problem))
            else:
                if self._tail:
                    self._tail.clear()
            if line.find(_OWN[0], 0, _NEAR) >= 0 or line.find(_OWN[1], 0, _NEAR) >= 0:
                self._line = line_number
                self._own(line, last)
            if not self._met and last == self._expect:
                self._met = True
        report.records += line_number
        report.last = last

    def _resumed(self, line: bytes, last: Link, problem: str) -> Link:
        """The link to go on from: behind this line, or, if it was inserted, before it."""
        for earlier in self._tail:
            try:
                found = check_link(line, OPENINGS, earlier)
            except LinkProblem:
                continue
            self._tail.clear()
            return found
        sequence = sequence_of(line, OPENINGS)
        if not self._started_here(line, sequence):
            self._problem(problem)
        self._tail = [last, *self._tail][:4]
        return Link(sequence or last.sequence + 1, fingerprint_of(line))

    def _started_here(self, line: bytes, sequence: int | None) -> bool:
        """A log whose beginning was purged: right in itself, and a later record must say so."""
        if self._started or self.report.records or self._line > 1 or not sequence:
            return False
        self._started = True
        before = Link(sequence - 1, _previous_of(line))
        try:
            check_link(line, OPENINGS, before)
        except LinkProblem:
            return False
        self._allowed_start = (before.sequence, before.fingerprint)
        return True

    def _own(self, line: bytes, last: Link) -> None:
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            return
        name, detail = _own_facts(record)
        match name:
            case "checkpoint":
                self._checkpoint(detail, _previous_of(line), last)
            case "purged":
                self._purged(detail)
            case "recovered":
                self._told(name, detail)
                self._recovered(detail)
            case "gap":
                self._told(name, detail)
            case "erased":
                self._note("a subject was erased")
            case _:
                pass

    def _told(self, name: str, detail: dict[str, Any]) -> None:
        told = ", ".join(f"{key}: {value}" for key, value in detail.items())
        self._note(f"{name}: {told}")

    def _recovered(self, detail: dict[str, Any]) -> None:
        """A writer went on where no head, or one of another key, vouched for what it found."""
        problem = detail.get("problem")
        known = problem == "key_changed" and self._seals.know(detail.get("kid"))
        if problem in _UNVOUCHED and not known:
            self._problem("no trusted key vouches for what stands before, but for checkpoints")

    def _checkpoint(self, detail: dict[str, Any], before: bytes, last: Link) -> None:
        try:
            statement = msgspec.convert(detail, Checkpoint)
        except msgspec.ValidationError:
            self._problem("the checkpoint is malformed")
            return
        here = (last.sequence - 1, before.decode("ascii", "replace"))
        if (statement.sequence, statement.fingerprint) != here:
            self._problem("the checkpoint vouches for another place")
        elif not self._seals.approve(statement):
            self._problem("the checkpoint's signature is not by a trusted key")
        else:
            self._chain = statement.chain
            self.report.checkpoints += 1

    def _purged(self, detail: dict[str, Any]) -> None:
        through = detail.get("through")
        if self._allowed_start == (through, str(detail.get("fingerprint")).encode()):
            self.report.purged_through = int(through or 0)
        self._note(f"records up to {through} were purged")

    def ended(self, head: Head | None, name: str) -> Report:
        """Compare with the head."""
        self._part, self._line, report = name, 0, self.report
        if self._allowed_start is not None and not report.purged_through:
            self._problem(
                f"records 1 to {self._allowed_start[0]} are missing, and no purge says so"
            )
        if not self._met:
            self._problem("the link that was noted elsewhere is not in this chain")
        if head is None:
            missing = (
                "records may be missing at the end" if report.records else "all may be missing"
            )
            self._problem(f"there is no head, so {missing}")
        elif not self._seals.approve(head):
            self._problem("the head's signature is not by a trusted key")
        else:
            self._compare(head)
        return report

    def _compare(self, head: Head) -> None:
        last, there = self.report.last, head.link
        if last == there:
            return
        if head.writing is not None and there.sequence <= last.sequence <= head.writing[0]:
            self._note("a writer died here; the next one will clear it up")
        elif last.sequence < there.sequence:
            self._problem(f"records {last.sequence + 1} to {there.sequence} are cut off at the end")
        elif last.sequence > there.sequence:
            self._problem(
                f"records {there.sequence + 1} and later are not sealed: added by a stranger"
            )
        elif not self.report.problems:
            self._problem("the last record is not the one that was sealed")

    def _problem(self, message: str) -> None:
        if len(self.report.problems) < _MOST_PROBLEMS:
            self.report.problems.append(Place(self._part, self._line or None, message))

    def _note(self, message: str) -> None:
        if len(self.report.notes) < _MOST_PROBLEMS:
            self.report.notes.append(Place(self._part, self._line or None, message))


def _previous_of(line: bytes) -> bytes:
    """The fingerprint of the record before, as a line claims it."""
    mark = b'"prev_event":{"fingerprint":{"algorithm_id":3,"value":"'
    _, found, rest = line.rpartition(mark)
    return rest[:64] if found else GENESIS


def _own_facts(record: Any) -> tuple[str, dict[str, Any]]:
    """Name and detail of one of the log's own records, in either format."""
    try:
        own = record.get("unmapped") or record["jwt_guard"]
        return str(own["event"]), dict(own.get("detail") or {})
    except (AttributeError, KeyError, TypeError, ValueError):
        return "", {}

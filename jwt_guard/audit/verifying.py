"""Whether a log is as it was written: every record, in order, from its beginning to its end.

The head says where it begins and where it ends. What a purge deletes is verified like the whole
log, and what was wrong with it is put on record, so that nothing is hidden by being purged.
"""

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

__all__ = [
    "Numbered",
    "Place",
    "Purge",
    "Report",
    "lines_of",
    "purge_of",
    "start_of",
    "verify_file_log",
    "verify_lines",
]

Numbered = Iterable[tuple[int, bytes]]
"""Lines, and the numbers by which their places are told."""

OPENINGS = (OCSF_OPENING, ECS_OPENING)

LONGEST_LINE = 1 << 20
_MOST_PROBLEMS = 1000
_MOST_INHERITED = 10
# Only the log's own records hold one of these, and near their beginning: in what strangers say,
# quotes are escaped.
_OWN = (b'"class_uid":1008,', b'"category":["host"],')
_NEAR = 768
_UNVOUCHED = ("head_missing", "head_not_ours", "key_changed")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found, and what.

    Attributes:
        part: the file's name, or the database's.
        line: counted from 1 in a file, the row's number in a database; None where it is neither.
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


class Purge(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was purged, as the log's own record tells it.

    Attributes:
        through: the number of the last record that went.
        fingerprint: of that record, which the first that is left holds.
        records: how many there were.
        keys: the ids of the keys that sealed them, and those that were purged before.
        problems: the first of what was wrong with all of them.
    """

    through: int
    fingerprint: str
    records: int
    keys: tuple[str, ...] = ()
    problems: tuple[Place, ...] = ()

    @property
    def link(self) -> Link:
        """The place in the chain behind which the log goes on."""
        return Link(self.through, self.fingerprint.encode("utf-8", "replace"))

    def of(self, head: Head) -> Head:
        """The head of the log that begins there."""
        return msgspec.structs.replace(head, purged=(self.through, self.fingerprint))


def purge_of(head: Head, seals: Seals, parts: Iterable[tuple[str, Numbered]]) -> Purge | None:
    """What a log tells of its beginning when that is to go; None when nothing is to be told.

    That is so when it was told already, and where the last record's number is none of this log's:
    then it is missed.

    Args:
        head: where the log begins and ends.
        seals: the public keys that are trusted.
        parts: what is to go: names, and the lines.

    Raises:
        OSError: a part cannot be read.
    """
    walk = _Walk(seals, head.start)
    for name, lines in parts:
        walk.part(name, lines)
    report = walk.begun()
    if not head.start.sequence < report.last.sequence <= head.sequence:
        return None
    return Purge(
        through=report.last.sequence,
        fingerprint=report.last.fingerprint.decode("ascii", "replace"),
        records=report.records,
        keys=tuple(sorted(walk.keys)),
        problems=tuple(report.problems[:_MOST_INHERITED]),
    )


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
    while True:
        head, sizes = _snapshot(folder)
        walk = _Walk(seals, start_of(head, seals), expect)
        try:
            for part, size in sizes:
                walk.part(part.name, enumerate(lines_of(part, size), 1))
        except FileNotFoundError:
            if sizes[0][0].exists():
                raise
            continue  # it was purged meanwhile
        return walk.ended(head, log.name)


def verify_lines(
    name: str, lines: Numbered, seals: Seals, head: Head | None, *, expect: Link | None
) -> Report:
    """Verify one log whose lines come from anywhere, a database or a copy."""
    walk = _Walk(seals, start_of(head, seals), expect)
    walk.part(name, lines)
    return walk.ended(head, name)


def start_of(head: Head | None, seals: Seals) -> Link:
    """Where a log begins: behind what was purged, if a trusted key says so."""
    return head.start if head is not None and seals.approve(head) else Link()


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

    def __init__(self, seals: Seals, start: Link, expect: Link | None = None) -> None:
        self._seals = seals
        self._start = start
        self._expect = expect
        self._due = set() if expect in {None, start} else {expect}
        self._purges: set[Link] = set()
        self._tail: list[Link] = []
        self._line = 0
        self._part = ""
        self.keys: set[str] = set()
        self.report = Report(last=start)

    def part(self, name: str, lines: Numbered) -> None:
        self._part, report = name, self.report
        report.parts += 1
        last, count = report.last, 0
        for number, line in lines:
            try:
                last = check_link(line, OPENINGS, last)
            except LinkProblem as problem:
                self._line = number
                first = not (count or report.records)
                last = self._resumed(line, last, str(problem), first=first)
            else:
                if self._tail:
                    self._tail.clear()
            if line.find(_OWN[0], 0, _NEAR) >= 0 or line.find(_OWN[1], 0, _NEAR) >= 0:
                self._line = number
                self._own(line, last)
            if self._due:
                self._due.discard(last)
            count += 1
        report.records += count
        report.last = last

    def _resumed(self, line: bytes, last: Link, problem: str, *, first: bool) -> Link:
        """The link to go on from: behind this line, or, if it was inserted, before it."""
        for earlier in self._tail:
            try:
                found = check_link(line, OPENINGS, earlier)
            except LinkProblem:
                continue
            self._tail.clear()
            return found
        sequence = sequence_of(line, OPENINGS)
        if not (first and self._is_leftover(line, sequence)):
            self._problem(problem)
        self._tail = [last, *self._tail][:4]
        return Link(sequence or last.sequence + 1, fingerprint_of(line))

    def _is_leftover(self, line: bytes, sequence: int | None) -> bool:
        """Whether a log begins with what a purge has yet to delete.

        Such records are right where they lead to the last one that was purged.
        """
        if not sequence or sequence > self._start.sequence:
            return False
        try:
            check_link(line, OPENINGS, Link(sequence - 1, _previous_of(line)))
        except LinkProblem:
            return False
        self._due.add(self._start)
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
        problem, kid = detail.get("problem"), detail.get("kid")
        if problem == "key_changed" and self._seals.know(kid):
            self.keys.add(str(kid))
        elif problem in _UNVOUCHED:
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
            self.keys.add(statement.kid)
            self.report.checkpoints += 1

    def _purged(self, detail: dict[str, Any]) -> None:
        try:
            purge = msgspec.convert(detail, Purge)
        except msgspec.ValidationError:
            self._problem("the record of a purge is malformed")
            return
        self._purges.add(purge.link)
        self._note(f"records up to {purge.through} were purged")
        self.keys.update(purge.keys)
        if not all(map(self._seals.know, purge.keys)):
            self._problem("what was purged was sealed by a key that is not trusted")
        for place in purge.problems:
            self._add(self.report.problems, place)

    def begun(self) -> Report:
        """Compare with where the log begins."""
        if self._start in self._due:
            self._line = 0
            self._problem(f"records up to {self._start.sequence} are not those that were purged")
        return self.report

    def ended(self, head: Head | None, name: str) -> Report:
        """Compare with the head."""
        report, through = self.begun(), self._start.sequence
        self._part, self._line = name, 0
        if self._expect in self._due:
            gone = self._expect is not None and self._expect.sequence <= through
            what = "was purged since: note a newer one" if gone else "is not in this chain"
            self._problem(f"the link that was noted elsewhere {what}")
        if head is None:
            missing = (
                "records may be missing at the end" if report.records else "all may be missing"
            )
            self._problem(f"there is no head, so {missing}")
        elif not self._seals.approve(head):
            self._problem("the head's signature is not by a trusted key")
        else:
            self._compare(head)
        if self._start in self._purges:
            report.purged_through = through
        elif through:
            self._problem(f"records up to {through} are missing, and no record of a purge says so")
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
        self._add(self.report.problems, Place(self._part, self._line or None, message))

    def _note(self, message: str) -> None:
        self._add(self.report.notes, Place(self._part, self._line or None, message))

    def _add(self, places: list[Place], place: Place) -> None:
        if len(places) < _MOST_PROBLEMS:
            places.append(place)


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

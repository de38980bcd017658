"""The JSON Lines file: chained, sealed, rotated, shared by several processes."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec

from jwt_guard.audit.chain import (
    Encoded,
    Link,
    LinkProblem,
    check_link,
    fingerprint_of,
    link,
    sequence_of,
)
from jwt_guard.audit.folder import LogFolder, padded, read_head
from jwt_guard.audit.own import OwnRecords
from jwt_guard.audit.reading import parsed
from jwt_guard.audit.seal import Head, SealKey, Seals, UnusableSealKey
from jwt_guard.audit.shown import OWN
from jwt_guard.audit.sinks import Encoder, Format, SinkFailed
from jwt_guard.audit.threads import started
from jwt_guard.audit.verifying import Numbered, Purge, lines_of, purge_of

__all__ = ["FileSink", "Rotation"]

_log = logging.getLogger("jwt_guard.audit")

# Some systems have only the slower one.
_to_disk = getattr(os, "fdatasync", os.fsync)

_FILE_MODE = 0o640
_READ_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When a part is full and when it may go.

    Attributes:
        max_bytes: the size that a part may reach.
        daily: whether each day (UTC) begins a new part.
        retention: how many seconds a part is kept after its last record; None for ever.
    """

    max_bytes: int = 256 * 1024 * 1024
    daily: bool = True
    retention: float | None = None


class FileSink:
    """Appends records to a file, one chain for all processes that write to it.

    Each batch is written under a lock: the head says what is about to be written, the batch is
    written, the head says that it is there. So after `kill -9` at any moment the next writer (and
    whoever verifies) can tell what was being written from what was tampered with.

    Args:
        log: the file.
        encoder: writes the log's own records.
        key: seals the log; made beside it, when None.
        rotation: when a part is full and when it may go.
        sync: whether a batch is forced to the disk before it counts as written.
        checkpoint_every: how many records there are between checkpoints.
        clock: seconds since 1970 UTC.
    """

    durable = True

    def __init__(
        self,
        log: Path,
        *,
        encoder: Encoder,
        format: Format = "ocsf",  # noqa: A002 - as sinks call it
        key: SealKey | None = None,
        rotation: Rotation | None = None,
        sync: bool = False,
        checkpoint_every: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = str(log)
        self.format: Format = format
        self.folder = LogFolder(log)
        self._encoder = encoder
        self._own = OwnRecords(encoder, clock)
        self._key = key
        self._rotation = rotation or Rotation()
        self._sync = sync
        self._checkpoint_every = checkpoint_every
        self._clock = clock
        self._log = -1
        self._head_file = -1
        self._head: Head | None = None
        self._purging: threading.Thread | None = None

    def write(self, records: Sequence[Encoded]) -> None:
        """See `Sink`."""
        with self._writing() as found:
            full = self._is_full(found)
            head = self._rotated(found) if full else found
            due = head.sequence + len(records) - head.checkpointed >= self._checkpoint_every
            self._append(head, records, checkpoint=due)
        if full and self._rotation.retention is not None:
            self._purge_aside(self._clock() - self._rotation.retention)

    def note(self, name: str, detail: dict[str, Any]) -> None:
        """Write a record about the log itself.

        Raises:
            SinkFailed: it could not be written.
        """
        with self._writing() as head:
            self._append(head, [self._own.note(name, detail)])

    def rotate(self) -> None:
        """Begin a new part now.

        Raises:
            SinkFailed: it could not be done.
        """
        with self._writing() as head:
            self._rotated(head)

    def purge(self, before: float) -> Purge | None:
        """Delete the rotated parts whose records are all older; the chain stays verifiable.

        What goes is verified while others write. Then that it goes is put on record, then into the
        head, and only then is it deleted: who dies on the way leaves parts that still verify, and
        that the next purge deletes.

        Args:
            before: seconds since 1970 UTC.

        Raises:
            SinkFailed: it could not be done.
        """
        with self._writing() as found:
            seals = self._trusted()
        with self._failing():
            old = list(takewhile(partial(_is_old, before), self.folder.parts()[:-1]))
            purge = purge_of(found, seals, map(_numbered, old))
        with self._writing() as head:
            if head.start != found.start:
                return None  # another process was quicker
            if purge is not None:
                self._tell(head, purge)
            for part in old:
                part.unlink(missing_ok=True)
        return purge

    def close(self) -> None:
        """See `Sink`: a last checkpoint seals what was written since the one before."""
        with contextlib.suppress(SinkFailed):
            if self._head is not None and self._head.checkpointed < self._head.sequence:
                with self._writing() as head:
                    self._append(head, [], checkpoint=True)
        self._let_go()

    @contextlib.contextmanager
    def _writing(self) -> Generator[Head]:
        """The lock held, the files open, and the head as it is now."""
        with self._failing(), self.folder.locked():
            yield self._current()

    @contextlib.contextmanager
    def _failing(self) -> Generator[None]:
        try:
            yield
        except (OSError, UnusableSealKey) as error:
            self._let_go()
            raise SinkFailed(f"{self.name}: {error}") from error

    @property
    def _seal(self) -> SealKey:
        if self._key is None:
            self._key = SealKey.read_or_make(self.folder.seal_key)
        return self._key

    def _current(self) -> Head:
        if self._head_file < 0:
            self.folder.publish(self._seal)
            self._head_file = os.open(self.folder.head, os.O_CREAT | os.O_RDWR, 0o600)
        raw = os.pread(self._head_file, 1 << 16, 0)
        head = read_head(raw)
        if head is not None and head != self._head and not self._trusted().approve(head):
            head = None
        if head is None or head != self._head or not self._is_open(head):
            sealed_by = None if head is None else head.kid
            self._open_log()
            head = self._recovered(head, damaged=bool(raw.strip()))
            if sealed_by not in {None, self._seal.kid}:
                head = self._noted(head, {"problem": "key_changed", "kid": sealed_by})
        self._head = head
        return head

    def _trusted(self) -> Seals:
        """Our key, and those of other writers and of times before.

        Those stand beside the log, where a stranger may have put one: that another key was trusted
        is put on record, and whoever verifies must know it.
        """
        return Seals.read(self.folder.public_keys)

    def _is_open(self, head: Head) -> bool:
        """Whether the open file is still the log, and ends where the head says."""
        if self._log < 0 or head.writing is not None:
            return False
        opened = os.fstat(self._log)
        if opened.st_size != head.size:
            return False
        try:
            named = self.folder.log.stat()
        except FileNotFoundError:
            return False
        return opened.st_ino == named.st_ino

    def _open_log(self) -> None:
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        self._log = os.open(self.folder.log, os.O_CREAT | os.O_RDWR | os.O_APPEND, _FILE_MODE)
        if self._sync:
            self.folder.sync()

    def _recovered(self, head: Head | None, *, damaged: bool) -> Head:
        """The head, brought to agree with the file, and a record of whatever did not."""
        size = os.fstat(self._log).st_size
        if head is None:
            head = self._begun(size)
            return self._noted(head, {"problem": "head_missing"}) if size or damaged else head
        if head.writing is not None:
            return self._after_crash(head, head.writing[0])
        if size == head.size:
            return head
        if not size and self._rotation_was_cut(head):
            return self._new_part(head)
        found = {"problem": "size_differs", "expected_bytes": head.size, "found_bytes": size}
        self._end_line(size)
        there = msgspec.structs.replace(head, size=os.fstat(self._log).st_size)
        return self._noted(there, found)

    def _rotation_was_cut(self, head: Head) -> bool:
        """Whether a writer died after it renamed the part that the head speaks of."""
        parts = self.folder.parts()[:-1]
        return bool(parts) and fingerprint_of(_last_line(parts[-1])) == head.fingerprint.encode()

    def _begun(self, size: int) -> Head:
        """The head of a new chain: even where an old one lost its head, it is not continued."""
        self._end_line(size)
        now = self._clock()
        return Head(
            chain=token_hex(8),
            sequence=0,
            fingerprint="0" * 64,
            size=os.fstat(self._log).st_size,
            checkpointed=0,
            opened=now,
            time=now,
            kid="",
        )

    def _end_line(self, size: int) -> None:
        if size and os.pread(self._log, 1, size - 1) != b"\n":
            os.write(self._log, b"\n")

    def _noted(self, head: Head, detail: dict[str, Any]) -> Head:
        return self._append(head, [self._own.note("recovered", detail)])

    def _after_crash(self, head: Head, promised: int) -> Head:
        """Keep the whole records that the dead writer left, cut off the torn one."""
        left = os.pread(self._log, _READ_AT_ONCE * 64, head.size)
        whole, kept = head.link, 0
        size = head.size
        for line in left.splitlines(keepends=True):
            try:
                whole = check_link(line, self._encoder.openings, whole)
            except LinkProblem:
                break
            kept, size = kept + 1, size + len(line)
        torn = os.fstat(self._log).st_size - size
        os.ftruncate(self._log, size)
        adopted = msgspec.structs.replace(
            head,
            sequence=whole.sequence,
            fingerprint=whole.fingerprint.decode(),
            size=size,
            writing=None,
        )
        found = {"problem": "writer_died", "promised": promised - head.sequence, "kept": kept}
        return self._noted(adopted, {**found, "torn_bytes": torn})

    def _append(self, head: Head, records: Sequence[Encoded], *, checkpoint: bool = False) -> Head:
        """The head behind the records, and behind a checkpoint that vouches for them if asked."""
        lines, last = self._linked(head, records)
        if checkpoint:
            line, last = link(
                head.chain.encode(), last, self._own.checkpoint(self._seal, head.chain, last)
            )
            lines.append(line)
        data = b"".join(lines)
        there = last.fingerprint.decode()
        intent = msgspec.structs.replace(head, writing=(last.sequence, there))
        self._put_head(intent, sync=self._sync)
        self._write_all(head, data)
        done = msgspec.structs.replace(
            head,
            sequence=last.sequence,
            fingerprint=there,
            size=head.size + len(data),
            checkpointed=last.sequence if checkpoint else head.checkpointed,
            time=self._clock(),
            writing=None,
        )
        self._head = self._put_head(done)
        return self._head

    def _linked(self, head: Head, records: Sequence[Encoded]) -> tuple[list[bytes], Link]:
        lines, last, chain = [], head.link, head.chain.encode()
        for record in records:
            line, last = link(chain, last, record)
            lines.append(line)
        return lines, last

    def _write_all(self, head: Head, data: bytes) -> None:
        """All or nothing: on a full disk the file is cut back to where the batch began."""
        written = 0
        try:
            while written < len(data):
                written += os.write(self._log, memoryview(data)[written:])
            if self._sync:
                _to_disk(self._log)
        except OSError:
            os.ftruncate(self._log, head.size)
            self._put_head(head)
            raise

    def _put_head(self, head: Head, *, sync: bool = False) -> Head:
        signed: Head = self._seal.sign(head)
        os.pwrite(self._head_file, padded(signed), 0)
        if sync:
            _to_disk(self._head_file)
        return signed

    def _is_full(self, head: Head) -> bool:
        if not head.size:
            return False
        return head.size >= self._rotation.max_bytes or (
            self._rotation.daily and _day(self._clock()) != _day(head.opened)
        )

    def _rotated(self, head: Head) -> Head:
        if not head.size:
            return head
        first = sequence_of(os.pread(self._log, 256, 0), self._encoder.openings)
        name = self.folder.rotated_name(head.sequence if first is None else first, head.opened)
        self._append(head, [self._own.note("rotated", {"part": name.name})], checkpoint=True)
        self.folder.log.rename(name)
        return self._new_part(self._head or head)

    def _new_part(self, head: Head) -> Head:
        self._open_log()
        begun = msgspec.structs.replace(head, size=0, opened=self._clock(), writing=None)
        self._head = self._put_head(begun)
        return self._head

    def _purge_aside(self, before: float) -> None:
        """By a sink and a thread of its own, as another process would: no writer waits for it.

        If it does not come to its end, the next rotation tries again.
        """
        if self._purging is None or not self._purging.is_alive():
            other = FileSink(
                self.folder.log, encoder=self._encoder, key=self._seal, clock=self._clock
            )
            work = partial(other._purge_and_go, before)
            self._purging = started(work, "jwt_guard audit purge")

    def _purge_and_go(self, before: float) -> None:
        try:
            self.purge(before)
        except SinkFailed as error:
            _log.error("old audit records are not purged: %s", error)
        finally:
            self._let_go()

    def _tell(self, head: Head, purge: Purge) -> None:
        """First the record, then the head, each on the disk before anything is deleted."""
        told = self._append(head, [self._own.purged(purge)], checkpoint=True)
        _to_disk(self._log)
        self._head = self._put_head(purge.of(told), sync=True)

    def _let_go(self) -> None:
        for descriptor in (self._log, self._head_file):
            if descriptor >= 0:
                os.close(descriptor)
        self._log = self._head_file = -1
        self._head = None


def _day(time: float) -> int:
    return int(time // 86_400)


def _is_old(before: float, part: Path) -> bool:
    """Whether all that a part tells of happened before some time."""
    return max(_times(_last_lines(part)) or _times(_all_lines(part)), default=0) < before


def _times(lines: Iterable[bytes]) -> list[float]:
    """When the events of some lines happened; if there are none, when the log's first affair did.

    The others do not count: a part ends with its rotation, however late that was.
    """
    facts = [entry.fact for entry in parsed(lines)]
    events = [fact.time for fact in facts if fact.name not in OWN]
    return events or [fact.time for fact in facts[:1]]


def _all_lines(part: Path) -> Iterator[bytes]:
    return lines_of(part, part.stat().st_size)


def _numbered(part: Path) -> tuple[str, Numbered]:
    """A part as it is verified."""
    return part.name, enumerate(_all_lines(part), 1)


def _last_line(part: Path) -> bytes:
    """The last line of a part, which ends with one."""
    return _last_lines(part)[-1]


def _last_lines(part: Path) -> list[bytes]:
    with part.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _READ_AT_ONCE))
        lines = file.read().splitlines(keepends=True)
    return lines if size <= _READ_AT_ONCE else lines[1:]

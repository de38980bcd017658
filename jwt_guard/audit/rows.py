"""A log in a database: the same chain and seals as in a file, one row a record.

What a database must do stands in `RowTables`; SQLAlchemy's is in `sql`, Django's in
`jwt_guard_django.audit`. A batch and the head behind it are one transaction, so that a crash leaves
both or neither. So are the record of a purge and the head that says where the log now begins; the
rows before that are deleted afterwards, a bounded number at a time.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from secrets import token_hex
from typing import Protocol

import msgspec

from jwt_guard.audit.chain import GENESIS, Encoded, Link, fingerprint_of, link, sequence_of
from jwt_guard.audit.folder import read_head
from jwt_guard.audit.own import OwnRecords
from jwt_guard.audit.reading import fact_of, is_older
from jwt_guard.audit.seal import Head, SealKey, Seals
from jwt_guard.audit.sinks import Encoder, Format, SinkFailed
from jwt_guard.audit.verifying import (
    OPENINGS,
    Purge,
    Report,
    purge_of,
    start_of,
    verify_lines,
)

__all__ = ["Row", "RowSink", "RowTables", "RowWriter", "numbered_lines", "verify_rows"]

_AT_ONCE = 2_000
"""How many rows are deleted in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record: the columns that one searches by, and the record itself."""

    sequence: int
    time: float
    name: str
    reason: str | None
    subject: str | None
    address: str | None
    record: str


class RowWriter(Protocol):
    """The tables, inside of a transaction that has locked out other writers."""

    def head(self) -> str | None:
        """The head as it was kept last."""
        ...

    def newest(self) -> tuple[int, str] | None:
        """The newest record and its number."""
        ...

    def append(self, rows: Sequence[Row], head: str) -> None:
        """Keep rows and the head behind them."""
        ...


class RowTables(Protocol):
    """Where rows are kept."""

    def writing(self) -> AbstractContextManager[RowWriter]:
        """A transaction, alone among those that write.

        Raises:
            Exception: whatever the database's driver raises; the batch is then tried again.
        """
        ...

    def page(self, after: int | None, since: float | None) -> Sequence[tuple[int, str]]:
        """Some thousand records with their numbers, in order; none at the end.

        Args:
            after: leaves out the records up to that number.
            since: leaves out what was before that time, as its column has it, for which no chain
                vouches.
        """
        ...

    def bounds(self) -> tuple[int, int] | None:
        """The numbers of the oldest and the newest record; None where there is none."""
        ...

    def delete(self, through: int) -> None:
        """Delete the records up to a number, in a transaction of its own."""
        ...

    def head(self) -> str | None:
        """The head as it was kept last."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class RowSink:
    """Appends records to a table.

    Args:
        name: what it is called in reports.
        tables: where rows are kept.
        encoder: writes the log's own records.
        format: as in `Sink`.
        key: seals the log.
        seals: the keys that are known to have sealed it; that of now alone, when None.
        checkpoint_every: how many records there are between checkpoints.
        clock: seconds since 1970 UTC.
    """

    durable = True

    def __init__(
        self,
        name: str,
        tables: RowTables,
        *,
        encoder: Encoder,
        format: Format = "ocsf",  # noqa: A002 - as sinks call it
        key: SealKey,
        seals: Seals | None = None,
        checkpoint_every: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.format: Format = format
        self.tables = tables
        self._own = OwnRecords(encoder, clock)
        self._key = key
        self._seals = seals or key.seals
        self._checkpoint_every = checkpoint_every
        self._clock = clock

    def write(self, records: Sequence[Encoded]) -> None:
        """See `Sink`."""
        self._write(records, checkpoint=False)

    def note(self, name: str, detail: dict[str, object]) -> None:
        """Write a record about the log itself.

        Raises:
            SinkFailed: it could not be written.
        """
        self._write([self._own.note(name, detail)], checkpoint=True)

    def close(self) -> None:
        """See `Sink`."""
        self.tables.close()

    def purge(self, before: float) -> Purge | None:
        """Delete the oldest records, up to the first that is not older; the chain stays verifiable.

        What goes is verified while others write. Then that it goes is put on record and into the
        head, and only then is it deleted: who dies on the way leaves rows that still verify, and
        that the next purge deletes.

        Args:
            before: seconds since 1970 UTC.

        Raises:
            SinkFailed: it could not be done.
        """
        with self.failing():
            head = self._current()
            purge = purge_of(head, self._seals, [(self.name, self._old(head, before))])
            told = purge is not None and self._tell(head.start, purge)
            self._sweep()
        return purge if told else None

    def _current(self) -> Head:
        """The head, brought to agree with the table as before each batch."""
        with self.tables.writing() as writer:
            head, found = self._head(writer)
            return self._append(writer, head, found, checkpoint=True) if found else head

    def _old(self, head: Head, before: float) -> Iterator[tuple[int, bytes]]:
        """The old rows at the beginning of the log.

        A row that does not hold the record of its number is left out, and so will be missed: what
        is deleted goes by the numbers.
        """
        rows = takewhile(
            lambda row: row[0] <= head.sequence and is_older(row[1], before),
            numbered_lines(self.tables, after=head.start.sequence),
        )
        return ((number, line) for number, line in rows if sequence_of(line, OPENINGS) == number)

    def _tell(self, start: Link, purge: Purge) -> bool:
        """Put a purge on record; False where another was quicker."""
        with self.tables.writing() as writer:
            head, found = self._head(writer)
            if head.start != start:
                return False
            told = [*found, self._own.purged(purge)]
            self._append(writer, purge.of(head), told, checkpoint=True)
        return True

    def _sweep(self) -> None:
        """Delete the rows before the place where a sealed head says that the log begins.

        After each batch it rests for as long as that took, so that whoever waits for the database
        gets it.
        """
        through = start_of(_kept(self.tables), self._seals).sequence
        while (bounds := self.tables.bounds()) and bounds[0] <= through:
            began = time.monotonic()
            self.tables.delete(min(through, bounds[0] + _AT_ONCE - 1))
            time.sleep(time.monotonic() - began)

    def _write(self, records: Sequence[Encoded], *, checkpoint: bool) -> None:
        with self.failing(), self.tables.writing() as writer:
            head, found = self._head(writer)
            self._append(writer, head, [*found, *records], checkpoint=checkpoint)

    @contextmanager
    def failing(self) -> Generator[None]:
        """Whatever the database's driver raises, as `SinkFailed`."""
        try:
            yield
        except Exception as error:
            raise SinkFailed(f"{self.name}: {type(error).__name__}") from error

    def _append(
        self, writer: RowWriter, head: Head, records: Sequence[Encoded], *, checkpoint: bool
    ) -> Head:
        chain, last = head.chain.encode(), head.link
        rows = []
        for record in records:
            line, last = link(chain, last, record)
            rows.append(_row(line, last))
        checkpointed = head.checkpointed
        if checkpoint or last.sequence - checkpointed >= self._checkpoint_every:
            line, last = link(chain, last, self._own.checkpoint(self._key, head.chain, last))
            rows.append(_row(line, last))
            checkpointed = last.sequence
        done: Head = self._key.sign(
            msgspec.structs.replace(
                head,
                sequence=last.sequence,
                fingerprint=last.fingerprint.decode(),
                checkpointed=checkpointed,
                time=self._clock(),
            )
        )
        writer.append(rows, msgspec.json.encode(done).decode())
        return done

    def _head(self, writer: RowWriter) -> tuple[Head, list[Encoded]]:
        """The head to go on from, and a record of it if it is not what was kept."""
        head = _kept(writer)
        if head is not None and self._seals.approve(head):
            changed = {"problem": "key_changed", "kid": head.kid}
            known = head.kid == self._key.kid
            return head, [] if known else [self._own.note("recovered", changed)]
        newest, missing = writer.newest(), not writer.head()
        if newest is None and missing:
            return self._begun(Link()), []
        problem = {"problem": "head_missing" if missing else "head_not_ours"}
        return self._begun(_link_of(newest)), [self._own.note("recovered", problem)]

    def _begun(self, at: Link) -> Head:
        """The head of a new chain, behind whatever is there."""
        return Head(
            chain=token_hex(8),
            sequence=at.sequence,
            fingerprint=at.fingerprint.decode("ascii", "replace"),
            size=0,
            checkpointed=0,
            opened=self._clock(),
            time=self._clock(),
            kid="",
        )


def _link_of(newest: tuple[int, str] | None) -> Link:
    if newest is None:
        return Link()
    sequence, record = newest
    fingerprint = fingerprint_of(record.encode() + b"\n")
    return Link(sequence, fingerprint if len(fingerprint) == len(GENESIS) else GENESIS)


def _row(line: bytes, at: Link) -> Row:
    fact = fact_of(line)
    return Row(
        sequence=at.sequence,
        time=fact.time,
        name=fact.name,
        reason=fact.reason,
        subject=fact.subject,
        address=fact.address,
        record=line.decode().rstrip("\n"),
    )


def _kept(place: RowTables | RowWriter) -> Head | None:
    """The head, if what was kept is one; whose it is is not said."""
    kept = place.head()
    return read_head(kept.encode()) if kept else None


def numbered_lines(
    tables: RowTables, *, after: int | None = None, since: float | None = None
) -> Iterator[tuple[int, bytes]]:
    """The records as lines, with their numbers, read in pieces; the arguments are those of `page`.

    Between the pieces nothing is locked and no connection held.
    """
    while page := tables.page(after, since):
        for number, record in page:
            yield number, record.encode() + b"\n"
        after = page[-1][0]


def verify_rows(
    name: str, tables: RowTables, seals: Seals, *, expect: Link | None = None
) -> Report:
    """Verify a log in a database, as `verify_file_log` does one in files.

    Others may be at work: what they add behind the head that was read first is left for the next
    time, and where they deleted what was being read it is read once more.
    """
    while True:
        oldest = _oldest(tables)
        head = _kept(tables)
        lines = _until(tables, seals, head)
        report = verify_lines(name, lines, seals, head, expect=expect)
        if report.good or _oldest(tables) == oldest:
            return report


def _oldest(tables: RowTables) -> int | None:
    bounds = tables.bounds()
    return bounds and bounds[0]


def _until(tables: RowTables, seals: Seals, head: Head | None) -> Iterator[tuple[int, bytes]]:
    """The records up to the head, and the first behind it if no writer has put it there since."""
    for number, line in numbered_lines(tables):
        if head is not None and number > head.sequence:
            now = _kept(tables)
            if now is None or now.sequence < number or not seals.approve(now):
                yield number, line
            return
        yield number, line

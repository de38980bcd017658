"""A log in a database: the same chain and seals as in a file, one row a record.

What a database must do stands in `RowTables`; SQLAlchemy's is in `sql`, Django's in
`jwt_guard_django.audit`. A batch and the head behind it are one transaction, so that a crash leaves
both or neither.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from secrets import token_hex
from typing import Protocol

import msgspec

from jwt_guard.audit.chain import GENESIS, Encoded, Link, fingerprint_of, link
from jwt_guard.audit.folder import read_head
from jwt_guard.audit.own import OwnRecords
from jwt_guard.audit.reading import fact_of
from jwt_guard.audit.seal import Head, SealKey, Seals
from jwt_guard.audit.sinks import Encoder, Format, SinkFailed
from jwt_guard.audit.verifying import Report, verify_lines

__all__ = ["Row", "RowSink", "RowTables", "RowWriter", "verify_rows"]


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

    def records(self, since: float | None = None) -> Generator[str]:
        """All records in order, read in pieces; those from some time on, if one is given.

        The time is looked for in its column, for which no chain vouches.
        """
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

    def _write(self, records: Sequence[Encoded], *, checkpoint: bool) -> None:
        try:
            with self.tables.writing() as writer:
                self._append(writer, records, checkpoint)
        except Exception as error:
            raise SinkFailed(f"{self.name}: {type(error).__name__}") from error

    def _append(self, writer: RowWriter, records: Sequence[Encoded], checkpoint: bool) -> None:
        head, found = self._head(writer)
        chain, last = head.chain.encode(), head.link
        rows = []
        for record in [*found, *records]:
            line, last = link(chain, last, record)
            rows.append(_row(line, last))
        checkpointed = head.checkpointed
        if checkpoint or last.sequence - checkpointed >= self._checkpoint_every:
            line, last = link(chain, last, self._own.checkpoint(self._key, head.chain, last))
            rows.append(_row(line, last))
            checkpointed = last.sequence
        done = msgspec.structs.replace(
            head,
            sequence=last.sequence,
            fingerprint=last.fingerprint.decode(),
            checkpointed=checkpointed,
            time=self._clock(),
        )
        writer.append(rows, msgspec.json.encode(self._key.sign(done)).decode())

    def _head(self, writer: RowWriter) -> tuple[Head, list[Encoded]]:
        """The head to go on from, and a record of it if it is not what was kept."""
        kept = writer.head()
        head = read_head(kept.encode()) if kept else None
        if head is not None and self._seals.approve(head):
            changed = {"problem": "key_changed", "kid": head.kid}
            known = head.kid == self._key.kid
            return head, [] if known else [self._own.note("recovered", changed)]
        newest = writer.newest()
        if newest is None and not kept:
            return self._begun(Link()), []
        problem = {"problem": "head_not_ours" if kept else "head_missing"}
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


def verify_rows(
    name: str, tables: RowTables, seals: Seals, *, expect: Link | None = None
) -> Report:
    """Verify a log in a database, as `verify_file_log` does one in files.

    Writers may be at work: what they add behind the head that was read first is left for the next
    time.
    """
    kept = tables.head()
    head = read_head(kept.encode()) if kept else None
    lines = (record.encode() + b"\n" for record in _until(tables.records(), head))
    return verify_lines(name, lines, seals, head, expect=expect)


def _until(records: Generator[str], head: Head | None) -> Iterator[str]:
    """The records up to one behind the head, which is where a stranger would have added."""
    with closing(records):
        for number, record in enumerate(records, 1):
            yield record
            if head is not None and number > head.sequence:
                return

"""The log in a SQL database, by SQLAlchemy: the extra `sql`."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError

from jwt_guard.audit.rows import Row

__all__ = ["AUDIT_TABLES", "SqlTables"]

AUDIT_TABLES = MetaData()
"""The tables, for your migrations; made when they are not there."""

_RECORDS = Table(
    "jwt_guard_audit",
    AUDIT_TABLES,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("time", Float, nullable=False, index=True),
    Column("name", String(64), nullable=False, index=True),
    Column("reason", String(64)),
    Column("subject", String(256), index=True),
    Column("address", String(64)),
    Column("record", Text, nullable=False),
)
_HEAD = Table(
    "jwt_guard_audit_head",
    AUDIT_TABLES,
    Column("id", Integer, primary_key=True),
    Column("head", Text, nullable=False),
)
_DRIVERS = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite+pysqlite"}
_AT_ONCE = 5000


class SqlTables:
    """See `RowTables`.

    Args:
        url: `sqlite:///file.db`, `postgresql://...`.
        base: the folder from which relative paths start.

    Raises:
        ValueError: the URL is not understood.
    """

    def __init__(self, url: str, base: Path) -> None:
        try:
            self._engine = create_engine(_located(url, base), pool_pre_ping=True)
        except ArgumentError:
            raise ValueError("is not the URL of a database that is known") from None
        self._made = False

    @contextmanager
    def writing(self) -> Generator["_Writer"]:
        """See `RowTables`: the head's row is updated first, which every database locks."""
        self._make()
        with self._engine.begin() as connection:
            connection.execute(update(_HEAD).values(head=_HEAD.c.head))
            yield _Writer(connection)

    def page(self, after: int | None, since: float | None) -> Sequence[tuple[int, str]]:
        """See `RowTables`."""
        self._make()
        query = (
            select(_RECORDS.c.sequence, _RECORDS.c.record)
            .order_by(_RECORDS.c.sequence)
            .limit(_AT_ONCE)
        )
        if after is not None:
            query = query.where(_RECORDS.c.sequence > after)
        if since is not None:
            query = query.where(_RECORDS.c.time >= since)
        with self._engine.connect() as connection:
            return [(row.sequence, row.record) for row in connection.execute(query)]

    def bounds(self) -> tuple[int, int] | None:
        """See `RowTables`: two queries, since SQLite's index answers no more than one of them."""
        self._make()
        with self._engine.connect() as connection:
            oldest = connection.scalar(select(func.min(_RECORDS.c.sequence)))
            newest = connection.scalar(select(func.max(_RECORDS.c.sequence)))
        return None if oldest is None or newest is None else (oldest, newest)

    def delete(self, through: int) -> None:
        """See `RowTables`."""
        with self._engine.begin() as connection:
            connection.execute(delete(_RECORDS).where(_RECORDS.c.sequence <= through))

    def head(self) -> str | None:
        """See `RowTables`."""
        self._make()
        with self._engine.connect() as connection:
            return connection.scalar(select(_HEAD.c.head)) or None

    def close(self) -> None:
        """See `RowTables`."""
        self._engine.dispose()

    def _make(self) -> None:
        if self._made:
            return
        AUDIT_TABLES.create_all(self._engine)
        try:
            with self._engine.begin() as connection:
                if connection.scalar(select(_HEAD.c.id)) is None:
                    connection.execute(insert(_HEAD).values(id=1, head=""))
        except IntegrityError:
            pass  # another process was quicker
        self._made = True


class _Writer:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def head(self) -> str | None:
        return self._connection.scalar(select(_HEAD.c.head)) or None

    def newest(self) -> tuple[int, str] | None:
        query = (
            select(_RECORDS.c.sequence, _RECORDS.c.record)
            .order_by(_RECORDS.c.sequence.desc())
            .limit(1)
        )
        row = self._connection.execute(query).first()
        return None if row is None else (row.sequence, row.record)

    def append(self, rows: Sequence[Row], head: str) -> None:
        values = [
            {name: getattr(row, name) for name in _RECORDS.columns.keys()}  # noqa: SIM118
            for row in rows
        ]
        self._connection.execute(insert(_RECORDS), values)
        self._connection.execute(update(_HEAD).values(head=head))


def _located(url: str, base: Path) -> URL:
    parsed = make_url(url)
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    if parsed.get_backend_name() == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        parsed = parsed.set(database=str(base / str(parsed.database)))
    return parsed

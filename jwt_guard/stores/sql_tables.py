"""The tables of the SQL store, and the statements that need more than a line."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Executable,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    case,
    delete,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from jwt_guard.stores.protocol import Session

__all__ = [
    "CUT_OFFS",
    "LATEST",
    "SESSIONS",
    "TALLIES",
    "count",
    "cut",
    "metadata",
    "purge",
    "tables",
]

metadata = MetaData()
"""The tables, for those who make theirs with a migration tool."""

# Text has no lengths: both databases keep it as long as it comes, and who writes it bounds it.
SESSIONS = Table(
    "jwt_guard_sessions",
    metadata,
    Column("sid", String, primary_key=True),
    Column("subject", String, nullable=False),
    Column("client_id", String, nullable=False),
    Column("tenant", String),
    Column("roles", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("acr", String),
    Column("amr", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("device", String),
    Column("thumbprint", String),
    Column("salt", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("branch", BigInteger, nullable=False),
    Column("presented_at", BigInteger),
    Column("used_at", BigInteger, nullable=False),
    Column("idle_expires_at", BigInteger, nullable=False),
    Column("agent", String),
    Column("place", String),
    Column("ended_at", BigInteger),
    Column("end_reason", String),
    Column("version", Integer, nullable=False),
    Index("jwt_guard_sessions_subject", "subject"),
    Index("jwt_guard_sessions_end", "idle_expires_at"),
)
CUT_OFFS = Table(
    "jwt_guard_cut_offs",
    metadata,
    Column("key", String, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Index("jwt_guard_cut_offs_end", "until"),
)
TALLIES = Table(
    "jwt_guard_tallies",
    metadata,
    Column("key", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Index("jwt_guard_tallies_end", "until"),
)
assert {f.name for f in fields(Session)} == set(SESSIONS.c.keys())  # noqa: S101 - no slip of the pen

LATEST = select(func.max(CUT_OFFS.c.at)).where(
    CUT_OFFS.c.key.in_(bindparam("keys", expanding=True))
)
"""The latest of the cut-offs that the parameter `keys` names; made once, asked by every request."""

_INSERTS: dict[str, Callable[[Table], Any]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}
_TABLES_LOCK = 0x6A777467
"""A number of our own, by which only one process at a time makes tables in PostgreSQL."""


def _upsert(
    dialect: str, table: Table, values: dict[str, Any], changes: Callable[[Any], dict[str, Any]]
) -> Any:
    """Insert a row, or change the one of that key; `changes` is told the row that came."""
    statement = _INSERTS[dialect](table).values(values)
    return statement.on_conflict_do_update(
        index_elements=[table.c.key], set_=changes(statement.excluded)
    )


def _later(old: Any, new: Any) -> Any:
    return case((new > old, new), else_=old)


def cut(dialect: str, key: str, at: int, until: int) -> Executable:
    """Cut off; the later time stays."""

    def changes(came: Any) -> dict[str, Any]:
        old = CUT_OFFS.c
        return {"at": _later(old.at, came.at), "until": _later(old.until, came.until)}

    values = {"key": key, "at": at, "until": until}
    statement: Executable = _upsert(dialect, CUT_OFFS, values, changes)
    return statement


def count(dialect: str, key: str, now: int, until: int, by: int) -> Executable:
    """Count so many more, and return the count."""

    def changes(came: Any) -> dict[str, Any]:
        old = TALLIES.c
        over = old.until <= now
        return {
            "count": case((over, by), else_=old["count"] + by),
            "until": case((over, came.until), else_=old.until),
        }

    values = {"key": key, "count": by, "until": until}
    upsert = _upsert(dialect, TALLIES, values, changes)
    statement: Executable = upsert.returning(TALLIES.c["count"])
    return statement


def purge(table: Table, key: str, ends: str, now: int, limit: int) -> Executable:
    """Delete at most so many rows whose end has come, the oldest first."""
    oldest = select(table.c[key]).where(table.c[ends] <= now).order_by(table.c[ends]).limit(limit)
    return delete(table).where(table.c[key].in_(oldest))


def tables(dialect: str) -> list[Executable]:
    """Statements of one transaction that make what is not there yet, in one process at a time."""
    lock = [select(func.pg_advisory_xact_lock(_TABLES_LOCK))] if dialect == "postgresql" else []
    made = [CreateTable(table, if_not_exists=True) for table in metadata.sorted_tables]
    indexes = [index for table in metadata.sorted_tables for index in table.indexes]
    indexes.sort(key=lambda index: str(index.name))
    return [*lock, *made, *(CreateIndex(index, if_not_exists=True) for index in indexes)]

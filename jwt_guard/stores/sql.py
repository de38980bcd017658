"""The store in SQLite or PostgreSQL, by SQLAlchemy.

What is done is written once, as statements: a `Work` is run by a blocking engine or by one of the
running event loop. A session changes by compare-and-set, `UPDATE ... WHERE version = :seen`, which
needs no more of PostgreSQL than READ COMMITTED: whoever comes second finds no row.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar, overload

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    delete,
    insert,
    make_url,
    select,
    update,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from jwt_guard.flow import Effect, Flow
from jwt_guard.stores.protocol import (
    FOREVER,
    Session,
    UnusableStore,
    changeable,
    cut_off_key,
    unavailable,
)
from jwt_guard.stores.sql_engines import Engines
from jwt_guard.stores.sql_tables import (
    CUT_OFFS,
    LATEST,
    SESSIONS,
    TALLIES,
    count,
    cut,
    metadata,
    purge,
)

__all__ = ["SqlStore", "metadata"]

T = TypeVar("T")
Results = Sequence[CursorResult[Any]]


@dataclass(frozen=True, slots=True)
class Work(Effect[T], Generic[T]):
    """Statements of one transaction, and what their results mean."""

    engines: Engines
    statements: tuple[Executable, ...]
    meaning: Callable[[Results], T]
    parameters: dict[str, Any]

    def run(self) -> T:
        """See `Effect`."""
        try:
            with _begun(self.engines.blocking(), self) as connection:
                results = [connection.execute(each, self.parameters) for each in self.statements]
                return self.meaning(results)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is an outage
            raise unavailable(error) from None

    async def arun(self) -> T:
        """See `Effect`."""
        try:
            async with asyncio.timeout(self.engines.patience):
                async with _begun(await self.engines.running(), self) as connection:
                    return self.meaning(
                        [
                            await connection.execute(each, self.parameters)
                            for each in self.statements
                        ]
                    )
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is an outage
            raise unavailable(error) from None


@overload
def _begun(engine: Engine, work: Work[Any]) -> AbstractContextManager[Connection]: ...
@overload
def _begun(
    engine: AsyncEngine, work: Work[Any]
) -> AbstractAsyncContextManager[AsyncConnection]: ...
def _begun(engine: Engine | AsyncEngine, work: Work[Any]) -> Any:
    """A transaction; a single statement is one by itself, and costs one round trip that way."""
    if len(work.statements) == 1:
        return engine.connect()
    return engine.execution_options(**work.engines.transaction).begin()


class SqlStore:
    """See `Store`. Connects when it is used first, and makes its tables if they are not there.

    Args:
        url: the database, with or without a driver.
        timeout: for how many seconds an operation may wait.
    """

    has_no_cut_offs = False

    def __init__(self, url: URL, *, timeout: float = 2.0) -> None:
        self._engines = Engines(url, timeout)
        self._dialect = self._engines.dialect

    @classmethod
    def from_url(cls, url: str, base: Path = Path(), *, timeout: float = 2.0) -> Self:
        """A store of `sqlite:///file.db` (relative to `base`) or `postgresql://...`.

        Raises:
            UnusableStore: it is another database, or one in memory.
        """
        try:
            parsed = make_url(url)
        except SQLAlchemyError:
            raise UnusableStore("is not a database URL") from None
        kind = parsed.get_backend_name()
        if kind not in {"postgresql", "sqlite"}:
            raise UnusableStore("is a database that is not supported")
        if kind == "sqlite":
            if parsed.database in {None, "", ":memory:"}:
                raise UnusableStore("is an SQLite database without a file; memory:// is for that")
            parsed = parsed.set(database=str(base / str(parsed.database)))
        store = cls(parsed, timeout=timeout)
        if not store._engines.has_driver():
            raise UnusableStore(
                "needs a driver, such as psycopg",
                "pip install 'jwt-guard-web[sql]', or the driver that it names",
            )
        return store

    def _work(
        self, meaning: Callable[[Results], T], *statements: Executable, **parameters: Any
    ) -> Flow[T]:
        answer = yield from Work(self._engines, statements, meaning, parameters)
        return answer

    def create(self, session: Session) -> Flow[None]:
        """See `Store`."""
        return self._work(_nothing, insert(SESSIONS).values(session.row()))

    def read(self, sid: str) -> Flow[Session | None]:
        """See `Store`."""
        return self._work(_session, select(SESSIONS).where(SESSIONS.c.sid == sid))

    def change(self, seen: Session, changed: Session) -> Flow[bool]:
        """See `Store`."""
        same = (SESSIONS.c.sid == seen.sid) & (SESSIONS.c.version == seen.version)
        return self._work(_was_one, update(SESSIONS).where(same).values(changeable(changed)))

    def end(self, sid: str, *, at: int, reason: str, until: int) -> Flow[bool]:
        """See `Store`."""
        living = (SESSIONS.c.sid == sid) & SESSIONS.c.ended_at.is_(None)
        ended = {"ended_at": at, "end_reason": reason, "version": SESSIONS.c.version + 1}
        return self._work(
            _was_one,
            update(SESSIONS).where(living).values(ended),
            cut(self._dialect, cut_off_key(sid), FOREVER, until),
        )

    def sessions_of(self, subject: str) -> Flow[list[Session]]:
        """See `Store`."""
        theirs = select(SESSIONS).where(SESSIONS.c.subject == subject)
        return self._work(_sessions, theirs.order_by(SESSIONS.c.created_at.desc()))

    def latest_cut_off(self, keys: Sequence[str]) -> Flow[int | None]:
        """See `Store`."""
        return self._work(lambda results: results[0].scalar(), LATEST, keys=keys)

    def cut_off(self, key: str, *, at: int, until: int) -> Flow[None]:
        """See `Store`."""
        return self._work(_nothing, cut(self._dialect, key, at, until))

    def tally(self, key: str, *, now: int, until: int, by: int = 1) -> Flow[int]:
        """See `Store`."""
        counted = count(self._dialect, key, now, until, by)
        return self._work(lambda results: int(results[0].scalar_one()), counted)

    def forget(self, key: str) -> Flow[None]:
        """See `Store`."""
        return self._work(_nothing, delete(TALLIES).where(TALLIES.c.key == key))

    def purge(self, *, now: int, limit: int) -> Flow[int]:
        """See `Store`."""
        return self._work(
            lambda results: sum(result.rowcount for result in results),
            purge(SESSIONS, "sid", "idle_expires_at", now, limit),
            purge(CUT_OFFS, "key", "until", now, limit),
            purge(TALLIES, "key", "until", now, limit),
        )

    def close(self) -> None:
        """See `Store`."""
        self._engines.close()

    async def aclose(self) -> None:
        """See `Store`."""
        await self._engines.aclose()

    def __repr__(self) -> str:
        return f"SqlStore({self._dialect})"


def _nothing(results: Results) -> None:
    return None


def _was_one(results: Results) -> bool:
    return results[0].rowcount == 1


def _sessions(results: Results) -> list[Session]:
    return [Session.restored(dict(row)) for row in results[0].mappings()]


def _session(results: Results) -> Session | None:
    found = _sessions(results)
    return found[0] if found else None

"""SQLAlchemy's engines for one database: a blocking one, and one for each event loop."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from jwt_guard.stores.sql_tables import tables

__all__ = ["Engines"]

_USUAL = {
    "sqlite": ("sqlite+pysqlite", "sqlite+aiosqlite"),
    "postgresql": ("postgresql+psycopg", "postgresql+psycopg"),
}
_GRACE = 0.5
_ISOLATION = {"sqlite": "SERIALIZABLE", "postgresql": "READ COMMITTED"}
_BLOCKING_ONLY = {"sqlite+pysqlite", "postgresql+psycopg2", "postgresql+pg8000"}
_LOOPS_ONLY = {"sqlite+aiosqlite", "postgresql+asyncpg"}


class Engines:
    """Connects when it is asked first, and makes the tables if they are not there.

    Args:
        url: the database, with or without a driver.
        timeout: for how many seconds anything may wait.

    Attributes:
        patience: for how many seconds at most it is waited in fact: servers and drivers give up
            by themselves, and know better why.
        transaction: the option for more than one statement in a transaction.
    """

    def __init__(self, url: URL, timeout: float) -> None:
        self.dialect = url.get_backend_name()
        self.timeout = timeout
        self.patience = timeout + _GRACE
        self.transaction = {"isolation_level": _ISOLATION[self.dialect]}
        self._url = url
        self._lock = threading.Lock()
        self._blocking: Engine | None = None
        self._of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEngine]
        self._of_loops = WeakKeyDictionary()
        self._has_tables = False

    def has_driver(self) -> bool:
        """Whether a driver is installed for one kind of use at least."""
        names = [self._driver(0, _LOOPS_ONLY), self._driver(1, _BLOCKING_ONLY)]
        modules = [name.partition("+")[2].replace("pysqlite", "sqlite3") for name in names]
        return any(find_spec(module) is not None for module in modules)

    def blocking(self) -> Engine:
        """The engine for blocking use; its connections commit each statement by itself."""
        with self._lock:
            if self._blocking is None:
                url = self._url.set(drivername=self._driver(0, _LOOPS_ONLY))
                self._blocking = self._prepared(create_engine(url, **self._options(url)))
            if not self._has_tables:
                with self._blocking.execution_options(**self.transaction).begin() as connection:
                    for statement in tables(self.dialect):
                        connection.execute(statement)
                self._has_tables = True
            return self._blocking

    async def running(self) -> AsyncEngine:
        """The same of the running event loop: a connection belongs to the loop that made it."""
        loop = asyncio.get_running_loop()
        engine = self._of_loops.get(loop)
        if engine is None:
            url = self._url.set(drivername=self._driver(1, _BLOCKING_ONLY))
            engine = create_async_engine(url, **self._options(url))
            self._prepared(engine.sync_engine)
            self._of_loops[loop] = engine
        if not self._has_tables:
            async with engine.execution_options(**self.transaction).begin() as connection:
                for statement in tables(self.dialect):
                    await connection.execute(statement)
            self._has_tables = True
        return engine

    def _driver(self, kind: int, unfit: set[str]) -> str:
        """The driver that the URL names, if it is fit, or else the usual one."""
        named = self._url.drivername
        return _USUAL[self.dialect][kind] if named == self.dialect or named in unfit else named

    def _options(self, url: URL) -> dict[str, Any]:
        limits = _limits(url.drivername, self.timeout)
        return {
            "connect_args": {k: v for k, v in limits.items() if k not in url.query},
            "hide_parameters": True,
            "isolation_level": "AUTOCOMMIT",
            "pool_timeout": self.timeout,
        }

    def _prepared(self, engine: Engine) -> Engine:
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _durable)
        elif engine.dialect.driver == "psycopg":
            from jwt_guard.stores.sql_psycopg import connector

            connect = connector(self.timeout + _GRACE / 2, asynchronous=engine.dialect.is_async)
            event.listen(engine, "do_connect", _connecting(connect, engine.dialect.is_async))
        return engine

    def close(self) -> None:
        """Close the blocking connections."""
        with self._lock:
            engine, self._blocking = self._blocking, None
        if engine is not None:
            engine.dispose()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, and the blocking ones."""
        engine = self._of_loops.pop(asyncio.get_running_loop(), None)
        if engine is not None:
            await engine.dispose()
        self.close()


def _limits(driver: str, timeout: float) -> dict[str, Any]:
    """Connection arguments that bound how long anything can take."""
    milliseconds = int(timeout * 1000)
    if driver.startswith("sqlite"):
        return {"timeout": timeout}
    if driver.endswith("asyncpg"):
        return {"timeout": timeout, "command_timeout": timeout}
    return {
        "connect_timeout": max(2, int(timeout)),
        "options": f"-c statement_timeout={milliseconds}",
        "tcp_user_timeout": milliseconds,
    }


def _durable(connection: Any, record: object) -> None:
    """SQLite: readers beside a writer, and nothing acknowledged before it is on the disk."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    with suppress(sqlite3.OperationalError):  # another process is at it just now
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _connecting(connect: Callable[..., Any], asynchronous: bool) -> Callable[..., Any]:
    """What SQLAlchemy calls to connect; an asynchronous dialect takes the function itself."""

    def connecting(dialect: Any, record: object, args: Any, parameters: dict[str, Any]) -> Any:
        if not asynchronous:
            return connect(*args, **parameters)
        parameters["async_creator_fn"] = connect
        return None

    return connecting

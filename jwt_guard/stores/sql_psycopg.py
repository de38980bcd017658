"""Connections of psycopg that wait no longer than they may.

PostgreSQL itself bounds a statement (`statement_timeout`), and the network a packet that nobody
takes (`tcp_user_timeout`); a server that is stopped while its machine runs does neither.
"""

import time
from collections.abc import Callable, Generator
from typing import Any, ClassVar, TypeVar

import psycopg

__all__ = ["connector"]

T = TypeVar("T")
Steps = Generator[Any, Any, T]


def connector(patience: float, *, asynchronous: bool) -> Callable[..., Any]:
    """What connects, with as many seconds for each exchange."""
    kind: Any = _AsyncConnection if asynchronous else _Connection
    bounded: Any = type(kind.__name__, (kind,), {"patience": patience})
    connect: Callable[..., Any] = bounded.connect
    return connect


class _Connection(psycopg.Connection[Any]):
    patience: ClassVar[float]

    def wait(self, gen: Steps[T], *args: Any, **kwargs: Any) -> T:
        """See `psycopg.Connection`."""
        return super().wait(_until(gen, self.patience, self.pgconn.finish), *args, **kwargs)


class _AsyncConnection(psycopg.AsyncConnection[Any]):
    patience: ClassVar[float]

    async def wait(self, gen: Steps[T], *args: Any, **kwargs: Any) -> T:
        """See `psycopg.AsyncConnection`."""
        return await super().wait(_until(gen, self.patience, self.pgconn.finish), *args, **kwargs)


def _until(steps: Steps[T], patience: float, give_up: Callable[[], None]) -> Steps[T]:
    """The same steps, of which none is taken too late; psycopg takes one every tenth of a second.

    Raises:
        psycopg.OperationalError: they took too long; the connection is closed.
    """
    deadline = time.monotonic() + patience
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if time.monotonic() > deadline:
                give_up()
                raise psycopg.OperationalError("the server does not answer")
            wanted = steps.send(ready)
    except StopIteration as stop:
        result: T = stop.value
        return result

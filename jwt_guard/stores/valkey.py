"""The store in Valkey, or anything else that speaks the Redis protocol, alone or as a cluster.

What is done is written once, as commands, and scripts that the server runs in one step: a `Command`
is run by a blocking client or by one of the running event loop. To keep what it acknowledged when
it is killed, the server needs `appendonly yes` and `appendfsync always`.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit
from weakref import WeakKeyDictionary

import msgspec
import valkey
import valkey.asyncio
import valkey.asyncio.cluster
import valkey.cluster

from jwt_guard.flow import Effect, Flow
from jwt_guard.stores.protocol import (
    FOREVER,
    Session,
    UnusableStore,
    changeable,
    cut_off_key,
    unavailable,
)
from jwt_guard.stores.valkey_scripts import CHANGE, CREATE, CUT, END, LIST, TALLY

__all__ = ["ValkeyStore"]

T = TypeVar("T")
Line = tuple[Any, ...]

_SKEW = 3_600_000
"""For how many milliseconds more the server keeps what has expired: its clock may be ahead of ours,
and must not forget a revocation before the tokens that it concerns are over.
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Clients:
    """The clients for one server or cluster: a blocking one, and one for each event loop.

    Args:
        url: the server, or any of a cluster.
        cluster: whether it is one.
        timeout: for how many seconds anything may wait.
    """

    def __init__(self, url: str, *, cluster: bool, timeout: float) -> None:
        self.cluster = cluster
        self.timeout = timeout
        self._url = url
        self._lock = threading.Lock()
        self._blocking: Any = None
        self._of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()

    def blocking(self) -> Any:
        """The client for blocking use."""
        with self._lock:
            if self._blocking is None:
                kind = valkey.cluster.ValkeyCluster if self.cluster else valkey.Valkey
                self._blocking = kind.from_url(self._url, **self._options())
            return self._blocking

    def running(self) -> Any:
        """The client of the running event loop."""
        loop = asyncio.get_running_loop()
        client = self._of_loops.get(loop)
        if client is None:
            asynchronous = valkey.asyncio
            kind = asynchronous.cluster.ValkeyCluster if self.cluster else asynchronous.Valkey
            client = kind.from_url(self._url, **self._options())
            self._of_loops[loop] = client
        return client

    def _options(self) -> dict[str, Any]:
        return {
            "decode_responses": True,
            "socket_timeout": self.timeout,
            "socket_connect_timeout": self.timeout,
        }

    def close(self) -> None:
        """Close the blocking connections."""
        with self._lock:
            client, self._blocking = self._blocking, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, and the blocking ones."""
        client = self._of_loops.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()
        self.close()


@dataclass(frozen=True, slots=True)
class Commands(Effect[T], Generic[T]):
    """Commands of one round trip, and what their answers mean."""

    clients: Clients
    lines: tuple[Line, ...]
    meaning: Callable[[Sequence[Any]], T]

    def run(self) -> T:
        """See `Effect`."""
        try:
            client = self.clients.blocking()
            if len(self.lines) == 1:
                return self.meaning([client.execute_command(*self.lines[0])])
            return self.meaning(self._piped(client).execute())
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is an outage
            raise unavailable(error) from None

    async def arun(self) -> T:
        """See `Effect`."""
        try:
            async with asyncio.timeout(self.clients.timeout):
                client = self.clients.running()
                if len(self.lines) == 1:
                    return self.meaning([await client.execute_command(*self.lines[0])])
                return self.meaning(await self._piped(client).execute())
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is an outage
            raise unavailable(error) from None

    def _piped(self, client: Any) -> Any:
        pipeline = client.pipeline(transaction=False)
        for line in self.lines:
            pipeline.execute_command(*line)
        return pipeline


class ValkeyStore:
    """See `Store`. Connects when it is used first.

    Args:
        url: `valkey://...`, `valkeys://...` for TLS, or the same with `redis`; with
            `?cluster=true` for a cluster.
        timeout: for how many seconds an operation may wait.
        prefix: what all its keys begin with.
    """

    has_no_cut_offs = False

    def __init__(self, url: str, *, timeout: float = 2.0, prefix: str = "jwt_guard") -> None:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        cluster = query.pop("cluster", "false") == "true"
        url = parts._replace(query=urlencode(query)).geturl()
        self._clients = Clients(url, cluster=cluster, timeout=timeout)
        self._prefix = prefix

    @classmethod
    def from_url(cls, url: str, *, timeout: float = 2.0) -> Self:
        """A store of a URL.

        Raises:
            UnusableStore: the URL cannot be read.
        """
        try:
            if urlsplit(url).port is None and not urlsplit(url).hostname:
                raise UnusableStore("names no host")
        except ValueError:
            raise UnusableStore("is not a URL") from None
        return cls(url, timeout=timeout)

    def _do(self, meaning: Callable[[Sequence[Any]], T], *lines: Line) -> Flow[T]:
        answer = yield from Commands(self._clients, lines, meaning)
        return answer

    def _key(self, kind: str, name: str) -> str:
        """The name in braces alone decides on the slot: what belongs together has the same."""
        return f"{self._prefix}:{kind}:{{{name}}}"

    def _session_key(self, sid: str) -> str:
        return self._key("session", cut_off_key(sid))

    def create(self, session: Session) -> Flow[None]:
        """See `Store`. Listed first: what exists is always found by `sessions_of`."""
        theirs = self._key("subject", session.subject)
        listed = _script(LIST, [theirs], session.used_at, session.expires_at + _SKEW, session.sid)
        yield from self._do(_nothing, listed)
        fields = _pairs(session.row())
        key = self._session_key(session.sid)
        made = _script(CREATE, [key], session.idle_expires_at + _SKEW, *fields)
        yield from self._do(_nothing, made)

    def read(self, sid: str) -> Flow[Session | None]:
        """See `Store`."""
        return self._do(lambda found: _session(found[0]), ("HGETALL", self._session_key(sid)))

    def change(self, seen: Session, changed: Session) -> Flow[bool]:
        """See `Store`."""
        fields = _pairs(changeable(changed))
        key = self._session_key(seen.sid)
        ends = changed.idle_expires_at + _SKEW
        return self._do(_was_one, _script(CHANGE, [key], seen.version, ends, *fields))

    def end(self, sid: str, *, at: int, reason: str, until: int) -> Flow[bool]:
        """See `Store`."""
        keys = [self._session_key(sid), self._key("cut", cut_off_key(sid))]
        quoted = _encode(reason).decode()
        return self._do(_was_one, _script(END, keys, at, quoted, FOREVER, until + _SKEW))

    def sessions_of(self, subject: str) -> Flow[list[Session]]:
        """See `Store`."""
        theirs = ("ZRANGE", self._key("subject", subject), 0, -1)
        sids: list[str] = yield from self._do(lambda found: list(found[0]), theirs)
        if not sids:
            return []
        lines = [("HGETALL", self._session_key(sid)) for sid in sids]
        kept: list[Session] = yield from self._do(_sessions, *lines)
        return sorted(kept, key=lambda session: session.created_at, reverse=True)

    def latest_cut_off(self, keys: Sequence[str]) -> Flow[int | None]:
        """See `Store`."""
        names = [self._key("cut", key) for key in keys]
        if self._clients.cluster:
            return self._do(_latest, *(("GET", name) for name in names))
        return self._do(lambda found: _latest(found[0]), ("MGET", *names))

    def cut_off(self, key: str, *, at: int, until: int) -> Flow[None]:
        """See `Store`."""
        return self._do(_nothing, _script(CUT, [self._key("cut", key)], at, until + _SKEW))

    def tally(self, key: str, *, now: int, until: int, by: int = 1) -> Flow[int]:
        """See `Store`."""
        counted = _script(TALLY, [self._key("tally", key)], now, until, by, until + _SKEW)
        return self._do(lambda found: int(found[0]), counted)

    def forget(self, key: str) -> Flow[None]:
        """See `Store`."""
        return self._do(_nothing, ("DEL", self._key("tally", key)))

    def purge(self, *, now: int, limit: int) -> Flow[int]:
        """See `Store`: the server has done it already."""
        return 0
        yield  # a generator without a step

    def close(self) -> None:
        """See `Store`."""
        self._clients.close()

    async def aclose(self) -> None:
        """See `Store`."""
        await self._clients.aclose()

    def __repr__(self) -> str:
        return f"ValkeyStore(cluster={self._clients.cluster})"


def _script(text: str, keys: Sequence[str], *arguments: object) -> Line:
    return ("EVAL", text, len(keys), *keys, *arguments)


def _pairs(fields: Mapping[str, Any]) -> Iterable[str]:
    for name, value in fields.items():
        yield name
        yield _encode(value).decode()


def _nothing(found: Sequence[Any]) -> None:
    return None


def _was_one(found: Sequence[Any]) -> bool:
    return bool(found[0] == 1)


def _latest(found: Iterable[str | None]) -> int | None:
    return max((int(at) for at in found if at is not None), default=None)


def _session(fields: Mapping[str, str]) -> Session | None:
    if not fields:
        return None
    return Session.restored({name: _decode(value) for name, value in fields.items()})


def _sessions(found: Sequence[Mapping[str, str]]) -> list[Session]:
    return [session for fields in found if (session := _session(fields)) is not None]

"""A web server on loopback that serves keys and metadata, and fails path by path on command.

``server.at(path, fault)`` breaks a path; the faults are in ``tests.support.faults``. The fixture is
``faulty_server``.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeAlias

import pytest

JWKS = "/jwks"
DISCOVERY = "/.well-known/openid-configuration"
OAUTH_METADATA = "/.well-known/oauth-authorization-server"

_HOST = "127.0.0.1"
_PATIENCE = 10.0


@dataclass(slots=True, kw_only=True)
class Hit:
    """One request that came in, and how many bytes were written in answer."""

    method: str
    path: str
    headers: Mapping[str, str]
    at: float = field(default_factory=time.monotonic)
    sent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What a fault has at hand: the request, the path's good document, and the way back."""

    hit: Hit
    origin: str
    document: Any
    writer: asyncio.StreamWriter

    async def serve(self) -> None:
        """Answer as if all were well: with the path's document, or 404 when it has none."""
        status = 404 if self.document is None else 200
        await self.answer(json.dumps(self.document).encode(), status=status)

    async def answer(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a whole response."""
        await self.begin(
            {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})},
            status=status,
        )
        await self.send(body)

    async def begin(self, headers: Mapping[str, str], *, status: int = 200) -> None:
        """Send status line and headers; the body ends with the connection or Content-Length."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode("ascii"))

    async def send(self, data: bytes) -> None:
        """Send bytes as they are, and wait until the client has taken enough of them."""
        self.writer.write(data)
        await self.writer.drain()
        self.hit.sent += len(data)


Fault: TypeAlias = Callable[[Exchange], Awaitable[None]]


class FaultyServer:
    """The server. It runs in a thread of its own, from ``start`` to ``stop``."""

    def __init__(self) -> None:
        """Take a free port, on which connections are refused until ``start``."""
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self.origin = f"http://{_HOST}:{self.port}"
        self.documents: dict[str, Any] = {JWKS: {"keys": []}}
        self.documents |= dict.fromkeys((DISCOVERY, OAUTH_METADATA), _metadata(self.origin))
        self.hits: list[Hit] = []
        self._faults: dict[str, Fault] = {}
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None

    def start(self) -> Self:
        """Serve."""
        self._thread.start()
        self.accept()
        return self

    def stop(self) -> None:
        """Cut all connections and end the thread."""
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._socket.close()

    def __enter__(self) -> Self:
        """Start on entry to a ``with`` block."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop at the end of a ``with`` block."""
        self.stop()

    @property
    def issuer(self) -> str:
        """The issuer that the metadata names."""
        return self.origin

    @property
    def jwks_uri(self) -> str:
        """Where the key set is."""
        return self.origin + JWKS

    @property
    def discovery_uri(self) -> str:
        """Where the metadata is (OpenID Connect Discovery 1.0)."""
        return self.origin + DISCOVERY

    @property
    def jwks(self) -> Any:
        """The key set that is served while nothing is broken."""
        return self.documents[JWKS]

    @jwks.setter
    def jwks(self, keys: Any) -> None:
        self.documents[JWKS] = keys

    def at(self, path: str, fault: Fault) -> None:
        """Answer so at this path, until ``heal``."""
        self._faults[path] = fault

    def heal(self, path: str) -> None:
        """Serve the path's document again."""
        self._faults.pop(path, None)

    def times(self, path: str = JWKS) -> list[float]:
        """When a path was asked for, by the monotonic clock."""
        return [hit.at for hit in self.hits if hit.path == path]

    def count(self, path: str = JWKS) -> int:
        """How often a path was asked for."""
        return len(self.times(path))

    def refuse(self) -> None:
        """Refuse connections, and cut those that are open. The port stays ours."""
        self._do(self._refuse())

    def accept(self) -> None:
        """Take connections (again)."""
        self._do(self._accept())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    async def _accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, sock=self._socket)

    async def _refuse(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        # Bound and not listening: nobody else gets the port, and nobody gets through.
        self._socket = _bound(self.port)
        connections = dict(self._connections)
        for task, writer in connections.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._converse(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(await reader.readuntil(b"\r\n\r\n"), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a client may leave whenever it likes
        finally:
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        hit = _hit(head.decode("latin-1"))
        self.hits.append(hit)
        document = self.documents.get(hit.path)
        exchange = Exchange(hit=hit, origin=self.origin, document=document, writer=writer)
        await self._faults.get(hit.path, Exchange.serve)(exchange)


@pytest.fixture
def faulty_server() -> Iterator[FaultyServer]:
    """A server in which nothing is broken yet, and whose key set is empty."""
    with FaultyServer() as server:
        yield server


def _bound(port: int) -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind((_HOST, port))
    return taken


def _metadata(origin: str) -> dict[str, Any]:
    return {
        "issuer": origin,
        "authorization_endpoint": f"{origin}/authorize",
        "token_endpoint": f"{origin}/token",
        "jwks_uri": origin + JWKS,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def _hit(head: str) -> Hit:
    first, *lines = head.strip().split("\r\n")
    method, target, _version = first.split(" ")
    fields = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in fields}
    return Hit(method=method, path=target, headers=headers)

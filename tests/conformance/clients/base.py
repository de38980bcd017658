"""What all clients share: a request as it stands on the wire, and a uniform response."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from jwt_guard import Principal
from tests.conformance.routes import Application

Headers = Sequence[tuple[str, str]]

SECURITY_HEADERS = (
    "cache-control",
    "content-type",
    "retry-after",
    "set-cookie",
    "www-authenticate",
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request: the target as sent, header fields in order."""

    method: str
    target: str
    headers: Headers

    @property
    def raw_path(self) -> str:
        """The path as sent."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query as sent."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, kw_only=True)
class Response:
    """What came back.

    Attributes:
        status: the status code.
        headers: all header fields, names in lower case, sorted.
        body: the whole body.
        reached: whether a handler of ours answered.
        principal: whom that handler saw.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    reached: bool = False
    principal: Principal | None = None

    def header(self, name: str) -> str | None:
        """The value of a header field; it must not stand there twice."""
        values = [value for field, value in self.headers if field == name]
        assert len(values) <= 1, f"{name} stands there {len(values)} times"
        return values[0] if values else None

    @property
    def refused(self) -> bool:
        """Whether the library refused the request, rather than the framework or a handler."""
        return self.header("content-type") == "application/problem+json"

    def verdict(self) -> tuple[Any, ...]:
        """All that must be the same everywhere."""
        if self.refused:
            return (self.status, self.headers, self.body)
        if self.reached:
            told = tuple(field for field in self.headers if field[0] in SECURITY_HEADERS)
            return (self.status, told, self.body, self.principal)
        return (self.status,)


Answer = tuple[int, list[tuple[str, str]], bytes]


class Client(ABC):
    """One framework with the application mounted in it."""

    def __init__(self, application: Application) -> None:
        self.application = application

    @abstractmethod
    def send(self, request: Request) -> Answer:
        """Hand a request to the framework as a server would."""

    def in_force(self) -> AbstractContextManager[Any]:
        """Whatever must be set while the application serves."""
        return nullcontext()

    def request(self, method: str, target: str, headers: Headers = ()) -> Response:
        """The response to a request."""
        seen = self.application.seen
        seen.clear()
        request = Request(method=method, target=target, headers=headers)
        status, fields, body = self.send(request)
        sorted_fields = tuple(sorted((name.lower(), value) for name, value in fields))
        assert len(seen) <= 1, "more than one handler answered"
        return Response(
            status=status,
            headers=sorted_fields,
            body=body,
            reached=bool(seen),
            principal=seen[0] if seen else None,
        )


class Loop:
    """One event loop for all clients that need one."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def run(self, coroutine: Any) -> Any:
        """The result of a coroutine."""
        return self._runner.run(coroutine)

    def close(self) -> None:
        """End the loop."""
        self._runner.close()


class AsgiClient(Client):
    """Hands requests to an ASGI application."""

    def __init__(self, application: Application, loop: Loop) -> None:
        super().__init__(application)
        self._loop = loop
        self.app = self.build()

    @abstractmethod
    def build(self) -> Any:
        """The ASGI application."""

    def send(self, request: Request) -> Answer:
        """See `Client`."""
        sent: list[dict[str, Any]] = []
        self._loop.run(self._serve(request, sent))
        start, *rest = sent
        fields = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]
        ]
        return start["status"], fields, b"".join(message.get("body", b"") for message in rest)

    async def _serve(self, request: Request, sent: list[dict[str, Any]]) -> None:
        bodies = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not bodies:
                await asyncio.Event().wait()
            return bodies.pop()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(self._scope(request), receive, send)

    def _scope(self, request: Request) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(request.raw_path),
            "raw_path": request.raw_path.encode("latin-1"),
            "root_path": "",
            "query_string": request.query.encode("latin-1"),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in [("host", "api.example.test"), *request.headers]
            ],
            "client": ("192.0.2.7", 40_000),
            "server": ("192.0.2.1", 80),
            "state": {},
            "extensions": {},
        }


class WsgiClient(Client):
    """Hands requests to a WSGI application."""

    def __init__(self, application: Application) -> None:
        super().__init__(application)
        self.app = self.build()

    @abstractmethod
    def build(self) -> Any:
        """The WSGI application."""

    def send(self, request: Request) -> Answer:
        """See `Client`."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            started.append((status, headers))

        answer = self.app(self._environ(request), start_response)
        try:
            body = b"".join(answer)
        finally:
            getattr(answer, "close", lambda: None)()
        status, fields = started[-1]
        return int(status[:3]), fields, body

    def _environ(self, request: Request) -> dict[str, Any]:
        import io

        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(request.raw_path).decode("latin-1"),
            "RAW_URI": request.target,
            "QUERY_STRING": request.query,
            "SERVER_NAME": "192.0.2.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.7",
            "HTTP_HOST": "api.example.test",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in request.headers:
            variable = "HTTP_" + name.upper().replace("-", "_")
            joint = "; " if name.lower() == "cookie" else ","
            known = environ.get(variable)
            environ[variable] = value if known is None else f"{known}{joint}{value}"
        return environ

"""Applications attacked in this process, without a server: ASGI (with lifespan) and WSGI.

Both are driven here and not by an HTTP client, because an attack needs what clients tidy away:
the raw path, odd header bytes, an exception told apart from an answer, a bound on endless streams.
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from inspect import iscoroutinefunction, signature
from typing import Any, TypeVar, cast
from urllib.parse import unquote_to_bytes

from jwt_guard.attacks.model import Answer, Outcome, Request
from jwt_guard.attacks.targets import (
    MAX_BODY,
    SWITCHING,
    Closing,
    Target,
    failed,
    on_threads,
    raw_headers,
    text_headers,
)
from jwt_guard.attacks.websocket import is_upgrade

# The two protocols are untyped by nature: their dictionaries hold whatever the standard says.
Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
T = TypeVar("T")

ORIGIN = "http://testserver"
HOST = ("testserver", 80)
CLIENT = ("127.0.0.1", 40000)
PATIENCE = 30.0


class AsgiTarget(Closing):
    """An ASGI application on an event loop in a thread of its own."""

    def __init__(self, app: AsgiApp) -> None:
        self.name = f"{app_name(app)} (ASGI)"
        self.origin = ORIGIN
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._lifespan = _Lifespan(app)
        self._submit(self._lifespan.start()).result(PATIENCE)

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def send(self, request: Request, *, timeout: float) -> Answer:
        """One request, straight into the application."""
        return self.send_all((request,), timeout=timeout)[0]

    def send_all(self, requests: Sequence[Request], *, timeout: float) -> tuple[Answer, ...]:
        """Many requests as tasks of the application's loop."""
        since = time.perf_counter()
        futures = [self._submit(_call_asgi(self._app, r, timeout, since)) for r in requests]
        return tuple(self._await(future, timeout + 1, since) for future in futures)

    @staticmethod
    def _await(future: Future[Answer], timeout: float, since: float) -> Answer:
        try:
            return future.result(timeout)
        except FutureTimeout:
            future.cancel()
            return failed(Outcome.TIMED_OUT, "no answer in time", since)

    def close(self) -> None:
        """Run the application's shutdown, then end the loop and its thread."""
        if self._loop.is_closed():
            return
        self._submit(self._lifespan.stop()).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


class _Lifespan:
    """The startup and shutdown of one application; those without lifespan are left alone."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._inbox.put({"type": "lifespan.startup"})
        self._task = asyncio.create_task(self._serve())
        await self._told.wait()

    async def stop(self) -> None:
        if self._task is None or self._task.done():
            return
        await self._inbox.put({"type": "lifespan.shutdown"})
        await asyncio.wait([self._task], timeout=PATIENCE / 2)

    async def _serve(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        try:
            await self._app(scope, self._inbox.get, self._send)
        except Exception:  # noqa: BLE001 - an application without lifespan may raise anything
            return
        finally:
            self._told.set()

    async def _send(self, _message: Message) -> None:
        self._told.set()


async def _call_asgi(app: AsgiApp, request: Request, bound: float, since: float) -> Answer:
    """The answer, timed from when the request was sent: a loop that is busy keeps it waiting."""
    call = _AsgiSocket(request) if is_upgrade(request) else _AsgiCall(request)
    try:
        await asyncio.wait_for(app(call.scope, call.receive, call.send), bound)
    except TimeoutError:
        return failed(Outcome.TIMED_OUT, "no answer in time", since)
    except Exception as e:  # noqa: BLE001 - what the application raises is its answer
        return failed(Outcome.CRASHED, f"raised {type(e).__name__}", since)
    return call.answer(time.perf_counter() - since)


class _AsgiCall:
    """One HTTP request of the ASGI protocol, collecting the answer."""

    def __init__(self, request: Request) -> None:
        path, _, query = request.target.partition("?")
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path.encode("utf-8"),
            "query_string": query.encode("utf-8"),
            "root_path": "",
            "headers": [(n.lower(), v) for n, v in raw_headers(_complete(request))],
            "server": HOST,
            "client": CLIENT,
            "state": {},
            "extensions": {},
        }
        self._body: bytes | None = request.body
        self._ended = asyncio.Event()
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []

    async def receive(self) -> Message:
        if self._body is None:
            await self._ended.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(bytes(n), bytes(v)) for n, v in message.get("headers", ())]
        elif message["type"] == "http.response.body":
            self._take(message.get("body", b""))
            if not message.get("more_body", False):
                self._ended.set()

    def _take(self, part: bytes) -> None:
        if sum(map(len, self._parts)) < MAX_BODY:
            self._parts.append(part)

    def answer(self, elapsed: float) -> Answer:
        if not self._status:
            detail = "the application ended without an answer"
            return Answer(failure=Outcome.CRASHED, detail=detail, elapsed=elapsed)
        body = b"".join(self._parts)[:MAX_BODY]
        headers = text_headers(self._headers)
        return Answer(status=self._status, headers=headers, body=body, elapsed=elapsed)


class _AsgiSocket(_AsgiCall):
    """One WebSocket of the ASGI protocol, silent, until the application closes it."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.scope |= {"type": "websocket", "scheme": "ws", "subprotocols": []}
        self._connected = False

    async def receive(self) -> Message:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        await self._ended.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.accept":
            self._status = SWITCHING
        elif message["type"] == "websocket.close":
            self._status = self._status or 403
            self._ended.set()


def _complete(request: Request) -> tuple[tuple[str, str], ...]:
    host = () if request.header("host") is not None else (("host", HOST[0]),)
    length = (("content-length", str(len(request.body))),) if request.body else ()
    return (*host, *length, *request.headers)


class WsgiTarget(Closing):
    """A WSGI application, called on the attacker's own thread."""

    def __init__(self, app: WsgiApp) -> None:
        self.name = f"{app_name(app)} (WSGI)"
        self.origin = ORIGIN
        self._app = app

    def send(self, request: Request, *, timeout: float) -> Answer:
        """One request; a synchronous call cannot be cut off, so a late answer is a time-out."""
        since = time.perf_counter()
        try:
            answer = _call_wsgi(self._app, request, since, timeout)
        except Exception as e:  # noqa: BLE001 - what the application raises is its answer
            return failed(Outcome.CRASHED, f"raised {type(e).__name__}", since)
        if answer.elapsed > timeout:
            return failed(Outcome.TIMED_OUT, "no answer in time", since)
        return answer

    def send_all(self, requests: Sequence[Request], *, timeout: float) -> tuple[Answer, ...]:
        """Many requests, each on a thread of its own."""
        return on_threads(self, requests, timeout)

    def close(self) -> None:
        """Nothing is held."""


def _call_wsgi(app: WsgiApp, request: Request, since: float, timeout: float) -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc: object = None) -> object:
        started.append((status, headers))
        return body.extend

    body = bytearray()
    chunks = app(_environ(request), start_response)
    try:
        for chunk in chunks:
            body += chunk
            if len(body) > MAX_BODY or time.perf_counter() - since > timeout:
                break
    finally:
        getattr(chunks, "close", lambda: None)()
    status, headers = started[-1]
    elapsed = time.perf_counter() - since
    code = int(status.split()[0])
    return Answer(status=code, headers=tuple(headers), body=bytes(body[:MAX_BODY]), elapsed=elapsed)


def _environ(request: Request) -> dict[str, Any]:
    path, _, query = request.target.partition("?")
    return {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": HOST[0],
        "SERVER_PORT": str(HOST[1]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": CLIENT[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **_environ_headers(_complete(request)),
    }


def _environ_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers as servers put them: equal names joined, content headers without the prefix."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        text = value.encode("utf-8").decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return found


def app_name(app: object) -> str:
    """How reports call an application object."""
    kind = type(app)
    return str(getattr(app, "__qualname__", None) or f"{kind.__module__}.{kind.__qualname__}")


def target_of(app: object) -> Target:
    """The target for an application object, ASGI or WSGI (so also Django's handlers).

    Raises TypeError for anything else.
    """
    if isinstance(app, Target):
        return app
    if not callable(app):
        raise TypeError(f"{app_name(app)} is no application: it cannot be called")
    if _is_asgi(app):
        return AsgiTarget(cast(AsgiApp, app))
    return WsgiTarget(cast(WsgiApp, app))


def _is_asgi(app: Callable[..., object]) -> bool:
    if iscoroutinefunction(app) or iscoroutinefunction(type(app).__call__):
        return True
    try:
        return len(signature(app).parameters) == 3
    except (TypeError, ValueError):
        return False

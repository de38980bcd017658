"""Bare and guarded ASGI applications, in process: plain ASGI, Starlette, FastAPI."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from jwt_guard_asgi import JWTGuardMiddleware
from jwt_guard_fastapi import JWTGuardMiddleware as FastAPIGuardMiddleware
from jwt_guard_fastapi import require
from tests.benchmarks import fastapi_peers, material
from tests.benchmarks.measure import Timer, awaited

__all__ = ["EMPTY", "asgi", "fastapi", "starlette"]

EMPTY = "the same hooks, empty"
"""What a framework takes for calling what guards nothing."""

Scope = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


def asgi(loop: asyncio.AbstractEventLoop) -> dict[str, Timer]:
    """An ASGI application without any framework."""
    guarded = JWTGuardMiddleware(_bare, guard=material.guard())
    return {
        "bare": _timer(loop, _bare),
        "jwt_guard": _timer(loop, guarded),
        EMPTY: _timer(loop, _EmptyMiddleware(_bare)),
    }


class _EmptyMiddleware:
    """What any middleware costs that looks at answers."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        async def look(message: Any) -> None:
            await send(message)

        await self._app(scope, receive, look)


async def _bare(scope: Scope, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def starlette(loop: asyncio.AbstractEventLoop) -> dict[str, Timer]:
    """A Starlette application with one route."""
    ours = [Middleware(JWTGuardMiddleware, guard=material.guard())]
    theirs = [Middleware(AuthenticationMiddleware, backend=_PyJWT())]
    return {
        "bare": _timer(loop, _starlette([])),
        "jwt_guard": _timer(loop, _starlette(ours)),
        EMPTY: _timer(loop, _starlette([Middleware(_EmptyMiddleware)])),
        "AuthenticationMiddleware + PyJWT": _timer(loop, _starlette(theirs)),
    }


def _starlette(middleware: Iterable[Middleware]) -> Starlette:
    async def answer(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/reports", answer)], middleware=list(middleware))


class _PyJWT(AuthenticationBackend):
    """What the tutorials show."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
        claims = fastapi_peers.decoded(conn.headers["authorization"].removeprefix("Bearer "))
        return AuthCredentials(claims["scope"].split()), SimpleUser(claims["sub"])


def fastapi(loop: asyncio.AbstractEventLoop) -> dict[str, Timer]:
    """A FastAPI application with one route and a dependency."""
    ours = _fastapi(require())
    ours.add_middleware(FastAPIGuardMiddleware, guard=material.guard())
    empty = _fastapi(_ask_nothing)
    empty.add_middleware(_EmptyMiddleware)
    timers = {
        "bare": _timer(loop, _fastapi(None)),
        "jwt_guard": _timer(loop, ours),
        EMPTY: _timer(loop, empty),
    }
    with fastapi_peers.key_server() as jwks_uri:
        for name, (dependency, token) in fastapi_peers.dependencies(jwks_uri).items():
            timers[name] = _timer(loop, _fastapi(dependency), token=token)
    return timers


def _fastapi(dependency: Any) -> FastAPI:
    app = FastAPI(dependencies=[] if dependency is None else [Depends(dependency)])

    @app.get("/reports")
    async def answer() -> Response:
        return PlainTextResponse("ok")

    return app


async def _ask_nothing(connection: HTTPConnection) -> None:
    """A dependency."""


def _timer(loop: asyncio.AbstractEventLoop, app: App, *, token: str | None = None) -> Timer:
    """A timer of whole requests; what is not answered with 200 is a mistake of the benchmark."""
    credentials = f"Bearer {token or material.token()}".encode()
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/reports",
        "raw_path": b"/reports",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"accept", b"*/*"), (b"authorization", credentials)],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    statuses: set[int] = set()

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def request() -> None:
        await app({**scope, "state": {}}, receive, send)

    loop.run_until_complete(request())
    if statuses != {200}:
        raise RuntimeError(f"the application under test answers {statuses}")
    return awaited(loop, request)

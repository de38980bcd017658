"""Targets: what is sent arrives as forged, and what comes back is told apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from typing import Any

import pytest

from jwt_guard.attacks import Limits, Plan, Runner, route, select, target_of
from jwt_guard.attacks.in_process import AsgiTarget, WsgiTarget
from jwt_guard.attacks.model import Outcome, Request
from tests.attacks.vulnerable.base import SoundServer
from tests.attacks.vulnerable.signature import NoneAccepted
from tests.attacks.vulnerable.web import Call

GET = Request(method="GET", target="/me?a=b")


def _wsgi(server: SoundServer) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        headers = tuple(
            (name[5:].replace("_", "-").lower(), value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        )
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        call = Call(
            method=environ["REQUEST_METHOD"],
            path=path,
            raw_path=path,
            query=environ["QUERY_STRING"],
            headers=headers,
            body=environ["wsgi.input"].read(),
        )
        answer = server.answer(call)
        start_response(f"{answer.status} X", list(answer.headers.items()))
        return [answer.body]

    return application


def _found(server: SoundServer) -> set[str]:
    plan = Plan(token=server.issue(), request=route("/me"), public_path="/public")
    with WsgiTarget(_wsgi(server)) as target:
        report = Runner(target, plan, limits=Limits(rate=0)).run(select(only="ABCEHJ"))
    assert report.trouble is None
    return {result.attack.id for result in report.findings}


def test_wsgi_applications_are_attacked_without_a_server() -> None:
    """The sound one is safe, and the hole is found."""
    assert _found(SoundServer()) == set()
    assert _found(NoneAccepted()) == {"A6"}


def test_the_kind_of_application_is_recognised() -> None:
    """Functions and objects, ASGI and WSGI; anything else is refused."""

    async def asgi(scope: object, receive: object, send: object) -> None:
        """Nothing."""

    with closing(target_of(asgi)) as target:
        assert isinstance(target, AsgiTarget)
        assert target_of(target) is target
    with closing(target_of(SoundServer())) as target:
        assert isinstance(target, AsgiTarget)
    assert isinstance(target_of(_wsgi(SoundServer())), WsgiTarget)
    with pytest.raises(TypeError, match="cannot be called"):
        target_of(object())


def _asgi(body: Callable[..., Awaitable[None]]) -> AsgiTarget:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await body(scope, receive, send)

    return AsgiTarget(application)


def test_the_path_and_odd_headers_arrive_as_forged() -> None:
    """Nothing is tidied on the way: not the path, not the query, not equal header names."""
    seen: list[Any] = []

    async def body(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    request = Request(
        method="GET",
        target="//x/%2e%2e/me?q=%00",
        headers=(("A", "1"), ("A", "2"), ("B", "\u00e9\x00")),
    )
    with _asgi(body) as target:
        assert target.send(request, timeout=5).status == 204
    (scope,) = seen
    assert scope["raw_path"] == b"//x/%2e%2e/me"
    assert scope["path"] == "//x/../me"
    assert scope["query_string"] == b"q=%00"
    assert [v for k, v in scope["headers"] if k == b"a"] == [b"1", b"2"]
    assert (b"b", "\u00e9\x00".encode()) in scope["headers"]


def test_an_exception_is_a_crash_and_an_endless_answer_a_time_out() -> None:
    """Both are told apart from an answer, and neither ends the run."""

    async def raises(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("secret")

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.01)

    with _asgi(raises) as target:
        answer = target.send(GET, timeout=5)
        assert (answer.failure, answer.detail) == (Outcome.CRASHED, "raised KeyError")
    with _asgi(endless) as target:
        since = time.monotonic()
        assert target.send(GET, timeout=0.3).failure is Outcome.TIMED_OUT
        assert time.monotonic() - since < 10


def test_the_lifespan_is_run() -> None:
    """An application that opens its resources at startup has them, and closes them."""
    heard: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                message = await receive()
                heard.append(message["type"])
                await send({"type": f"{message['type']}.complete"})

    with AsgiTarget(application):
        assert heard == ["lifespan.startup"]
    assert heard == ["lifespan.startup", "lifespan.shutdown"]

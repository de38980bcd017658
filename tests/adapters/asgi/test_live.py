"""Connections that outlive their callers' welcome."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from jwt_guard import Guard, Principal, Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard_asgi import JWTGuardMiddleware, while_welcome
from jwt_guard_asgi.starlette import EventStream, require
from tests.adapters.asgi.support import bearer, greet, http, sent_by
from tests.support import tokens

SOON = 0.02


async def identified(guard: Guard, token: str | None) -> dict[str, object]:
    """The scope of a request that the middleware has seen."""
    scope = http(token=token)
    await sent_by(JWTGuardMiddleware(greet, guard=guard, protect="marked"), scope)
    return dict(scope)


async def test_body_is_cancelled_at_expiry(guard: Guard, clock: tokens.Clock) -> None:
    """The moment that a token expires ends what it allowed, and says why."""
    scope = await identified(guard, tokens.mint(exp=tokens.NOW + 60))
    clock.now = tokens.NOW + 59.98
    asyncio.get_running_loop().call_later(SOON / 2, setattr, clock, "now", tokens.NOW + 60)
    with pytest.raises(Refusal) as caught:
        async with while_welcome(scope):
            await asyncio.sleep(30)
    assert caught.value.reason is Reason.TOKEN_EXPIRED


async def test_revocation_is_seen_at_the_next_check(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller who is revoked meanwhile stays no longer than until the next check."""
    scope = await identified(guard, tokens.mint())
    checks: list[object] = []
    real = guard.recheck

    def revoked_at_third(principal: Principal) -> Flow[None]:
        checks.append(principal)
        if len(checks) == 3:
            raise Refusal(Reason.TOKEN_REVOKED)
        return real(principal)

    monkeypatch.setattr(guard, "recheck", revoked_at_third)
    with pytest.raises(Refusal) as caught:
        async with while_welcome(scope, every=SOON):
            await asyncio.sleep(30)
    assert (caught.value.reason, len(checks)) == (Reason.TOKEN_REVOKED, 3)


async def test_failing_check_ends_the_connection(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody stays because the check itself broke."""
    scope = await identified(guard, tokens.mint())

    def broken(principal: object) -> None:
        raise OSError("store gone")

    monkeypatch.setattr(guard, "recheck", broken)
    with pytest.raises(OSError, match="store gone"):
        async with while_welcome(scope, every=SOON):
            await asyncio.sleep(30)


async def test_body_that_ends_in_time_ends_the_watch(guard: Guard) -> None:
    """No task is left behind, whether the body returns or raises."""
    scope = await identified(guard, tokens.mint())
    async with while_welcome(scope):
        await asyncio.sleep(0)
    with pytest.raises(LookupError):
        async with while_welcome(scope):
            raise LookupError
    with pytest.raises(TimeoutError, match="mine"):
        async with while_welcome(scope):
            raise TimeoutError("mine")
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancellation_from_outside_stays_one(guard: Guard) -> None:
    """A server that shuts down cancels the body, and is not told of refusals."""
    scope = await identified(guard, tokens.mint())

    async def body() -> None:
        async with while_welcome(scope):
            await asyncio.sleep(30)

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_leeway_is_granted_to_live_connections(clock: tokens.Clock) -> None:
    """Within the leeway the connection stays, and the loop is not kept busy."""
    guard = Guard.from_config(tokens.configuration(leeway=10), clock=clock)
    scope = await identified(guard, tokens.mint(exp=tokens.NOW + 1))
    clock.now = tokens.NOW + 5
    async with while_welcome(scope):
        await asyncio.sleep(SOON)
    clock.now = tokens.NOW + 11
    with pytest.raises(Refusal):
        async with while_welcome(scope):
            await asyncio.sleep(30)


async def test_callers_without_token_may_stay(guard: Guard) -> None:
    """Where a route lets nobody in particular in, there is nothing to check."""
    async with while_welcome(await identified(guard, None), every=0):
        await asyncio.sleep(SOON)


async def test_watch_needs_the_middleware() -> None:
    """Without the middleware nobody is watched: the developer hears of it."""
    with pytest.raises(RuntimeError, match="JWTGuardMiddleware"):
        async with while_welcome(http()):
            pass


@require
async def echo(websocket: WebSocket) -> None:
    """Sends back what it gets."""
    await websocket.accept()
    async with while_welcome(websocket, every=SOON):
        async for text in websocket.iter_text():
            await websocket.send_text(text)


async def tick() -> AsyncIterator[str]:
    """Events without end."""
    while True:
        yield "data: tick\n\n"
        await asyncio.sleep(SOON / 4)


@require
async def stream(request: Request) -> Response:
    """Sends events."""
    return EventStream(tick(), every=SOON)


@pytest.fixture
def client(guard: Guard) -> TestClient:
    """A client of an application with live connections."""
    listed = [Route("/stream", stream), WebSocketRoute("/ws", echo)]
    middleware = [Middleware(JWTGuardMiddleware, guard=guard)]
    return TestClient(Starlette(routes=listed, middleware=middleware))


def test_websocket_is_closed_when_unwelcome(client: TestClient, clock: tokens.Clock) -> None:
    """The client is told 3000, Unauthorized."""
    with client.websocket_connect("/ws", headers=bearer()) as connected:
        connected.send_text("hello")
        assert connected.receive_text() == "hello"
        clock.now += 3600
        with pytest.raises(WebSocketDisconnect) as closed:
            connected.receive_text()
    assert closed.value.code == 3000


def test_event_stream_ends_when_unwelcome(
    client: TestClient, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream comes to its regular end after some events."""
    checks = iter([None, Refusal(Reason.TOKEN_REVOKED)])

    def revoked_later(principal: Principal) -> Flow[None]:
        refusal = next(checks)
        if refusal is not None:
            raise refusal
        yield from ()

    monkeypatch.setattr(guard, "recheck", revoked_later)
    answer = client.get("/stream", headers=bearer())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("data: tick\n\n")
    assert list(checks) == []


async def test_event_stream_that_never_began_is_refused(guard: Guard, clock: tokens.Clock) -> None:
    """A caller whose time is up before the first byte gets the refusal itself."""
    scope = await identified(guard, tokens.mint())
    clock.now += 7200

    async def stuck() -> AsyncIterator[str]:
        yield ""

    class Slow(EventStream):
        async def stream_response(self, send: object) -> None:
            await asyncio.sleep(30)

    with pytest.raises(Refusal):
        await sent_by(Slow(stuck()), {**scope, "asgi": {"spec_version": "2.4"}})

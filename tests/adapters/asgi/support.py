"""ASGI by hand: what an application does with a scope, message by message."""

from collections.abc import Iterable
from typing import Any

from jwt_guard_asgi.wire import App, Message, Scope
from tests.support import tokens

DENIAL: dict[str, dict[str, str]] = {"websocket.http.response": {}}


def bearer(token: str | None = None) -> dict[str, str]:
    """The header that carries a token; a good one, if none is given."""
    return {"Authorization": f"Bearer {token or tokens.mint()}"}


def http(path: str = "/", *, method: str = "GET", token: str | None = None) -> Scope:
    """The scope of a request."""
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": headers,
    }


def websocket(path: str = "/", *, token: str | None = None, **more: Any) -> Scope:
    """The scope of a WebSocket handshake."""
    scope = {**http(path, token=token), "type": "websocket", **more}
    del scope["method"]
    return scope


async def sent_by(app: App, scope: Scope, received: Iterable[Message] = ()) -> list[Message]:
    """What an application sends."""
    incoming = iter([*received, {"type": "http.request", "body": b""}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def status_of(sent: list[Message]) -> int:
    """The status of an HTTP answer."""
    status: int = sent[0]["status"]
    return status


async def greet(scope: Scope, receive: Any, send: Any) -> None:
    """An application that answers everything with 200."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})

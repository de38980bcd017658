"""Replies as ASGI messages."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from jwt_guard.errors import Refusal
from jwt_guard.http import Reply

__all__ = [
    "App",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "Sender",
    "close_code",
    "raw_headers",
    "send_reply",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_DENIAL: Final = "websocket.http.response"
_STAGES: Final = frozenset(
    {"http.response.start", "websocket.accept", "websocket.close", _DENIAL + ".start"}
)
_CLOSE_CODES: Final = {401: 3000, 403: 3003, 503: 1013}


def close_code(refusal: Refusal) -> int:
    """The code that closes an open WebSocket (RFC 6455 section 7.4 and its IANA registry).

    That is 3000 Unauthorized, 3003 Forbidden, 1013 Try Again Later, or 1008 Policy Violation.
    """
    return _CLOSE_CODES.get(refusal.status, 1008)


class Sender(msgspec.Struct, eq=False):
    """A `send` that remembers how far the answer is, and keeps private ones out of caches.

    Attributes:
        send: the server's.
        private: whether an answer that says nothing of caching is marked `no-store`.
        stage: the last message that began or ended something.
    """

    send: Send
    private: bool = False
    stage: str | None = None

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message, once awaited."""
        kind = message["type"]
        if kind in _STAGES:
            self.stage = kind
            if self.private and kind == "http.response.start":
                message = _unstored(message)
        return self.send(message)

    async def refuse(self, scope: Scope, refusal: Refusal, reply: Reply) -> None:
        """Answer with a refusal, or end what has begun.

        Raises:
            Refusal: this one again, where an HTTP answer has begun: only the server can cut it.
        """
        if self.stage is None:
            await send_reply(scope, self.send, reply)
        elif self.stage == "websocket.accept":
            await self({"type": "websocket.close", "code": close_code(refusal)})
        elif scope["type"] == "http":
            raise refusal


def _unstored(message: Message) -> Message:
    fields = message.get("headers") or ()
    for name, _ in fields:
        if len(name) == 13 and name.lower() == b"cache-control":
            return message
    return {**message, "headers": [*fields, (b"cache-control", b"no-store")]}


async def send_reply(scope: Scope, send: Send, reply: Reply) -> None:
    """Answer an HTTP request, or a WebSocket handshake that is not accepted."""
    if scope["type"] == "http":
        await _respond(send, "http.response", reply, head=scope["method"] == "HEAD")
    elif _DENIAL in (scope.get("extensions") or ()):
        await _respond(send, _DENIAL, reply)
    else:
        await send({"type": "websocket.close", "code": 1008})


async def _respond(send: Send, kind: str, reply: Reply, *, head: bool = False) -> None:
    await send(
        {"type": f"{kind}.start", "status": reply.status, "headers": raw_headers(reply)},
    )
    await send({"type": f"{kind}.body", "body": b"" if head else reply.body})


def raw_headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    """A reply's header fields as ASGI wants them, with the length of its body."""
    fields = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in reply.headers]
    if reply.status != 204:
        fields.append((b"content-length", str(len(reply.body)).encode("ascii")))
    return fields

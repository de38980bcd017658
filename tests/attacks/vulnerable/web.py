"""The smallest web framework that will do: one ASGI class, plain requests and replies."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    method: str
    path: str
    raw_path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name.lower()]

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next(iter(self.all(name)), "")

    def parameter(self, name: str) -> str:
        """The first value of a query parameter, or nothing."""
        return parse_qs(self.query).get(name, [""])[0]

    def cookie(self, name: str) -> str:
        """The value of a cookie, or nothing."""
        pairs = (part.strip().partition("=") for part in self.header("cookie").split(";"))
        return next((value for key, _, value in pairs if key == name), "")

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; anything else is an empty one."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()


def reply(status: int, document: object, **headers: str) -> Reply:
    """An answer in JSON, not to be stored."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    basic = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Reply(status=status, body=json.dumps(document).encode(), headers={**basic, **named})


class Web:
    """An ASGI application that hands every HTTP request to `answer`; `served` counts them."""

    served = 0

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one request; lifespan and WebSocket are not spoken."""
        if scope["type"] != "http":
            raise RuntimeError("HTTP only")
        self.served += 1
        await self.serve(call_of(scope, (await receive()).get("body", b"")), send)

    async def serve(self, call: Call, send: Callable[[Message], Awaitable[None]]) -> None:
        """Answer one request."""
        answer = self.answer(call)
        headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in answer.headers.items()]
        headers += [(b"set-cookie", line.encode()) for line in answer.cookies]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if call.method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    def answer(self, call: Call) -> Reply:
        """What to answer."""
        raise NotImplementedError


def call_of(scope: Message, body: bytes = b"") -> Call:
    """The request of a scope."""
    return Call(
        method=scope["method"],
        path=scope["path"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]),
        body=body,
    )

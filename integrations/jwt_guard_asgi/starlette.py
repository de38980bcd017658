"""Decorators, routes and responses for Starlette."""

try:
    __import__("starlette")
except ImportError as error:
    raise ImportError(
        "jwt_guard_asgi.starlette needs Starlette: pip install 'jwt-guard-web[asgi]'",
        name=error.name,
    ) from None

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from inspect import isclass, iscoroutinefunction, isfunction, ismethod
from typing import Any, TypeVar, overload

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import HTTPConnection
from starlette.responses import ContentStream, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from jwt_guard.endpoints import Endpoint, mountable
from jwt_guard.errors import Refusal
from jwt_guard.guard import BadToken, Guard
from jwt_guard.marks import as_handler
from jwt_guard.requirements import Requirement
from jwt_guard_asgi.live import CHECK_EVERY, while_welcome
from jwt_guard_asgi.marks import Mark, mark, public
from jwt_guard_asgi.middleware import DEFAULT, Connection, authorize, current_principal, reply_to
from jwt_guard_asgi.mounting import EndpointApp
from jwt_guard_asgi.wire import Receive, Scope, Send, Sender, raw_headers

__all__ = [
    "EventStream",
    "current_principal",
    "public",
    "refusal_response",
    "require",
    "routes",
]

H = TypeVar("H", bound=Callable[..., Any])
Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Rule:
    requirement: Requirement | None
    guard: str
    optional: bool
    bad_token: BadToken

    def ask(self, connection: Connection) -> None:
        authorize(
            connection,
            self.requirement,
            guard=self.guard,
            optional=self.optional,
            bad_token=self.bad_token,
        )


@overload
def require(requirement: H, /) -> H: ...
@overload
def require(
    requirement: Requirement | None = None,
    *,
    guard: str = DEFAULT,
    optional: bool = False,
    bad_token: BadToken = "refuse",
) -> Callable[[H], H]: ...
def require(
    requirement: Any = None,
    *,
    guard: str = DEFAULT,
    optional: bool = False,
    bad_token: BadToken = "refuse",
) -> Any:
    """Let only callers into a handler who are verified and meet a requirement.

    Goes on functions, sync or async, that take a request or a WebSocket, on such methods, and on
    classes of `HTTPEndpoint` and `WebSocketEndpoint`. Bare `@require` asks for any verified
    caller. A refused WebSocket raises the `Refusal`, which the middleware answers.

    Args:
        requirement: what is asked besides being verified.
        guard: the name of the guard that is asked.
        optional: whether callers without a token may enter too.
        bad_token: where optional, whether a bad token is refused or counts as none.

    Raises:
        TypeError: it stands on something else.
    """
    if requirement is not None and not isinstance(requirement, Requirement):
        return require()(as_handler(requirement))
    rule = _Rule(requirement, guard, optional, bad_token)
    return lambda handler: mark(_guarded(handler, rule), Mark(guard, optional))


def _guarded(handler: Any, rule: _Rule) -> Any:
    if isclass(handler) and issubclass(handler, HTTPEndpoint | WebSocketEndpoint):
        return _guarded_class(handler, rule)
    if isfunction(handler) or ismethod(handler):
        guard = _guarded_async if iscoroutinefunction(handler) else _guarded_sync
        return guard(handler, rule)
    raise TypeError(f"require() goes on functions, methods and endpoint classes, not {handler!r}")


def _guarded_async(handler: Handler, rule: _Rule) -> Handler:
    @wraps(handler)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        connection = _connection(*args, *kwargs.values())
        try:
            rule.ask(connection)
            return await handler(*args, **kwargs)
        except Refusal as refusal:
            return _response_to(connection, refusal)

    return guarded


def _guarded_sync(handler: Handler, rule: _Rule) -> Handler:
    @wraps(handler)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        connection = _connection(*args, *kwargs.values())
        try:
            rule.ask(connection)
            return handler(*args, **kwargs)
        except Refusal as refusal:
            return _response_to(connection, refusal)

    return guarded


def _connection(*arguments: object) -> HTTPConnection:
    for argument in arguments:
        if isinstance(argument, HTTPConnection):
            return argument
    raise TypeError("require() found no request or WebSocket among the handler's arguments")


def _guarded_class(endpoint: Any, rule: _Rule) -> Any:
    dispatch = endpoint.dispatch

    @wraps(dispatch)
    async def guarded(self: Any) -> None:
        try:
            rule.ask(self.scope)
        except Refusal as refusal:
            response = _response_to(HTTPConnection(self.scope), refusal)
            await response(self.scope, self.receive, self.send)
        else:
            await dispatch(self)

    endpoint.dispatch = guarded
    return endpoint


async def refusal_response(connection: HTTPConnection, refusal: Exception) -> Response:
    """An exception handler that answers a refusal.

    An application that is mounted in another needs it if its own code raises refusals outside of
    `require`, for it answers exceptions before they reach the middleware:
    `Starlette(exception_handlers={Refusal: refusal_response})`.

    Raises:
        Refusal: this one again, for a WebSocket: the middleware knows how to refuse it.
    """
    return _response_to(connection, refusal)


def _response_to(connection: HTTPConnection, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal) or connection.scope["type"] != "http":
        raise refusal
    reply = reply_to(connection, refusal)
    body = b"" if connection.scope["method"] == "HEAD" else reply.body
    response = Response(body, reply.status)
    response.raw_headers = raw_headers(reply)
    return response


def routes(guard: Guard, endpoints: Iterable[Endpoint]) -> list[BaseRoute]:
    """The library's own endpoints as routes: `Starlette(routes=[*routes(guard, well_known())])`.

    Raises:
        ConfigurationError: the guard cannot serve them.
    """
    return [
        Route(each.path, EndpointApp(guard, each), methods=[each.method], name=each.name)
        for each in mountable(guard, endpoints)
    ]


class EventStream(StreamingResponse):
    """Server-sent events that end when their caller is not welcome any more.

    Args:
        content: the events, as they are to be sent.
        every: seconds between two checks of the caller, besides at expiry.
    """

    media_type = "text/event-stream"

    def __init__(self, content: ContentStream, *, every: float = CHECK_EVERY) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store"})
        self._every = every

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events (ASGI)."""
        sender = Sender(send)
        try:
            async with while_welcome(scope, every=self._every):
                await super().__call__(scope, receive, sender)
        except Refusal:
            if sender.stage is None:
                raise
            await send({"type": "http.response.body", "body": b""})

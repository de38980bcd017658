"""The library's own endpoints as ASGI applications."""

from jwt_guard.endpoints import LARGEST_BODY, Endpoint
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import arun
from jwt_guard.guard import Guard
from jwt_guard.http import AsgiView, Reply
from jwt_guard_asgi.marks import PUBLIC, mark
from jwt_guard_asgi.wire import Receive, Scope, Send, send_reply

__all__ = ["EndpointApp"]


class EndpointApp:
    """One endpoint as an ASGI application; public, for it checks for itself.

    Args:
        guard: the guard that it serves.
        endpoint: what it does. Its method and path are for the router to match.
    """

    def __init__(self, guard: Guard, endpoint: Endpoint) -> None:
        self.guard = guard
        self.endpoint = endpoint
        mark(self, PUBLIC)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        await send_reply(scope, send, await self._reply(scope, receive))

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        try:
            body = await _body(receive)
            return await arun(self.endpoint.handle(self.guard, AsgiView(scope), body))
        except Refusal as refusal:
            return self.guard.reply(refusal)


async def _body(receive: Receive) -> bytes:
    """The request's whole body.

    Raises:
        Refusal: it is too long, or its sender is gone.
    """
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or len(body) > LARGEST_BODY:
            raise Refusal(Reason.REQUEST_MALFORMED)
        if not message.get("more_body", False):
            return bytes(body)

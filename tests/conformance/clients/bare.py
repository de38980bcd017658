"""The middleware around an ASGI application that knows no framework at all."""

from typing import Any

from jwt_guard_asgi import JWTGuardMiddleware, authorize, current_principal
from tests.conformance.clients.base import AsgiClient
from tests.conformance.routes import INTERNAL, ROUTES, Route


class BareClient(AsgiClient):
    """No router, so what is public or optional is named by its path."""

    def build(self) -> Any:
        """See `AsgiClient`."""
        application = self.application
        open_paths = [route.path for route in ROUTES if _decides_for_itself(route)]
        app: Any = JWTGuardMiddleware(self._serve_route, guard=application.guard, public=open_paths)
        return JWTGuardMiddleware(app, guard=application.internal, name=INTERNAL)

    async def _serve_route(self, scope: Any, receive: Any, send: Any) -> None:
        at_path = [route for route in ROUTES if route.match(scope["path"]) is not None]
        matching = [route for route in at_path if scope["method"] in route.methods]
        if not matching:
            await _respond(scope, send, 405 if at_path else 404, b"")
            return
        route = matching[0]
        scope["path_params"] = route.match(scope["path"])
        if route.asks is not None:
            principal = authorize(scope, **route.asks)
        else:
            principal = current_principal(scope)
        await _respond(scope, send, 200, self.application.answer(route, principal))


def _decides_for_itself(route: Route) -> bool:
    asks = route.asks or {}
    return route.public or asks.get("optional", False) or asks.get("guard") == INTERNAL


async def _respond(scope: Any, send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json")] if status == 200 else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    shown = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": shown})

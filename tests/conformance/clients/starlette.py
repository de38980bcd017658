"""Starlette and FastAPI, with decorators and with dependencies."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

import jwt_guard_fastapi
from jwt_guard_asgi import JWTGuardMiddleware
from jwt_guard_asgi.starlette import current_principal, public, require
from tests.conformance.clients.base import AsgiClient
from tests.conformance.routes import INTERNAL, ROUTES, Route

Handler = Callable[[Request], Awaitable[Response]]


class StarletteClient(AsgiClient):
    """Routes with decorated handlers."""

    def build(self) -> Any:
        """See `AsgiClient`."""
        routes = [
            StarletteRoute(
                route.spelled("{{{}}}", "{{{}:path}}"), self._handler(route), methods=[route.method]
            )
            for route in ROUTES
        ]
        return Starlette(routes=routes, middleware=self.middleware(JWTGuardMiddleware))

    def middleware(self, kind: Any) -> list[Middleware]:
        """Both guards, the default one inside."""
        return [
            Middleware(kind, guard=self.application.internal, name=INTERNAL),
            Middleware(kind, guard=self.application.guard),
        ]

    def plain(self, route: Route) -> Handler:
        """The handler without a mark."""

        async def handler(request: Request) -> Response:
            body = self.application.answer(route, current_principal(request))
            shown = b"" if request.method == "HEAD" else body
            return Response(shown, media_type="application/json")

        return handler

    def _handler(self, route: Route) -> Handler:
        handler = self.plain(route)
        if route.public:
            return public(handler)
        return handler if route.asks is None else require(**route.asks)(handler)


class FastAPIClient(StarletteClient):
    """Routes with dependencies."""

    def build(self) -> Any:
        """See `AsgiClient`."""
        middleware = self.middleware(jwt_guard_fastapi.JWTGuardMiddleware)
        app = FastAPI(middleware=middleware, openapi_url=None)
        for route in ROUTES:
            handler = self.plain(route)
            app.add_api_route(
                route.spelled("{{{}}}", "{{{}:path}}"),
                jwt_guard_fastapi.public(handler) if route.public else handler,
                methods=route.methods,
                dependencies=_dependencies(route),
                response_model=None,
            )
        return app


def _dependencies(route: Route) -> list[Any]:
    if route.asks is None:
        return []
    options = dict(route.asks)
    requirement = options.pop("requirement")
    return [Depends(jwt_guard_fastapi.require(requirement, **options))]

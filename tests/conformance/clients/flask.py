"""Flask, with the extension and decorators."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g

from jwt_guard_flask import JWTGuard, public, require
from tests.conformance.clients.base import WsgiClient
from tests.conformance.routes import INTERNAL, ROUTES, Route

View = Callable[..., Response]


class FlaskClient(WsgiClient):
    """Rules with decorated views."""

    def build(self) -> Any:
        """See `WsgiClient`."""
        app = Flask("conformance", static_folder=None)
        JWTGuard(app, guard=self.application.guard)
        JWTGuard(app, guard=self.application.internal, name=INTERNAL)
        for place, route in enumerate(ROUTES):
            path = route.spelled("<{}>", "<path:{}>")
            app.add_url_rule(path, str(place), self._view(route), methods=[route.method])
        return app

    def _view(self, route: Route) -> View:
        def view(**path_params: str) -> Response:
            body = self.application.answer(route, g.principal)
            return Response(body, content_type="application/json")

        if route.public:
            return public(view)
        return view if route.asks is None else require(**route.asks)(view)

"""Django, under WSGI with sync views and under ASGI with async ones."""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from types import ModuleType
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.views import View

from jwt_guard_django import current_principal, public, require
from tests.conformance.clients.base import AsgiClient, Loop, WsgiClient
from tests.conformance.routes import INTERNAL, ROUTES, Application, Route

Method = Callable[..., Any]


def _settings(application: Application, method_of: Callable[[Route], Method]) -> dict[str, Any]:
    urls = ModuleType("conformance_urls")
    by_path = groupby(sorted(ROUTES, key=_spelled), key=_spelled)
    patterns = [path(where, _view(method_of, list(routes))) for where, routes in by_path]
    urls.urlpatterns = patterns  # type: ignore[attr-defined]
    return {
        "JWT_GUARD": application.guard,
        "JWT_GUARDS": {INTERNAL: application.internal},
        "MIDDLEWARE": ["jwt_guard_django.JWTGuardMiddleware"],
        "ROOT_URLCONF": urls,
        "APPEND_SLASH": False,
    }


def _spelled(route: Route) -> str:
    return route.spelled("<{}>", "<path:{}>").removeprefix("/")


def _view(method_of: Callable[[Route], Method], routes: list[Route]) -> Any:
    handlers = {route.method.lower(): _marked(route, method_of(route)) for route in routes}
    return type("ConformanceView", (View,), handlers).as_view()  # type: ignore[attr-defined]


def _marked(route: Route, method: Method) -> Method:
    if route.public:
        return public(method)
    return method if route.asks is None else require(**route.asks)(method)


def _answer(application: Application, route: Route, request: HttpRequest) -> HttpResponse:
    body = application.answer(route, current_principal(request))
    shown = b"" if request.method == "HEAD" else body
    return HttpResponse(shown, content_type="application/json")


@contextmanager
def _in_force(settings: Mapping[str, Any]) -> Generator[None]:
    """With these settings and, as for Django's own test client, no connection looked after.

    What other tests of this process have opened is not for requests to ask about.
    """
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        with override_settings(**settings):
            yield
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


class DjangoWsgiClient(WsgiClient):
    """Class-based views with sync methods."""

    def build(self) -> Any:
        """See `WsgiClient`."""
        self._settings = _settings(self.application, self._method)
        with self.in_force():
            return WSGIHandler()

    def in_force(self) -> AbstractContextManager[Any]:
        """See `Client`."""
        return _in_force(self._settings)

    def _method(self, route: Route) -> Method:
        def method(view: View, request: HttpRequest, **path_params: str) -> HttpResponse:
            return _answer(self.application, route, request)

        return method


class DjangoAsgiClient(AsgiClient):
    """Class-based views with async methods."""

    def __init__(self, application: Application, loop: Loop) -> None:
        self._settings = _settings(application, self._method)
        super().__init__(application, loop)

    def build(self) -> Any:
        """See `AsgiClient`."""
        with self.in_force():
            return ASGIHandler()

    def in_force(self) -> AbstractContextManager[Any]:
        """See `Client`."""
        return _in_force(self._settings)

    def _method(self, route: Route) -> Method:
        async def method(view: View, request: HttpRequest, **path_params: str) -> HttpResponse:
            return _answer(self.application, route, request)

        return method

"""The routes that the library brings, as URL patterns."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from jwt_guard.endpoints import LARGEST_BODY, Endpoint, mountable
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard
from jwt_guard.marks import public
from jwt_guard_django.admission import DjangoView, response_of

__all__ = ["urlpatterns"]


def urlpatterns(guard: Guard, endpoints: Iterable[Endpoint]) -> list[URLPattern]:
    """Patterns of these endpoints, all public and without Django's CSRF: they check for themselves.

    Args:
        guard: the guard that the endpoints speak for.
        endpoints: such as `jwt_guard.endpoints.well_known()`.

    Raises:
        ConfigurationError: the guard cannot serve them.
    """
    by_path = groupby(sorted(mountable(guard, endpoints), key=_path), key=_path)
    return [pattern for where, group in by_path for pattern in _patterns(guard, where, list(group))]


def _path(endpoint: Endpoint) -> str:
    return endpoint.path


def _patterns(guard: Guard, where: str, endpoints: list[Endpoint]) -> list[URLPattern]:
    """One view for all methods of a path, under the name of each."""
    route = where.removeprefix("/").replace("{", "<").replace("}", ">")
    view = csrf_exempt(_view_class(guard, endpoints).as_view())
    return [path(route, view, name=endpoint.name) for endpoint in endpoints]


def _view_class(guard: Guard, endpoints: list[Endpoint]) -> type[View]:
    handlers: dict[str, Any] = {
        endpoint.method.lower(): _handler(guard, endpoint) for endpoint in endpoints
    }
    allowed = [*handlers, "head"] if "get" in handlers else [*handlers]
    return type("EndpointView", (View,), {**handlers, "http_method_names": allowed})


def _handler(guard: Guard, endpoint: Endpoint) -> Callable[..., HttpResponse]:
    @public
    def handle(self: View, request: HttpRequest, **path_params: str) -> HttpResponse:
        try:
            reply = run(endpoint.handle(guard, DjangoView(request), _body(request)))
        except Refusal as refusal:
            reply = guard.reply(refusal)
        return response_of(reply, request)

    return handle


def _body(request: HttpRequest) -> bytes:
    """The request's whole body.

    Raises:
        Refusal: it is too long, or its sender is gone.
    """
    try:
        body = request.read(LARGEST_BODY + 1)
    except OSError:
        raise Refusal(Reason.REQUEST_MALFORMED) from None
    if len(body) > LARGEST_BODY:
        raise Refusal(Reason.REQUEST_MALFORMED)
    return body

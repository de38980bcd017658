"""The sample application of Django, a project in one file.

`python -m sample_apps.django_app --port 8003`, under WSGI; with `--asgi` under ASGI.
"""

import sys
from typing import cast

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.views import View

from jwt_guard import Config, Guard
from jwt_guard_asgi.wire import App
from jwt_guard_django import current_principal, public, require
from jwt_guard_django import urlpatterns as endpoint_patterns
from sample_apps import asgi_server, shared, wsgi_server
from sample_apps.shared import REQUIREMENTS

__all__ = ["configure", "main", "patterns"]


class Public(View):
    """GET /public."""

    @public
    def get(self, request: HttpRequest) -> JsonResponse:
        """Open to everybody."""
        return JsonResponse(shared.welcome())


@require(REQUIREMENTS["GET /me"])
class Me(View):
    """GET /me."""

    def get(self, request: HttpRequest) -> JsonResponse:
        """The caller."""
        principal = current_principal(request)
        assert principal is not None  # noqa: S101 - required above
        return JsonResponse(shared.me(principal))


class Reports(View):
    """GET and POST /reports."""

    @require(REQUIREMENTS["GET /reports"])
    def get(self, request: HttpRequest) -> JsonResponse:
        """All reports."""
        return JsonResponse(shared.reports())

    @require(REQUIREMENTS["POST /reports"])
    def post(self, request: HttpRequest) -> JsonResponse:
        """Save a report."""
        return JsonResponse(shared.saved(), status=201)


class User(View):
    """DELETE /admin/users/{id}."""

    @require(REQUIREMENTS["DELETE /admin/users/{id}"])
    def delete(self, request: HttpRequest, user_id: str) -> JsonResponse:
        """Remove a user."""
        return JsonResponse(shared.removed(user_id))


class Invoices(View):
    """GET /tenants/{tenant}/invoices."""

    @require(REQUIREMENTS["GET /tenants/{tenant}/invoices"])
    def get(self, request: HttpRequest, tenant: str) -> JsonResponse:
        """A tenant's invoices."""
        return JsonResponse(shared.invoices(tenant))


def patterns(guard: Guard) -> tuple[URLPattern, ...]:
    """What a larger project keeps in `urls.py`."""
    return (
        path("public", Public.as_view()),
        path("me", Me.as_view()),
        path("reports", Reports.as_view()),
        path("admin/users/<user_id>", User.as_view()),
        path("tenants/<tenant>/invoices", Invoices.as_view()),
        *endpoint_patterns(guard, shared.endpoints()),
    )


def configure(config: Config) -> None:
    """Set Django up in this process, trusting whom the configuration names."""
    guard = shared.guard_of(config)
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1", "localhost", "[::1]"],
        INSTALLED_APPS=["jwt_guard_django"],
        JWT_GUARD=guard,
        MIDDLEWARE=[
            "django.middleware.common.CommonMiddleware",
            "jwt_guard_django.JWTGuardMiddleware",
        ],
        ROOT_URLCONF=patterns(guard),
    )
    django.setup()


def main() -> None:
    """Serve until told to stop."""
    argv = [argument for argument in sys.argv[1:] if argument != "--asgi"]
    if "--asgi" in sys.argv:
        shared.start(_asgi, asgi_server.serve, argv)
    else:
        shared.start(_wsgi, wsgi_server.serve, argv)


def _asgi(config: Config) -> App:
    configure(config)
    return cast(App, get_asgi_application())


def _wsgi(config: Config) -> WSGIHandler:
    configure(config)
    return get_wsgi_application()


if __name__ == "__main__":
    main()

"""What type checkers make of the Django adapter: read by mypy and pyright, not run."""

from collections.abc import Awaitable, Callable
from typing import assert_type

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.views import View
from rest_framework.permissions import BasePermission

from jwt_guard import Guard, Principal, role
from jwt_guard.endpoints import well_known
from jwt_guard_django import current_principal, get_guard, public, require, urlpatterns
from jwt_guard_django.ninja import AsyncJWTAuth, JWTAuth
from jwt_guard_django.rest_framework import Requires

guard = assert_type(get_guard("admin"), Guard)
assert_type(urlpatterns(guard, well_known()), list[URLPattern])
assert_type(current_principal(HttpRequest()), Principal | None)
assert_type(Requires(role("admin")), type[BasePermission])
assert_type(JWTAuth(role("admin"))(HttpRequest()), Principal | None)


async def _awaits() -> None:
    assert_type(await AsyncJWTAuth()(HttpRequest()), Principal | None)


@require
def bare(request: HttpRequest) -> HttpResponse:
    """Keeps its type."""
    return HttpResponse()


@require(role("admin"), guard="admin", optional=True, bad_token="anonymous")
async def coroutine(request: HttpRequest) -> HttpResponse:
    """Keeps its type."""
    return HttpResponse()


@public
def see(request: HttpRequest) -> HttpResponse:
    """Keeps its type."""
    return HttpResponse()


@require(role("admin"))
class Whole(View):
    """Keeps its type."""

    kept = True


as_sync: list[Callable[[HttpRequest], HttpResponse]] = [bare, see]
as_async: Callable[[HttpRequest], Awaitable[HttpResponse]] = coroutine
assert_type(Whole.kept, bool)

require("admin")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

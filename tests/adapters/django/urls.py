"""Views of every kind."""

from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from ninja import NinjaAPI
from rest_framework.decorators import api_view
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from jwt_guard import role, tenant
from jwt_guard.endpoints import Endpoint, json_reply, well_known
from jwt_guard.flow import Flow
from jwt_guard.guard import Guard
from jwt_guard.http import Reply, RequestView
from jwt_guard_django import current_principal, get_guard, public, require
from jwt_guard_django import urlpatterns as endpoint_patterns
from jwt_guard_django.ninja import AsyncJWTAuth, JWTAuth
from jwt_guard_django.rest_framework import Requires

ADMIN = role("admin")


def said(request: Any) -> HttpResponse:
    """Who calls."""
    principal = current_principal(request)
    return HttpResponse(principal.subject if principal else "nobody")


def plain(request: HttpRequest) -> HttpResponse:
    """Bears no mark."""
    return said(request)


async def plain_async(request: HttpRequest) -> HttpResponse:
    """Bears no mark."""
    return said(request)


@public
def see(request: HttpRequest) -> HttpResponse:
    """Is open to all."""
    return said(request)


def cached(request: HttpRequest) -> HttpResponse:
    """Says how it may be stored, in its own spelling."""
    return HttpResponse(headers={"cache-CONTROL": "private, max-age=60"})


@login_not_required
def welcome(request: HttpRequest) -> HttpResponse:
    """Is open to all, in Django's words."""
    return said(request)


@require(ADMIN)
def function(request: HttpRequest) -> HttpResponse:
    """Is required."""
    return said(request)


@require(ADMIN)
async def coroutine(request: HttpRequest) -> HttpResponse:
    """Is required."""
    return said(request)


def careless(view: Any) -> Any:
    """A decorator that hides what it decorates."""

    def outer(request: HttpRequest) -> Any:
        return view(request)

    return markcoroutinefunction(outer) if iscoroutinefunction(view) else outer


class Method(View):
    """Has a required method."""

    @require(ADMIN)
    def get(self, request: HttpRequest) -> HttpResponse:
        """Is required."""
        return said(request)


class AsyncMethod(View):
    """Has a required coroutine method."""

    @require(ADMIN)
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Is required."""
        return said(request)


class Decorated(View):
    """Has a method decorated in Django's way."""

    @method_decorator(require(ADMIN))
    def get(self, request: HttpRequest) -> HttpResponse:
        """Is required."""
        return said(request)


@method_decorator(require(ADMIN), name="dispatch")
class Dispatched(View):
    """Has everything decorated in Django's way."""

    async def get(self, request: HttpRequest) -> HttpResponse:
        """Is required."""
        return said(request)


@require(ADMIN)
class Whole(View):
    """Is required."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Is part of it."""
        return said(request)


@require(ADMIN)
class WholeAsync(View):
    """Is required."""

    async def get(self, request: HttpRequest) -> HttpResponse:
        """Is part of it."""
        return said(request)


@api_view(["GET"])
@require(ADMIN)
def rest_function(request: Request) -> Response:
    """Is required, below REST framework's decorator."""
    return Response(current_principal(request).subject)  # type: ignore[union-attr]


@api_view(["GET"])
def rest_plain_function(request: Request) -> Response:
    """Bears no mark."""
    return Response("reached")


class RestPlain(APIView):
    """Bears no mark, and REST framework's own default permission lets everybody in."""

    def get(self, request: Request) -> Response:
        """Is part of it."""
        return Response("reached")


@public
class RestOpen(RestPlain):
    """Is open to all."""


class RestMethod(APIView):
    """Has a required method."""

    @require(ADMIN)
    def get(self, request: Request) -> Response:
        """Is required."""
        return Response(str(request.user))


class Often(UserRateThrottle):
    """Counts by `request.user.pk`."""

    rate = "1000/s"


class RestPermission(APIView):
    """Is required by permission."""

    permission_classes = (IsAuthenticated, Requires(ADMIN))
    throttle_classes = (Often,)

    def get(self, request: Request) -> Response:
        """Is part of it."""
        return Response(getattr(request.auth, "subject", None))


class RestSet(ViewSet):
    """Has a required action."""

    @require(ADMIN)
    def list(self, request: Request) -> Response:
        """Is required."""
        return Response(str(request.user))

    @public
    def create(self, request: Request) -> Response:
        """Is open to all."""
        return Response(str(request.user))

    def destroy(self, request: Request) -> Response:
        """Bears no mark."""
        return Response("reached")


REST_ACTIONS: dict[str, Any] = {"get": "list", "post": "create", "delete": "destroy"}


class RestAnybody(APIView):
    """Asks only REST framework."""

    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        """Is part of it."""
        return Response(str(request.user))


class Own(View):
    """Answers OPTIONS and HEAD by itself, beside a GET that is open to all."""

    @public
    def get(self, request: HttpRequest) -> HttpResponse:
        """Is open to all."""
        return said(request)

    def options(self, request: HttpRequest) -> HttpResponse:
        """Bears no mark."""
        return said(request)

    head = options


class Mixed(View):
    """Has methods of each kind."""

    @public
    def get(self, request: HttpRequest) -> HttpResponse:
        """Is open to all."""
        return said(request)

    def put(self, request: HttpRequest) -> HttpResponse:
        """Bears no mark."""
        return said(request)

    @require(ADMIN)
    def post(self, request: HttpRequest) -> HttpResponse:
        """Is required."""
        return said(request)


@public
class Open(View):
    """Is open to all."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Is part of it."""
        return said(request)


class Closed(Open):
    """Is not, although it is made of what is."""


@require(tenant(path="name"))
def of_tenant(request: HttpRequest, name: str) -> HttpResponse:
    """Is one tenant's."""
    return said(request)


@require(optional=True)
def optional(request: HttpRequest) -> HttpResponse:
    """Asks politely."""
    return said(request)


@require(optional=True, bad_token="anonymous")
async def lenient(request: HttpRequest) -> HttpResponse:
    """Asks politely, and takes any answer."""
    return said(request)


@require
def bare(request: HttpRequest) -> HttpResponse:
    """Asks for anybody."""
    return said(request)


@require(ADMIN)
@require(role("auditor"))
def both(request: HttpRequest) -> HttpResponse:
    """Asks for two roles."""
    return said(request)


@require(guard="admin")
def admins(request: HttpRequest) -> HttpResponse:
    """Asks another guard."""
    return HttpResponse(f"{request.user.issuer}")  # type: ignore[union-attr]


@require(guard="typo")
def typo(request: HttpRequest) -> HttpResponse:
    """Asks a guard that is not there."""
    return said(request)


def raises(request: HttpRequest) -> HttpResponse:
    """Asks by itself."""
    principal = current_principal(request)
    assert principal is not None
    get_guard().authorize(principal, ADMIN)
    return said(request)


async def raises_async(request: HttpRequest) -> HttpResponse:
    """Asks by itself."""
    return raises(request)


def user(request: HttpRequest) -> HttpResponse:
    """Says what the user is."""
    return HttpResponse(f"{type(request.user).__name__} {request.user}")


async def auser(request: HttpRequest) -> HttpResponse:
    """Says what the user is."""
    found = await request.auser()
    return HttpResponse(f"{type(found).__name__} {found}")


def echo(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """Answers what it saw, and two of each header."""
    seen = {"body": body.decode(), "name": view.path_params.get("name")}
    reply = json_reply(200, seen)
    extra = (
        ("Set-Cookie", "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Strict"),
        ("Set-Cookie", "b=2; Path=/auth; Max-Age=60"),
        ("WWW-Authenticate", "Bearer"),
        ("WWW-Authenticate", "DPoP"),
    )
    return Reply(200, reply.headers + extra, reply.body)
    yield  # a generator without a step


def refuse(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """Asks for a caller."""
    outcome = yield from guard.identify(view)
    guard.permit(outcome, view)
    return json_reply(200, {})


ENDPOINTS = (
    Endpoint(method="POST", path="/echo/{name}", name="echo", handle=echo),
    Endpoint(method="GET", path="/echo/{name}", name="see-echo", handle=refuse),
)

api = NinjaAPI(auth=JWTAuth())


@api.get("/anybody")
def anybody(request: HttpRequest) -> str:
    """Takes any caller."""
    return str(request.auth.subject)  # type: ignore[attr-defined]


@api.get("/required", auth=JWTAuth(ADMIN))
def ninja_required(request: HttpRequest) -> str:
    """Is required."""
    return str(request.auth.subject)  # type: ignore[attr-defined]


async_api = NinjaAPI(auth=AsyncJWTAuth(ADMIN), urls_namespace="async")


@async_api.get("/required")
async def ninja_required_async(request: HttpRequest) -> str:
    """Is required."""
    return str(request.auth.subject)  # type: ignore[attr-defined]


urlpatterns = [
    path("plain", plain),
    path("plain-async", plain_async),
    path("cached", cached),
    path("slash/", plain),
    path("open", plain),
    path("files/<path:name>", lambda request, name: HttpResponse(name)),
    path("public", see),
    path("welcome", welcome),
    path("function", function),
    path("hidden", careless(function)),
    path("hidden-coroutine", careless(coroutine)),
    path("coroutine", coroutine),
    path("method", Method.as_view()),
    path("async-method", AsyncMethod.as_view()),
    path("decorated", Decorated.as_view()),
    path("dispatched", Dispatched.as_view()),
    path("whole", Whole.as_view()),
    path("whole-async", WholeAsync.as_view()),
    path("rest-function", rest_function),
    path("rest-plain-function", rest_plain_function),
    path("rest-plain", RestPlain.as_view()),
    path("rest-open", RestOpen.as_view()),
    path("rest-method", RestMethod.as_view()),
    path("rest-permission", RestPermission.as_view()),
    path("rest-set", RestSet.as_view(REST_ACTIONS)),
    path("rest-anybody", RestAnybody.as_view()),
    path("own", Own.as_view()),
    path("mixed", Mixed.as_view()),
    path("base", Open.as_view()),
    path("derived", Closed.as_view()),
    path("tenants/<name>", of_tenant),
    path("optional", optional),
    path("lenient", lenient),
    path("bare", bare),
    path("both", both),
    path("admins", admins),
    path("typo", typo),
    path("raises", raises),
    path("raises-async", raises_async),
    path("user", user),
    path("auser", auser),
    path("ninja/", api.urls),
    path("ninja-async/", async_api.urls),
    *endpoint_patterns(get_guard(), (*well_known(), *ENDPOINTS)),
]

"""Bare and guarded WSGI applications, in process: Flask, Django, Django REST framework."""

import io
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import django
import jwt
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path
from flask import Flask

from jwt_guard_flask import JWTGuard
from tests.benchmarks import material
from tests.benchmarks.asgi_apps import EMPTY
from tests.benchmarks.measure import Timer, called
from tests.support import tokens

__all__ = ["EmptyMiddleware", "django_views", "flask", "rest_framework"]

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
_MIDDLEWARE = "jwt_guard_django.middleware.JWTGuardMiddleware"
_URLS = "tests_benchmarks_urls"


def flask() -> dict[str, Timer]:
    """A Flask application with one view."""
    guarded = _flask()
    JWTGuard(guarded, guard=material.guard())
    timers = {"bare": _timer(_flask()), "jwt_guard": _timer(guarded), EMPTY: _timer(_hooked())}
    if find_spec("flask_jwt_extended"):
        timers["flask-jwt-extended"] = _timer(_flask_jwt_extended())
    return timers


def _flask(decorator: Callable[[Any], Any] = lambda view: view) -> Flask:
    app = Flask("benchmark")

    @app.get("/reports")
    @decorator
    def answer() -> str:
        return "ok"

    return app


def _hooked() -> Flask:
    app = _flask()
    app.url_value_preprocessor(lambda endpoint, arguments: None)
    app.after_request(lambda response: response)
    return app


def _flask_jwt_extended() -> Flask:
    peer: Any = import_module("flask_jwt_extended")
    app = _flask(peer.jwt_required())
    app.config.update(
        JWT_ALGORITHM="RS256",
        JWT_PUBLIC_KEY=tokens.public_pem("RS256").decode(),
        JWT_DECODE_AUDIENCE=tokens.AUDIENCE,
        JWT_DECODE_ISSUER=tokens.ISSUER,
    )
    peer.JWTManager(app)
    return app


def django_views() -> dict[str, Timer]:
    """Django with one plain view."""
    _set_up_django()
    return {
        "bare": _timer(_django([]), "/plain"),
        "jwt_guard": _timer(_django([_MIDDLEWARE]), "/plain"),
        EMPTY: _timer(_django([f"{__name__}.EmptyMiddleware"]), "/plain"),
        "decorator + PyJWT": _timer(_django([]), "/decorated"),
    }


def rest_framework() -> dict[str, Timer]:
    """Django REST framework with one view."""
    _set_up_django()
    timers = {
        "bare": _timer(_django([]), "/rest"),
        "jwt_guard": _timer(_django([_MIDDLEWARE]), "/rest-guarded"),
        EMPTY: _timer(_django([f"{__name__}.EmptyMiddleware"]), "/rest-empty"),
    }
    if find_spec("rest_framework_simplejwt"):
        token = tokens.mint(material.claims(token_type="access"), algorithm="RS256")
        timers["simplejwt, stateless"] = _timer(_django([]), "/rest-simplejwt", token=token)
    return timers


def _set_up_django() -> None:
    if settings.configured:
        return
    settings.configure(
        ROOT_URLCONF=_URLS,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="only for this benchmark",
        MIDDLEWARE=[],
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "jwt_guard_django",
        ],
        JWT_GUARD=material.configuration(),
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": []},
        SIMPLE_JWT={
            "ALGORITHM": "RS256",
            "VERIFYING_KEY": tokens.public_pem("RS256").decode(),
            "AUDIENCE": tokens.AUDIENCE,
            "ISSUER": tokens.ISSUER,
            "USER_ID_CLAIM": "sub",
        },
    )
    django.setup()
    sys.modules[_URLS] = urls = ModuleType(_URLS)
    urls.__dict__["urlpatterns"] = _patterns()


def _patterns() -> list[Any]:
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from jwt_guard_django.rest_framework import JWTAuthentication

    class Anybody(BaseAuthentication):
        def authenticate(self, request: Any) -> Any:
            return request, None

    class Rest(APIView):
        def get(self, request: Any) -> Any:
            return Response("ok")

    patterns = [
        path("plain", _view),
        path("decorated", _decorated(_view)),
        path("rest", Rest.as_view()),
        path("rest-empty", Rest.as_view(authentication_classes=[Anybody])),
        path("rest-guarded", Rest.as_view(authentication_classes=[JWTAuthentication])),
    ]
    if find_spec("rest_framework_simplejwt"):
        peer: Any = import_module("rest_framework_simplejwt.authentication")
        classes = [peer.JWTStatelessUserAuthentication]
        patterns.append(path("rest-simplejwt", Rest.as_view(authentication_classes=classes)))
    return patterns


class EmptyMiddleware:
    """What any middleware of Django costs that looks at views and answers."""

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        """Look at an answer."""
        return self._get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> None:
        """Look at a view."""


def _view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def _decorated(view: Any) -> Any:
    key: Any = tokens.key("RS256").public_key

    @wraps(view)
    def guarded(request: Any) -> Any:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        request.claims = jwt.decode(
            token, key, ["RS256"], audience=tokens.AUDIENCE, issuer=tokens.ISSUER
        )
        return view(request)

    return guarded


def _django(middleware: list[str]) -> WSGIHandler:
    settings.MIDDLEWARE = middleware
    return WSGIHandler()


def _timer(app: App, path: str = "/reports", *, token: str | None = None) -> Timer:
    """A timer of whole requests; what is not answered with 200 is a mistake of the benchmark."""
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "*/*",
        "HTTP_AUTHORIZATION": f"Bearer {token or material.token()}",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    statuses: set[str] = set()

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[..., None]:
        statuses.add(status)
        return lambda data: None

    def request() -> None:
        answer: Any = app(dict(environ), start_response)
        for _ in answer:
            pass
        answer.close()

    request()
    if statuses != {"200 OK"}:
        raise RuntimeError(f"the application under test answers {statuses}")
    return called(request)

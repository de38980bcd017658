"""What the throughput benchmark puts behind real servers: one small application, guarded or not.

Environment variables say by whom it is guarded (`BENCHMARK_GUARD`) and what is trusted
(`BENCHMARK_CONFIG`, JSON; `BENCHMARK_PEM`), for the token comes from another process.
"""

import json
import os
from importlib import import_module
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flask import Flask
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from jwt_guard import Guard
from jwt_guard_asgi import JWTGuardMiddleware
from jwt_guard_flask import JWTGuard
from tests.support import tokens

__all__ = ["asgi", "wsgi"]


def asgi() -> Starlette:
    """The application for uvicorn."""
    middleware = {
        "nobody": [],
        "jwt_guard": [Middleware(JWTGuardMiddleware, guard=_guard())],
        "PyJWT": [Middleware(AuthenticationMiddleware, backend=_PyJWT())],
    }
    return Starlette(routes=[Route("/reports", _answer)], middleware=middleware[_guarded_by()])


async def _answer(request: Request) -> Response:
    return PlainTextResponse("ok")


def wsgi() -> Flask:
    """The application for gunicorn."""
    app = Flask("benchmark")
    app.add_url_rule("/reports", view_func=_view)
    if _guarded_by() == "jwt_guard":
        JWTGuard(app, guard=_guard())
    if _guarded_by() == "flask-jwt-extended":
        _extend(app)
    return app


def _view() -> str:
    return "ok"


def _extend(app: Flask) -> None:
    peer: Any = import_module("flask_jwt_extended")
    app.config.update(
        JWT_ALGORITHM="RS256",
        JWT_PUBLIC_KEY=os.environ["BENCHMARK_PEM"],
        JWT_DECODE_AUDIENCE=tokens.AUDIENCE,
        JWT_DECODE_ISSUER=tokens.ISSUER,
    )
    peer.JWTManager(app)
    app.view_functions["_view"] = peer.jwt_required()(_view)


class _PyJWT(AuthenticationBackend):
    def __init__(self) -> None:
        self._key: Any = load_pem_public_key(os.environ["BENCHMARK_PEM"].encode())

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
        token = conn.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(
            token, self._key, ["RS256"], audience=tokens.AUDIENCE, issuer=tokens.ISSUER
        )
        return AuthCredentials(claims["scope"].split()), SimpleUser(claims["sub"])


def _guarded_by() -> str:
    return os.environ["BENCHMARK_GUARD"]


def _guard() -> Guard:
    return Guard.from_config(json.loads(os.environ["BENCHMARK_CONFIG"]))

"""The FastAPI dependencies of jwt_guard."""

try:
    __import__("fastapi")
except ImportError as error:
    raise ImportError(
        "jwt_guard_fastapi needs FastAPI: pip install 'jwt-guard-web[fastapi]'", name=error.name
    ) from None

from jwt_guard_asgi.marks import public
from jwt_guard_asgi.starlette import refusal_response, routes
from jwt_guard_fastapi.middleware import JWTGuardMiddleware
from jwt_guard_fastapi.security import JWTGuardScheme, current_principal, require

__all__ = [
    "JWTGuardMiddleware",
    "JWTGuardScheme",
    "current_principal",
    "public",
    "refusal_response",
    "require",
    "routes",
]

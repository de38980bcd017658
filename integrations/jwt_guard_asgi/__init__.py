"""The ASGI middleware of jwt_guard. What needs Starlette is in `jwt_guard_asgi.starlette`."""

from jwt_guard_asgi.live import while_welcome
from jwt_guard_asgi.marks import public
from jwt_guard_asgi.middleware import JWTGuardMiddleware, authorize, current_principal
from jwt_guard_asgi.mounting import EndpointApp

__all__ = [
    "EndpointApp",
    "JWTGuardMiddleware",
    "authorize",
    "current_principal",
    "public",
    "while_welcome",
]

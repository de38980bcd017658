"""The Flask extension of jwt_guard."""

try:
    __import__("flask")
except ImportError as error:
    raise ImportError(
        "jwt_guard_flask needs Flask: pip install 'jwt-guard-web[flask]'", name=error.name
    ) from None

from jwt_guard.marks import public
from jwt_guard_flask.admission import current_principal
from jwt_guard_flask.extension import JWTGuard
from jwt_guard_flask.marks import require
from jwt_guard_flask.mounting import blueprint

__all__ = ["JWTGuard", "blueprint", "current_principal", "public", "require"]

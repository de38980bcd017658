"""The Django app of jwt_guard: `INSTALLED_APPS = [..., "jwt_guard_django"]`."""

try:
    __import__("django")
except ImportError as error:
    raise ImportError(
        "jwt_guard_django needs Django: pip install 'jwt-guard-web[django]'", name=error.name
    ) from None

from jwt_guard.marks import public
from jwt_guard_django.admission import current_principal
from jwt_guard_django.guards import get_guard
from jwt_guard_django.marks import require
from jwt_guard_django.middleware import JWTGuardMiddleware
from jwt_guard_django.mounting import urlpatterns

__all__ = [
    "JWTGuardMiddleware",
    "current_principal",
    "get_guard",
    "public",
    "require",
    "urlpatterns",
]

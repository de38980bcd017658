"""The app."""

from importlib.util import find_spec

from django.apps import AppConfig
from django.core.checks import Tags, register

__all__ = ["JWTGuardConfig"]


class JWTGuardConfig(AppConfig):
    """Registers the checks, and the scheme for drf-spectacular where it is installed."""

    name = "jwt_guard_django"
    label = "jwt_guard"
    verbose_name = "JWT Guard"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """See `AppConfig`."""
        from jwt_guard_django import checks

        register(checks.check_configuration, Tags.security)
        register(checks.check_weaknesses, Tags.security)
        register(checks.check_middleware, Tags.security)
        if find_spec("drf_spectacular"):
            __import__("jwt_guard_django.spectacular")

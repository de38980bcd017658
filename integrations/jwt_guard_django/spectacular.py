"""What drf-spectacular writes into an OpenAPI document. Loaded by the app where it is installed."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

__all__ = ["JWTScheme"]


class JWTScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The security scheme of `JWTAuthentication`."""

    target_class = "jwt_guard_django.rest_framework.JWTAuthentication"
    match_subclasses = True
    name = "jwt"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """A bearer scheme (OpenAPI 3.1 section 4.8.27)."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}

"""For Django REST framework: the caller as its `request.user`, and permissions.

REST_FRAMEWORK = {
"DEFAULT_AUTHENTICATION_CLASSES": ["jwt_guard_django.rest_framework.JWTAuthentication"],
}
"""

from functools import cache
from typing import Any, ClassVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from jwt_guard.errors import Reason, Refusal
from jwt_guard.marks import Rule
from jwt_guard.principal import Principal
from jwt_guard.requirements import Requirement
from jwt_guard_django.admission import admit, current_principal, memo_of
from jwt_guard_django.guards import get_guard

__all__ = ["JWTAuthentication", "Requires"]


class JWTAuthentication(BaseAuthentication):
    """Authenticates by the token that the middleware has verified.

    A subclass may name another guard.
    """

    guard = "default"

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        """The user and the principal; None where the request bears no token.

        In a public view a bad token counts as none.

        Raises:
            Refusal: the token is bad; the middleware answers.
        """
        plain = request._request
        if memo_of(plain).is_open:
            principal = current_principal(plain)
        else:
            principal = admit(plain, _optional(self.guard))
        return None if principal is None else (plain.user, principal)

    def authenticate_header(self, request: Request) -> str:
        """The challenge, without which the framework would answer 403 instead of 401."""
        reply = get_guard(self.guard).reply(Refusal(Reason.TOKEN_MISSING))
        return dict(reply.headers)["WWW-Authenticate"]


@cache
def _optional(guard: str) -> Rule:
    return Rule(guard=guard, optional=True)


class _Required(BasePermission):
    """Asks for what its subclasses name."""

    rule: ClassVar[Rule]

    def has_permission(self, request: Request, view: Any) -> bool:
        """Always true.

        Raises:
            Refusal: the caller may not; the middleware answers.
        """
        admit(request._request, self.rule)
        return True


def Requires(  # noqa: N802 - it stands where classes stand
    requirement: Requirement | None = None, *, guard: str = "default"
) -> type[BasePermission]:
    """A permission class of a requirement: `permission_classes = [Requires(role("admin"))]`.

    Combine requirements with `& | ~`, rather than permissions: it refuses at once.

    Args:
        requirement: what is asked besides being verified.
        guard: the name of the guard that is asked.
    """
    return type("Requires", (_Required,), {"rule": Rule(requirement=requirement, guard=guard)})

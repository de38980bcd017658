"""For Django Ninja: `NinjaAPI(auth=JWTAuth())`, `@api.get("/", auth=JWTAuth(role("admin")))`."""

from django.http import HttpRequest
from ninja.security.http import HttpAuthBase

from jwt_guard.marks import Rule
from jwt_guard.principal import Principal
from jwt_guard.requirements import Requirement
from jwt_guard_django.admission import aadmit, admit

__all__ = ["AsyncJWTAuth", "JWTAuth"]


class _Scheme(HttpAuthBase):
    openapi_scheme = "bearer"
    openapi_bearerFormat = "JWT"  # noqa: N815 - OpenAPI's name

    def __init__(self, requirement: Requirement | None = None, *, guard: str = "default") -> None:
        super().__init__()
        self._rule = Rule(requirement=requirement, guard=guard)


class JWTAuth(_Scheme):
    """Lets verified callers who meet a requirement into sync operations; `request.auth` is theirs.

    Args:
        requirement: what is asked besides being verified.
        guard: the name of the guard that is asked.
    """

    def __call__(self, request: HttpRequest) -> Principal | None:
        """The principal.

        Raises:
            Refusal: the caller may not; the middleware answers.
        """
        return admit(request, self._rule)


class AsyncJWTAuth(_Scheme):
    """The same for async operations, without a thread."""

    async def __call__(self, request: HttpRequest) -> Principal | None:
        """See `JWTAuth`."""
        return await aadmit(request, self._rule)

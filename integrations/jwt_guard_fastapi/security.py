"""Dependencies: what a route asks of its caller, and how OpenAPI shows it."""

from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from jwt_guard.errors import Refusal
from jwt_guard.guard import BadToken
from jwt_guard.principal import Principal
from jwt_guard.requirements import Requirement, scope
from jwt_guard_asgi import middleware
from jwt_guard_asgi.marks import Mark, mark
from jwt_guard_asgi.starlette import refusal_response
from jwt_guard_asgi.wire import Scope

__all__ = ["JWTGuardScheme", "current_principal", "require"]

_SCHEME = HTTPBearer(bearerFormat="JWT", description="An access token (RFC 6750).")


class JWTGuardScheme(SecurityBase):
    """A dependency that answers the verified caller; made by `require`.

    Works for HTTP routes and WebSockets, with `Depends`, and with `Security`, whose scopes are
    asked of the caller and shown in OpenAPI.
    """

    def __init__(
        self, requirement: Requirement | None, guard: str, optional: bool, bad_token: BadToken
    ) -> None:
        self.model = _SCHEME
        self.scheme_name = "JWTGuard"
        self._requirement = requirement
        self._wanted: dict[tuple[str, ...], Requirement | None] = {(): requirement}
        self._guard = guard
        self._optional = optional
        self._bad_token: BadToken = bad_token
        mark(self, Mark(guard, optional))

    async def __call__(
        self, connection: HTTPConnection, scopes: SecurityScopes
    ) -> Principal | None:
        """The caller; None only where authentication is optional.

        Raises:
            Refusal: the caller may not proceed; answered for you.
            RuntimeError: the middleware is not installed.
        """
        _answer_refusals(connection.scope)
        return middleware.authorize(
            connection.scope,
            self._wanted_with(tuple(scopes.scopes)),
            guard=self._guard,
            optional=self._optional,
            bad_token=self._bad_token,
        )

    def _wanted_with(self, scopes: tuple[str, ...]) -> Requirement | None:
        """What is asked with these scopes of `Security`; put together once for all requests."""
        if scopes not in self._wanted:
            wanted, more = scope(*scopes), self._requirement
            self._wanted[scopes] = wanted if more is None else wanted & more
        return self._wanted[scopes]


def _answer_refusals(scope: Scope) -> None:
    """See that the application answers refusals itself, unless it has a handler of its own.

    For one that is mounted in another would answer 500 before the middleware sees the refusal.
    """
    handlers = scope.get("starlette.exception_handlers")
    if handlers is not None:
        handlers[0].setdefault(Refusal, refusal_response)


def require(
    requirement: Requirement | None = None,
    /,  # so that `Depends(require)`, which is not called, fails instead of asking for nothing
    *,
    guard: str = middleware.DEFAULT,
    optional: bool = False,
    bad_token: BadToken = "refuse",
) -> JWTGuardScheme:
    """A dependency that lets only callers in who are verified and meet a requirement.

        @app.delete("/users/{id}", dependencies=[Depends(require(role("admin")))])

        Caller = Annotated[Principal, Depends(require())]
        Writer = Annotated[Principal, Security(require(), scopes=["reports:write"])]

    Args:
        requirement: what is asked besides being verified.
        guard: the name of the guard that is asked.
        optional: whether callers without a token may enter too, as None.
        bad_token: where optional, whether a bad token is refused or counts as none.

    Raises:
        TypeError: what it is given is no requirement.
    """
    if requirement is not None and not isinstance(requirement, Requirement):
        raise TypeError(
            "require() takes a requirement, and stands inside of Depends() or Security()"
        )
    return JWTGuardScheme(requirement, guard, optional, bad_token)


def current_principal(connection: HTTPConnection) -> Principal | None:
    """The verified caller of a request or a WebSocket; None without one. Also a dependency.

    Raises:
        RuntimeError: the middleware is not installed.
    """
    return middleware.current_principal(connection)

"""What a type checker makes of the ASGI and FastAPI adapters; checked, never run."""

from collections.abc import Callable
from typing import assert_type

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

import jwt_guard_fastapi
from jwt_guard import Guard, Principal, role
from jwt_guard.endpoints import well_known
from jwt_guard_asgi import authorize
from jwt_guard_asgi.starlette import current_principal, public, require, routes


def handler(request: Request) -> Response:
    """A handler."""
    return Response()


class Endpoint(HTTPEndpoint):
    """A class-based endpoint."""


Handler = Callable[[Request], Response]


def decorators_keep_types(plain: Handler) -> None:
    """What is decorated stays what it was."""
    assert_type(require(plain), Handler)
    assert_type(require(role("admin"))(plain), Handler)
    assert_type(require(optional=True)(plain), Handler)
    assert_type(public(plain), Handler)
    assert_type(require(Endpoint), type[Endpoint])


def principals_may_be_none(request: Request, guard: Guard) -> None:
    """Whoever reads a principal learns that there may be none."""
    assert_type(current_principal(request), Principal | None)
    assert_type(current_principal(request.scope), Principal | None)
    assert_type(authorize(request, role("admin")), Principal | None)
    assert_type(routes(guard, well_known()), list[BaseRoute])
    assert_type(jwt_guard_fastapi.current_principal(request), Principal | None)
    assert_type(jwt_guard_fastapi.require(role("admin")), jwt_guard_fastapi.JWTGuardScheme)


def misuse_is_seen(request: Request) -> None:
    """Mistakes that a type checker catches: the ignores would be reported if they were not."""
    require("admin")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
    require(bad_token="ignore")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
    jwt_guard_fastapi.require(handler)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

"""What type checkers make of the Flask adapter: read by mypy and pyright, not run."""

from collections.abc import Awaitable, Callable
from typing import assert_type

from flask import Blueprint, Flask

from jwt_guard import Guard, Principal, role
from jwt_guard.endpoints import well_known
from jwt_guard_flask import JWTGuard, blueprint, current_principal, public, require

app = Flask(__name__)
guard = assert_type(JWTGuard(app).guard_of(app), Guard)
assert_type(blueprint(guard, well_known()), Blueprint)
assert_type(current_principal, Principal)


@require
def bare(number: int) -> str:
    """Keeps its type."""
    return current_principal.subject


@require(role("admin"), guard="admin", optional=True, bad_token="anonymous")
def called(number: int) -> str:
    """Keeps its type."""
    return "it"


@require(role("admin"))
async def coroutine(number: int) -> str:
    """Keeps its type."""
    return "it"


@public
def see(number: int) -> str:
    """Keeps its type."""
    return "it"


as_sync: list[Callable[[int], str]] = [bare, called, see]
as_async: Callable[[int], Awaitable[str]] = coroutine

require("admin")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
require(bad_token="ignore")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

"""What a route asks of its caller, as values that combine: `role("admin") & ~scope("trial")`.

A requirement is built once, where the route is declared, and checked on every request. It never
raises for what a caller sent: it answers the `Refusal` that the caller deserves, or None.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from jwt_guard.errors import Reason, Refusal
from jwt_guard.principal import Principal

__all__ = [
    "Context",
    "Requirement",
    "RoleHierarchy",
    "acr",
    "authenticated",
    "claim",
    "fresh",
    "implied_by",
    "permission",
    "role",
    "scope",
    "tenant",
]

_logger = logging.getLogger("jwt_guard")


class RoleHierarchy:
    """Which roles imply which: `{"admin": ["analyst"]}` lets an admin do what an analyst may.

    Implication is transitive and computed once.
    """

    __slots__ = ("_holders",)

    def __init__(self, implies: Mapping[str, Iterable[str]] | None = None) -> None:
        direct = {name: tuple(below) for name, below in (implies or {}).items()}
        holders: dict[str, set[str]] = {}
        for name in direct:
            for implied in implied_by(name, direct):
                holders.setdefault(implied, set()).add(name)
        self._holders = {name: frozenset(above) for name, above in holders.items()}

    def satisfies(self, held: frozenset[str], wanted: str) -> bool:
        """Whether one of the held roles is the wanted one or implies it."""
        if wanted in held:
            return True
        above = self._holders.get(wanted)
        return above is not None and not held.isdisjoint(above)


def implied_by(name: str, direct: Mapping[str, tuple[str, ...]]) -> set[str]:
    """All roles that a role implies, by others too; itself only where they go in a circle.

    Args:
        name: one of the roles of `direct`.
        direct: the roles that each role implies by itself.
    """
    seen: set[str] = set()
    ahead = list(direct[name])
    while ahead:
        implied = ahead.pop()
        if implied not in seen:
            seen.add(implied)
            ahead.extend(direct.get(implied, ()))
    return seen


class Context(msgspec.Struct, frozen=True):
    """What a requirement is checked against.

    Attributes:
        principal: the verified caller.
        hierarchy: which roles imply which.
        path_params: what the route took out of the path.
        now: seconds since 1970 UTC.
    """

    principal: Principal
    hierarchy: RoleHierarchy = msgspec.field(default_factory=RoleHierarchy)
    path_params: Mapping[str, Any] = msgspec.field(default_factory=dict)
    now: float = msgspec.field(default_factory=time.time)


Check = Callable[[Context], Refusal | None]


@dataclass(frozen=True, slots=True, eq=False)
class Requirement:
    """Something asked of a caller. Combine with `&`, `|` and `~`.

    Attributes:
        check: answers None, or the refusal that a caller deserves.
        text: how it reads in a log or a test.
    """

    check: Check
    text: str

    def __and__(self, other: "Requirement") -> "Requirement":
        first, second = self.check, other.check
        return Requirement(lambda context: first(context) or second(context), f"({self} & {other})")

    def __or__(self, other: "Requirement") -> "Requirement":
        first, second = self.check, other.check
        return Requirement(lambda context: _either(first, second, context), f"({self} | {other})")

    def __invert__(self) -> "Requirement":
        check = self.check
        return Requirement(
            lambda context: None if check(context) else Refusal(Reason.REQUIREMENT_FAILED),
            f"~{self}",
        )

    def __bool__(self) -> bool:
        raise TypeError("combine requirements with & | ~, not with and, or, not")

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


def _either(first: Check, second: Check, context: Context) -> Refusal | None:
    """None if one holds; else the refusal of the first, which is what users write first."""
    refusal = first(context)
    if refusal is None or second(context) is None:
        return None
    return refusal


def authenticated() -> Requirement:
    """Any verified caller."""
    return Requirement(lambda context: None, "authenticated()")


def role(*names: str) -> Requirement:
    """One of these roles, held or implied by the hierarchy."""
    _names("role", names)

    def check(context: Context) -> Refusal | None:
        held = context.principal.roles
        if any(context.hierarchy.satisfies(held, name) for name in names):
            return None
        return Refusal(Reason.ROLE_MISSING)

    return Requirement(check, _call("role", names))


def scope(*names: str) -> Requirement:
    """All of these scopes. The challenge names them (RFC 6750 section 3.1)."""
    wanted = frozenset(_names("scope", names))
    told = " ".join(names)

    def check(context: Context) -> Refusal | None:
        if wanted <= context.principal.scopes:
            return None
        return Refusal(Reason.SCOPE_MISSING, scope=told)

    return Requirement(check, _call("scope", names))


def permission(*names: str) -> Requirement:
    """All of these permissions."""
    wanted = frozenset(_names("permission", names))

    def check(context: Context) -> Refusal | None:
        if wanted <= context.principal.permissions:
            return None
        return Refusal(Reason.PERMISSION_MISSING)

    return Requirement(check, _call("permission", names))


def claim(name: str, *values: object) -> Requirement:
    """The token has this claim, with one of these values (any value, when none is given).

    Values compare by type and value, as JSON does: `1` is not `True`.
    """

    def check(context: Context) -> Refusal | None:
        claims = context.principal.claims
        if name in claims and (not values or any(_same(claims[name], v) for v in values)):
            return None
        return Refusal(Reason.CLAIM_MISMATCH)

    return Requirement(check, _call("claim", (name, *values)))


def _same(left: object, right: object) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[n], right[n]) for n in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def tenant(*names: str, path: str | None = None) -> Requirement:
    """The token is for one of these tenants, or for the one that the path names.

    Args:
        names: tenants allowed whatever the path says.
        path: the path parameter that holds a tenant, as in `tenant(path="tenant")` for a route
            `/tenants/{tenant}/invoices`. A route without it lets nobody in, and the log says why.
    """
    if bool(names) == bool(path):
        raise TypeError("tenant() takes names, or the path parameter that holds one")

    def check(context: Context) -> Refusal | None:
        own = context.principal.tenant
        allowed = names if path is None else (context.path_params.get(path),)
        if own is not None and own in allowed:
            return None
        if path is not None and path not in context.path_params:
            _tell_missing(path)
        return Refusal(Reason.TENANT_MISMATCH)

    return Requirement(check, _call("tenant", names) if names else f"tenant(path={path!r})")


@cache
def _tell_missing(parameter: str) -> None:
    """Once for each name, for it is the same mistake at every request."""
    _logger.warning("a route has no parameter %r, where tenant() looks for a tenant", parameter)


def fresh(*, minutes: float = 0, seconds: float = 0) -> Requirement:
    """The caller authenticated within this time; else a step-up challenge (RFC 9470)."""
    limit = minutes * 60 + seconds
    if limit <= 0:
        raise ValueError("fresh() takes a time above zero")

    def check(context: Context) -> Refusal | None:
        at = context.principal.authenticated_at
        if at is not None and context.now - at <= limit:
            return None
        return Refusal(Reason.AUTHENTICATION_TOO_OLD, max_age=int(limit))

    return Requirement(check, f"fresh(seconds={limit:g})")


def acr(*values: str) -> Requirement:
    """One of these authentication contexts; else a step-up challenge (RFC 9470)."""
    _names("acr", values)
    told = " ".join(values)

    def check(context: Context) -> Refusal | None:
        if context.principal.acr in values:
            return None
        return Refusal(Reason.AUTHENTICATION_TOO_WEAK, acr_values=told)

    return Requirement(check, _call("acr", values))


def _names(function: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"{function}() takes one or more names")
    return names


def _call(function: str, arguments: tuple[object, ...]) -> str:
    return f"{function}({', '.join(map(repr, arguments))})"

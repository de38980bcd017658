"""The tables of a configuration beside `[[issuers]]` and `[audit]`."""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from jwt_guard.config.readers import DAY, issuer_name, key_material, problem_at
from jwt_guard.errors import Problem
from jwt_guard.requirements import implied_by
from jwt_guard.routes import PathList
from jwt_guard.settings import (
    Mistake,
    boolean,
    choice,
    integer,
    names,
    path,
    paths,
    seconds,
    sections,
    setting,
    table,
    text,
)

__all__ = [
    "CacheConfig",
    "CookiesConfig",
    "PolicyConfig",
    "RolesConfig",
    "RoutesConfig",
    "StoreConfig",
    "TenantsConfig",
    "TokensConfig",
]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]_-]+")


def _origins(value: Any) -> tuple[str, ...]:
    """Origins as browsers write them (RFC 6454 section 6.1), never `null`, which is anybody's."""
    listed = names(value)
    if not all(_ORIGIN.fullmatch(origin) for origin in listed):
        raise Mistake("holds what is no origin", "write https://app.example, without a path")
    return listed


def _public_paths(value: Any) -> tuple[str, ...]:
    listed = names(value)
    try:
        PathList(listed)
    except ValueError as error:
        raise Mistake("holds what is no path", str(error)) from None
    return listed


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesConfig:
    """`[roles]`: where roles stand and which imply which."""

    claims: tuple[str | tuple[str, ...], ...] = setting(
        paths,
        "where roles stand in the claims of other issuers; the profile's places, when not set",
        default=(),
    )
    hierarchy: dict[str, tuple[str, ...]] = setting(
        table(names), 'which roles a role implies: { admin = ["analyst"] }', factory=dict
    )

    def problems(self, at: str, sound: AbstractSet[str]) -> Iterator[Problem]:
        """A circle would make the least role as good as the greatest."""
        hierarchy = self.hierarchy
        circle = sorted(name for name in hierarchy if name in implied_by(name, hierarchy))
        if circle:
            message = f"goes in a circle, so that {' and '.join(circle)} are the same"
            yield problem_at(at, "hierarchy", message, "let each role imply lesser ones only")


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantsConfig:
    """`[tenants]`: where the tenant stands."""

    claim: str | tuple[str, ...] | None = setting(
        path,
        "where the tenant stands in the claims of other issuers; the profile's place, when not set",
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesConfig:
    """`[routes]`: which routes ask for a caller, and how their answers are kept."""

    protect: str = setting(
        choice("all", "marked"),
        "all routes but the public ones, or only those marked with `require`",
        default="all",
    )
    public: tuple[str, ...] = setting(
        _public_paths, "public paths: `/health`, or `/static/*` for all below", default=()
    )
    no_store: bool = setting(
        boolean,
        "mark answers to verified callers `Cache-Control: no-store` where they say nothing of it",
        default=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    """`[[tokens.policies]]`: other lifetimes for some clients, roles or tenants.

    Whoever meets all the conditions that are set is meant; of several policies that apply, the
    shortest time counts.
    """

    clients: tuple[str, ...] = setting(names, "for one of these clients", default=())
    roles: tuple[str, ...] = setting(names, "for who holds one of these roles", default=())
    tenants: tuple[str, ...] = setting(names, "for one of these tenants", default=())
    access_lifetime: float | None = setting(
        seconds(10, DAY), "how long an access token lives, in seconds", default=None
    )
    refresh_idle: float | None = setting(
        seconds(60, 400 * DAY), "how long an unused session lives, in seconds", default=None
    )
    refresh_absolute: float | None = setting(
        seconds(60, 3650 * DAY), "how long any session lives, in seconds", default=None
    )

    def problems(self, at: str, sound: AbstractSet[str]) -> Iterator[Problem]:
        """What is wrong between the fields."""
        conditions = {"clients": self.clients, "roles": self.roles, "tenants": self.tenants}
        if not any(value or name not in sound for name, value in conditions.items()):
            yield problem_at(at, "clients", "is for everybody", "set clients, roles or tenants")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensConfig:
    """`[tokens]`: only where this application issues tokens itself."""

    issuer: str = setting(issuer_name, "our own `iss`")
    signing_keys: str | dict[str, Any] = setting(
        key_material, "the file of our signing keys, made by `jwt-guard keys`", secret=True
    )
    access_lifetime: float = setting(
        seconds(10, DAY), "how long an access token lives, in seconds", default=300.0
    )
    refresh_idle: float = setting(
        seconds(60, 400 * DAY),
        "how long an unused session lives, in seconds",
        default=14.0 * DAY,
    )
    refresh_absolute: float = setting(
        seconds(60, 3650 * DAY), "how long any session lives, in seconds", default=90.0 * DAY
    )
    refresh_window: float = setting(
        seconds(0, 60),
        "for how long a refresh token that is presented again gets the same answer, in seconds",
        default=10.0,
    )
    refresh_secret: tuple[str, ...] = setting(
        names,
        "what refresh tokens are derived from: `env:NAME` or `file:PATH`, or several, of which the"
        " first makes tokens and all are accepted; when not set, what `jwt-guard keys` put beside"
        " the signing keys",
        default=(),
        secret=True,
    )
    policies: tuple[PolicyConfig, ...] = sections(PolicyConfig, "other lifetimes for some")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """`[store]`: where sessions and revocations are kept."""

    url: str = setting(
        text,
        "memory://, sqlite:///file.db, postgresql://... or valkey://...",
        default="memory://",
        secret=True,
    )
    timeout: float = setting(
        seconds(0.1, 60), "how long the store may take to answer, in seconds", default=2.0
    )
    fail_open: bool = setting(
        boolean,
        "let callers in without looking up revocations while the store does not answer; `check`"
        " reports it",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CookiesConfig:
    """`[cookies]`: tokens in cookies, for browsers."""

    enabled: bool = setting(boolean, "whether tokens may come in cookies", default=False)
    refresh_path: str = setting(
        text, "the path below which the refresh cookie is sent", default="/auth"
    )
    same_site: str = setting(
        choice("Lax", "Strict"), "the access cookie's SameSite attribute", default="Lax"
    )
    trusted_origins: tuple[str, ...] = setting(
        _origins, "other origins whose pages may send requests: https://app.example", default=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """`[cache]`: verified tokens remembered."""

    size: int = setting(
        integer(0, 10_000_000),
        "how many verified tokens are remembered; 0 for none",
        default=10_000,
    )

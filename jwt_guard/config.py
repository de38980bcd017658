"""The one configuration, the same keys in TOML, in Django's and Flask's settings, and in code.

    config = Config.load("jwt_guard.toml")

What it holds is read and typed, but nothing is opened yet: keys are loaded, and stores connected,
by the guard that is built from it.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jwt_guard.audit.settings import AuditConfig
from jwt_guard.errors import ConfigurationError, Problem
from jwt_guard.keys.algorithms import ALGORITHMS
from jwt_guard.keys.decryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from jwt_guard.keys.reach import Reach
from jwt_guard.keys.urls import is_fetchable
from jwt_guard.requirements import RoleHierarchy
from jwt_guard.routes import PathList
from jwt_guard.settings import (
    Mistake,
    boolean,
    choice,
    integer,
    names,
    path,
    paths,
    read_section,
    seconds,
    section,
    sections,
    setting,
    some_of,
    table,
    text,
)
from jwt_guard.tokens.presets import PROFILES

__all__ = [
    "AuditConfig",
    "CacheConfig",
    "Config",
    "CookiesConfig",
    "IssuerConfig",
    "PolicyConfig",
    "RolesConfig",
    "RoutesConfig",
    "StoreConfig",
    "TenantsConfig",
    "TokensConfig",
]

ENVIRONMENT_PREFIX = "JWT_GUARD__"
"""Environment variables that overrule a file: `JWT_GUARD__CACHE__SIZE=0`."""

_DAY = 86_400
_TENANT = "{tenant}"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]_-]+")
_TENANT_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def _algorithms(value: Any) -> tuple[str, ...]:
    listed = names(value)
    unknown = [name for name in listed if name not in ALGORITHMS]
    if unknown:
        raise Mistake(
            "holds an algorithm that is not supported or not safe",
            f"choose from {', '.join(ALGORITHMS)}",
        )
    if len({ALGORITHMS[name].symmetric for name in listed}) > 1:
        raise Mistake(
            "mixes HMAC with public-key algorithms, so that a public key could pass as a secret",
            "name one kind (RFC 8725bis section 3.1)",
        )
    return listed


def _issuer_name(value: Any) -> str:
    name = text(value)
    if name != name.strip() or "#" in name:
        raise Mistake("holds a space or a fragment", "write the exact value of `iss`")
    return name


def _tenant_names(value: Any) -> tuple[str, ...]:
    """Names that fill the gap in a URL, and nothing beside it."""
    listed = names(value)
    if not all(_TENANT_NAME.fullmatch(name) for name in listed):
        raise Mistake("holds what is no tenant", "use letters, digits, `-`, `_` and inner dots")
    return listed


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


def _keys(value: Any) -> str | dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, os.PathLike):
        return str(Path(value))
    return text(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig:
    """`[[issuers]]`: one issuer that is trusted."""

    issuer: str = setting(_issuer_name, "the exact value of `iss`")
    keys: str | dict[str, Any] | None = setting(
        _keys,
        'a JWKS, JWK or PEM file, an https URL of a JWKS, "discover", or `env:NAME` for a variable'
        " that holds a JWKS or PEM; in code also a JWKS as a mapping",
        default=None,
        secret=True,
    )
    secret: str | None = setting(
        text,
        "an HMAC secret, instead of `keys`: `env:NAME` or `file:PATH`; text in place is taken but"
        " reported by `check`",
        default=None,
        secret=True,
    )
    algorithms: tuple[str, ...] = setting(_algorithms, "the values of `alg` that are accepted")
    audience: tuple[str, ...] = setting(
        names, "whom its tokens must be for, instead of the common `audience`", default=()
    )
    profile: str = setting(
        choice(*PROFILES), "the kind of token, or a provider's preset", default="rfc9068"
    )
    clients: tuple[str, ...] = setting(
        names, "the clients whose tokens are accepted; all, when not set", default=()
    )
    one_time: bool = setting(
        boolean,
        "accept each token once, by its `jti`, in all processes that share the store",
        default=False,
    )
    client_subjects: bool = setting(
        boolean, "whether a client may be its own subject (client credentials)", default=True
    )
    allow_http: bool = setting(
        boolean, "allow http to a loopback host; for development, `check` reports it", default=False
    )
    private_network: bool = setting(
        boolean,
        "allow keys to be fetched from hosts in private networks; `check` reports it",
        default=False,
    )
    refresh_every: float = setting(
        seconds(1, _DAY),
        "how often fetched keys are fetched anew, in the background, in seconds; they expire"
        " after twice that",
        default=300.0,
    )
    outage_limit: float = setting(
        seconds(0, 30 * _DAY),
        "how long expired keys still serve while new ones cannot be fetched, in seconds",
        default=3600.0,
    )
    timeout: float = setting(
        seconds(0.1, 60), "how long a fetch of keys may take in all, in seconds", default=5.0
    )

    decryption_keys: str | dict[str, Any] | None = setting(
        _keys,
        "our private keys, where tokens must come encrypted: a JWK, JWK set or PEM file, `env:NAME`"
        " or `file:PATH`; unencrypted ones are refused then",
        default=None,
        secret=True,
    )
    key_management: tuple[str, ...] = setting(
        some_of(*KEY_MANAGEMENT),
        "the values of `alg` that are accepted in encrypted tokens",
        default=("RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"),
    )
    content_encryption: tuple[str, ...] = setting(
        some_of(*CONTENT_ENCRYPTION),
        "the values of `enc` that are accepted in encrypted tokens",
        default=("A256GCM", "A128GCM", "A256CBC-HS512", "A128CBC-HS256"),
    )
    tenants: tuple[str, ...] = setting(
        _tenant_names,
        "the tenants for which `{tenant}` in `issuer` and `keys` stands; each is an issuer",
        default=(),
    )
    at: str = field(default="issuer", compare=False)
    """Where it stands in the configuration."""

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "IssuerConfig":
        """One entry from a mapping with the keys of a table.

        Raises:
            ConfigurationError: with every mistake that it holds.
        """
        problems: list[Problem] = []
        read = read_section(cls, raw, "issuer", problems)
        if read is None or problems:
            raise ConfigurationError(*problems)
        return read

    def per_tenant(self) -> tuple["IssuerConfig", ...]:
        """One entry for each tenant; itself, where it is for none."""
        return tuple(
            replace(
                self,
                issuer=self.issuer.replace(_TENANT, tenant),
                keys=self.keys.replace(_TENANT, tenant)
                if isinstance(self.keys, str)
                else self.keys,
                tenants=(),
            )
            for tenant in self.tenants
        ) or (self,)

    def problems(self, at: str, sound: AbstractSet[str]) -> Iterator[Problem]:
        """What is wrong between the fields."""
        if bool(self.tenants) != (_TENANT in self.issuer) and "tenants" in sound:
            yield _of(
                at,
                "tenants",
                f"goes with {_TENANT} in `issuer`, and that with it",
                "list the tenants that are trusted",
            )
        if "keys" not in sound or "secret" not in sound:
            return
        if (self.keys is None) == (self.secret is None):
            yield _of(at, "keys", "needs keys or a secret, one of them", "set `keys`")
        if self.secret is not None and not ALGORITHMS[self.algorithms[0]].symmetric:
            yield _of(at, "secret", "goes with HS256, HS384 or HS512 only", "set `keys` instead")
        yield from self._url_problems(at)

    def _url_problems(self, at: str) -> list[Problem]:
        url = self.issuer if self.keys == "discover" else self.keys
        if not isinstance(url, str) or "://" not in url[:8]:
            if self.keys == "discover":
                return [_of(at, "issuer", "is no URL to discover from", "set `keys` to a file")]
            return []
        if is_fetchable(url, Reach(loopback=self.allow_http, private=self.private_network)):
            return []
        return [
            _of(
                at,
                "keys",
                "is not an https URL of a host that may be asked",
                "use https; name allow_http for this very host, private_network for a private one",
            )
        ]


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
        """What is wrong between the fields."""
        hierarchy = self.hierarchy if "hierarchy" in sound else {}
        implied = RoleHierarchy(hierarchy)
        for name, below in hierarchy.items():
            for each in below:
                if each != name and implied.satisfies(frozenset({each}), name):
                    yield _of(
                        at,
                        "hierarchy",
                        f"goes in a circle, so that {each} may do what {name} may",
                        "let roles imply lower ones only",
                    )


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
        seconds(10, _DAY), "how long an access token lives, in seconds", default=None
    )
    refresh_idle: float | None = setting(
        seconds(60, 400 * _DAY), "how long an unused session lives, in seconds", default=None
    )
    refresh_absolute: float | None = setting(
        seconds(60, 3650 * _DAY), "how long any session lives, in seconds", default=None
    )

    def problems(self, at: str, sound: AbstractSet[str]) -> Iterator[Problem]:
        """What is wrong between the fields."""
        conditions = {"clients": self.clients, "roles": self.roles, "tenants": self.tenants}
        if not any(value or name not in sound for name, value in conditions.items()):
            yield _of(at, "clients", "is for everybody", "set clients, roles or tenants")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensConfig:
    """`[tokens]`: only where this application issues tokens itself."""

    issuer: str = setting(_issuer_name, "our own `iss`")
    signing_keys: str | dict[str, Any] = setting(
        _keys, "the file of our signing keys, made by `jwt-guard keys`", secret=True
    )
    access_lifetime: float = setting(
        seconds(10, _DAY), "how long an access token lives, in seconds", default=300.0
    )
    refresh_idle: float = setting(
        seconds(60, 400 * _DAY),
        "how long an unused session lives, in seconds",
        default=14.0 * _DAY,
    )
    refresh_absolute: float = setting(
        seconds(60, 3650 * _DAY), "how long any session lives, in seconds", default=90.0 * _DAY
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration."""

    audience: tuple[str, ...] = setting(names, "whom tokens must be for: this API's names")
    leeway: float = setting(seconds(0, 300), "how far clocks may differ, in seconds", default=0.0)
    max_token_age: float | None = setting(
        seconds(1, 365 * _DAY),
        "how long after `iat` a token is accepted, in seconds; a day, when not set, where the"
        " profile requires `iat`",
        default=None,
    )
    max_token_size: int = setting(
        integer(256, 1_048_576), "the longest token that is looked at, in bytes", default=16_384
    )
    realm: str = setting(text, "the protection space that challenges name", default="api")
    issuers: tuple[IssuerConfig, ...] = sections(IssuerConfig, "the issuers that are trusted")
    issuers_in_code: bool = setting(
        boolean, "whether the application resolves further issuers in code", default=False
    )
    roles: RolesConfig = section(RolesConfig, "roles")
    tenants: TenantsConfig = section(TenantsConfig, "tenants")
    routes: RoutesConfig = section(RoutesConfig, "routes")
    tokens: TokensConfig | None = section(TokensConfig, "tokens of our own", optional=True)
    store: StoreConfig = section(StoreConfig, "the store")
    cookies: CookiesConfig = section(CookiesConfig, "cookies")
    cache: CacheConfig = section(CacheConfig, "the cache")
    audit: AuditConfig = section(AuditConfig, "the audit log")
    base: Path = field(default=Path())

    @classmethod
    def load(
        cls,
        source: "Source",
        *,
        environ: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> "Config":
        """Read a configuration.

        Args:
            source: the path of a TOML file, whose relative paths start from its folder, or a
                mapping with the same keys, or a `Config`, which is answered as it is.
            environ: variables that overrule a file, `JWT_GUARD__SECTION__KEY`; the process's
                own by default. A mapping is taken as it stands.
            defaults: whole tables that stand where a file has none of that name.

        Raises:
            ConfigurationError: with every mistake that it holds.
        """
        config, problems = cls.drafted(source, environ=environ, defaults=defaults)
        if problems:
            raise ConfigurationError(*problems)
        return config

    @classmethod
    def drafted(
        cls,
        source: "Source",
        *,
        environ: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> tuple["Config", tuple[Problem, ...]]:
        """As `load`, but with the mistakes beside what could be read.

        Where there are any, what could be read is for nothing but to find more of them.

        Raises:
            ConfigurationError: the file cannot be read at all.
        """
        if isinstance(source, Config):
            return source, ()
        if isinstance(source, Mapping):
            return cls._drafted(source, Path.cwd())
        file = Path(source)
        raw = _overruled(_parsed(file), os.environ if environ is None else environ)
        return cls._drafted({**(defaults or {}), **raw}, file.resolve().parent)

    @classmethod
    def _drafted(cls, raw: Mapping[str, Any], base: Path) -> tuple["Config", tuple[Problem, ...]]:
        problems: list[Problem] = []
        read = read_section(cls, raw, "", problems)
        if read is None:  # the audience alone has no default
            again: list[Problem] = []
            read = read_section(cls, {**raw, "audience": "nobody"}, "", again)
            assert read is not None  # noqa: S101
            problems += [problem for problem in again if problem not in problems]
        issuers = tuple(each for issuer in read.issuers for each in issuer.per_tenant())
        return replace(read, issuers=issuers, base=base), tuple(problems)

    def problems(self, at: str, sound: AbstractSet[str]) -> Iterator[Problem]:
        """What is wrong between the sections."""
        nobody = not (self.issuers or self.tokens or self.issuers_in_code)
        if nobody and sound >= {"issuers", "tokens", "issuers_in_code"}:
            yield _of(at, "issuers", "trusts nobody", "add [[issuers]] or [tokens]")
        if self.cookies.enabled and self.tokens is None and "tokens" in sound:
            yield _of(at, "cookies.enabled", "has no tokens to carry", "add [tokens]")
        trusted = [each.issuer for issuer in self.issuers for each in issuer.per_tenant()]
        trusted += [self.tokens.issuer] if self.tokens else []
        for name in sorted({name for name in trusted if trusted.count(name) > 1}):
            yield _of(at, "issuers", f"names {name} twice", "give each issuer one table")


Source = Config | Mapping[str, Any] | str | os.PathLike[str]
"""What a configuration can be read from."""


def _of(at: str, name: str, message: str, remedy: str) -> Problem:
    return Problem(path=f"{at}.{name}" if at else name, message=message, remedy=remedy)


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(file, error.strerror or "cannot be read") from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, f"is not TOML: {error}") from None


def _unreadable(file: Path, message: str) -> ConfigurationError:
    return ConfigurationError(
        Problem(path=str(file), message=message, remedy="give the path of a TOML file")
    )


def _overruled(raw: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The raw tables with the environment's values in place of the file's."""
    for name in sorted(environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            steps = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            table = _table_at(raw, steps[:-1])
            if table is None:
                raw[name] = environ[name]  # reported as what is no setting
            else:
                table[steps[-1]] = _typed(environ[name])
    return raw


def _table_at(tables: dict[str, Any], steps: list[str]) -> dict[str, Any] | None:
    """The table that these steps lead to; None where something else stands in the way."""
    for step in steps:
        tables = tables.setdefault(step, {})
        if not isinstance(tables, dict):
            return None
    return tables


def _typed(raw: str) -> Any:
    """A TOML value where the text is one, else the text."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw

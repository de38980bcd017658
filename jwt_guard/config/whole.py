"""The whole configuration, and how it is loaded."""

import os
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jwt_guard.audit.settings import AuditConfig
from jwt_guard.config.files import overruled, parsed
from jwt_guard.config.issuers import IssuerConfig
from jwt_guard.config.readers import DAY, problem_at
from jwt_guard.config.sections import (
    CacheConfig,
    CookiesConfig,
    RolesConfig,
    RoutesConfig,
    StoreConfig,
    TenantsConfig,
    TokensConfig,
)
from jwt_guard.errors import ConfigurationError, Problem
from jwt_guard.settings import (
    boolean,
    integer,
    names,
    read_section,
    seconds,
    section,
    sections,
    setting,
    text,
)

__all__ = ["Config", "Source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration."""

    audience: tuple[str, ...] = setting(names, "whom tokens must be for: this API's names")
    leeway: float = setting(seconds(0, 300), "how far clocks may differ, in seconds", default=0.0)
    max_token_age: float | None = setting(
        seconds(1, 365 * DAY),
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
            defaults: whole tables that stand where the source has none of that name.

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
            raw, base = source, Path.cwd()
        else:
            file = Path(source)
            raw = overruled(parsed(file), os.environ if environ is None else environ)
            base = file.resolve().parent
        return cls._drafted({**(defaults or {}), **raw}, base)

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
            yield problem_at(at, "issuers", "trusts nobody", "add [[issuers]] or [tokens]")
        if self.cookies.enabled and self.tokens is None and "tokens" in sound:
            yield problem_at(at, "cookies.enabled", "has no tokens to carry", "add [tokens]")
        trusted = [each.issuer for issuer in self.issuers for each in issuer.per_tenant()]
        trusted += [self.tokens.issuer] if self.tokens else []
        for name in sorted({name for name in trusted if trusted.count(name) > 1}):
            yield problem_at(at, "issuers", f"names {name} twice", "give each issuer one table")


Source = Config | Mapping[str, Any] | str | os.PathLike[str]
"""What a configuration can be read from."""

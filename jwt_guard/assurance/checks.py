"""What a valid configuration still gives away: each weakening is an explicit setting, named here.

A configuration with mistakes does not get so far: reading it reports them all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from jwt_guard.config import Config, IssuerConfig
from jwt_guard.tokens.presets import PROFILES

__all__ = ["Finding", "findings"]

Level = Literal["note", "warning"]

_LONG_OUTAGE = 86_400
_LONG_LEEWAY = 60
_LONG_ACCESS = 3600
_LONG_AGE = 86_400
_REFERENCES = ("env:", "file:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that an owner should know of a configuration.

    Attributes:
        level: a warning fails the check, a note does not.
        path: the setting.
        message: what it gives away.
        remedy: what would be better.
        reference: the section that asks for it.
    """

    level: Level
    path: str
    message: str
    remedy: str
    reference: str


def findings(config: Config) -> tuple[Finding, ...]:
    """All that is weak in a configuration, in the order of its sections."""
    found: list[Finding] = []
    for check in _CHECKS:
        found.extend(check(config))
    for issuer in config.issuers:
        for check_issuer in _ISSUER_CHECKS:
            found.extend(check_issuer(issuer.at, issuer))
    return tuple(dict.fromkeys(found))  # the tenants of one table have the same


def _leeway(config: Config) -> Iterator[Finding]:
    if config.leeway > _LONG_LEEWAY:
        yield Finding(
            level="warning",
            path="leeway",
            message=f"expired tokens are accepted for {config.leeway:g} more seconds",
            remedy=f"synchronise the clocks and allow at most {_LONG_LEEWAY}",
            reference="RFC 7519 section 4.1.4",
        )


def _unguarded_routes(config: Config) -> Iterator[Finding]:
    if config.routes.protect == "marked":
        yield Finding(
            level="note",
            path="routes.protect",
            message="a route that nobody marked is open to everyone",
            remedy='protect = "all", with the public routes named',
            reference="OWASP ASVS V8.2.1",
        )


def _everything_public(config: Config) -> Iterator[Finding]:
    if "/*" in config.routes.public:
        yield Finding(
            level="warning",
            path="routes.public",
            message="every path is public",
            remedy="name the public paths one by one",
            reference="OWASP ASVS V8.2.1",
        )


def _stored_answers(config: Config) -> Iterator[Finding]:
    if not config.routes.no_store:
        yield Finding(
            level="note",
            path="routes.no_store",
            message="caches may keep what verified callers are answered",
            remedy="remove it, and set Cache-Control where an answer may be kept",
            reference="OWASP ASVS V14.3.2",
        )


def _old_tokens(config: Config) -> Iterator[Finding]:
    if config.max_token_age is not None and config.max_token_age > _LONG_AGE:
        yield Finding(
            level="note",
            path="max_token_age",
            message=f"tokens are accepted for {config.max_token_age:.12g} seconds, if they say so",
            remedy=f"allow at most {_LONG_AGE}, the default for tokens with `iat`",
            reference="OWASP ASVS V9.2.1",
        )


def _lifetimes(config: Config) -> Iterator[Finding]:
    if config.tokens is not None and config.tokens.access_lifetime > _LONG_ACCESS:
        yield Finding(
            level="warning",
            path="tokens.access_lifetime",
            message="a stolen access token is of use for more than an hour",
            remedy="let it live for minutes, and refresh it",
            reference="RFC 9700 section 2.2.1",
        )


def _lonely_store(config: Config) -> Iterator[Finding]:
    if config.tokens is not None and config.store.url == "memory://":
        yield Finding(
            level="note",
            path="store.url",
            message="sessions and revocations end with the process and are not shared",
            remedy="use a database or Valkey where there is more than one process",
            reference="OWASP ASVS V7.4.1",
        )


def _fail_open(config: Config) -> Iterator[Finding]:
    if config.store.fail_open:
        yield Finding(
            level="warning",
            path="store.fail_open",
            message="while the store does not answer, revoked callers are let in",
            remedy="remove it: they get 503 then, and nobody gets what is not theirs",
            reference="OWASP ASVS V16.5.3",
        )


def _refresh_secret_in_file(config: Config) -> Iterator[Finding]:
    secrets = config.tokens.refresh_secret if config.tokens else ()
    if not all(secret.startswith(_REFERENCES) for secret in secrets):
        yield Finding(
            level="warning",
            path="tokens.refresh_secret",
            message="a secret stands in the configuration itself",
            remedy="refer to it with env:NAME or file:PATH",
            reference="OWASP ASVS V13.3.1",
        )


def _no_audit(config: Config) -> Iterator[Finding]:
    if config.audit.sink is None:
        yield Finding(
            level="note",
            path="audit.sink",
            message="refusals are told to the standard logger only",
            remedy='set a file, as in sink = "audit.jsonl"',
            reference="OWASP ASVS V16.3.1",
        )


def _plain_http(at: str, issuer: IssuerConfig) -> Iterator[Finding]:
    if issuer.allow_http:
        yield Finding(
            level="warning",
            path=f"{at}.allow_http",
            message="keys may be fetched without encryption from this host",
            remedy="remove it outside development",
            reference="RFC 8414 section 2",
        )


def _private_network(at: str, issuer: IssuerConfig) -> Iterator[Finding]:
    if issuer.private_network:
        yield Finding(
            level="note",
            path=f"{at}.private_network",
            message="keys may be fetched from hosts in private networks",
            remedy="remove it, unless the provider is there",
            reference="RFC 8725bis section 3.10",
        )


def _any_tenant(at: str, issuer: IssuerConfig) -> Iterator[Finding]:
    if issuer.tenants and issuer.tenant is None:
        yield Finding(
            level="note",
            path=f"{at}.tenant",
            message="the issuer of each tenant may name any tenant in its tokens",
            remedy='set tenant = "{tenant}", or what the tenant is called in its tokens',
            reference="OWASP ASVS V8.4.1",
        )


def _long_outage(at: str, issuer: IssuerConfig) -> Iterator[Finding]:
    if issuer.outage_limit > _LONG_OUTAGE:
        yield Finding(
            level="warning",
            path=f"{at}.outage_limit",
            message="a withdrawn key is believed for"
            f" {issuer.outage_limit:.12g} seconds of an outage",
            remedy=f"allow at most {_LONG_OUTAGE}",
            reference="RFC 8725bis section 3.8",
        )


def _weak_profile(at: str, issuer: IssuerConfig) -> Iterator[Finding]:
    if PROFILES[issuer.profile].legacy:
        yield Finding(
            level="warning" if issuer.profile == "legacy" else "note",
            path=f"{at}.profile",
            message="tokens need not say that they are access tokens",
            remedy="have the provider issue at+jwt and use the profile rfc9068",
            reference="RFC 8725bis section 3.11",
        )


def _secret_in_file(at: str, issuer: IssuerConfig) -> Iterator[Finding]:
    if issuer.secret is not None and not issuer.secret.startswith(_REFERENCES):
        yield Finding(
            level="warning",
            path=f"{at}.secret",
            message="a secret stands in the configuration itself",
            remedy="refer to it: `env:NAME` or `file:PATH`",
            reference="OWASP ASVS V13.3.1",
        )


def _shared_secret(at: str, issuer: IssuerConfig) -> Iterator[Finding]:
    if issuer.algorithms[0].startswith("HS"):
        yield Finding(
            level="note",
            path=f"{at}.algorithms",
            message="whoever can verify these tokens can also issue them",
            remedy="use public-key signatures between different services",
            reference="RFC 8725bis section 3.5",
        )


_CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    _leeway,
    _old_tokens,
    _unguarded_routes,
    _everything_public,
    _stored_answers,
    _lifetimes,
    _lonely_store,
    _fail_open,
    _refresh_secret_in_file,
    _no_audit,
)
_ISSUER_CHECKS: tuple[Callable[[str, IssuerConfig], Iterator[Finding]], ...] = (
    _plain_http,
    _private_network,
    _any_tenant,
    _long_outage,
    _weak_profile,
    _secret_in_file,
    _shared_secret,
)

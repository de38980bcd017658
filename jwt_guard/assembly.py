"""From a configuration to the parts that a guard holds; all that cannot be built is reported."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jwt_guard.audit.observer import Observer
from jwt_guard.config import Config, IssuerConfig
from jwt_guard.errors import ConfigurationError, Problem
from jwt_guard.keys.algorithms import ALGORITHMS
from jwt_guard.keys.loading import UnusableKeys
from jwt_guard.keys.signing import SigningKeys
from jwt_guard.keys.sources import key_source, own_keys
from jwt_guard.stores.opening import open_store
from jwt_guard.stores.protocol import Store, UnusableStore
from jwt_guard.tokens.claims import ClaimRules
from jwt_guard.tokens.directory import IssuerDirectory
from jwt_guard.tokens.presets import PROFILES
from jwt_guard.tokens.profiles import RFC9068, ClaimPath, Profile
from jwt_guard.tokens.verifier import TrustedIssuer

__all__ = ["IssuerResolver", "assembled", "issuer_directory", "opened_store"]

IssuerResolver = Callable[[str], Mapping[str, Any] | IssuerConfig | None]
"""From an `iss` to what a table of `[[issuers]]` would say of it; None for a stranger."""

_AUDIENCE = "{audience}"

_OWN_ALGORITHMS = frozenset(ALGORITHMS)
"""Each of our own keys serves the one algorithm that it was made for, so that this is no choice."""


def assembled(
    config: Config, observers: Iterable[Observer] = ()
) -> tuple[SigningKeys | None, dict[str, TrustedIssuer]]:
    """Our own signing keys, if we issue tokens, and every trusted issuer by its exact `iss`.

    Args:
        config: what they are built from.
        observers: who is told of key rotations and outages.

    Raises:
        ConfigurationError: keys cannot be loaded, or are too weak; with all that are so.
    """
    problems: list[Problem] = []
    own = _signing_keys(config, observers, problems)
    trusted = _trusted_issuers(config, observers, problems)
    if problems:
        raise ConfigurationError(*problems)
    if config.tokens is not None and own is not None:
        trusted[config.tokens.issuer] = _own(config, config.tokens.issuer, own)
    return own, trusted


def opened_store(config: Config) -> Store:
    """The store; nothing is connected yet.

    Raises:
        ConfigurationError: its URL is not understood, or an extra is not installed.
    """
    try:
        return open_store(config.store.url, config.base, timeout=config.store.timeout)
    except UnusableStore as error:
        remedy = "write memory://, sqlite:///file.db, postgresql://... or valkey://..."
        raise ConfigurationError(
            Problem(path="store.url", message=str(error), remedy=remedy)
        ) from None


def issuer_directory(
    config: Config,
    named: Mapping[str, TrustedIssuer],
    resolve: IssuerResolver | None,
    observers: Iterable[Observer],
) -> IssuerDirectory:
    """The trusted issuers: those of the configuration, and those that code resolves.

    Raises:
        ConfigurationError: `issuers_in_code` and the resolver are not there together.
    """
    if config.issuers_in_code != (resolve is not None):
        message = "goes with a resolver, and a resolver with it"
        remedy = "pass `issuers=` to the guard and set this to true"
        raise ConfigurationError(Problem(path="issuers_in_code", message=message, remedy=remedy))

    def build(issuer: str, entry: Mapping[str, Any] | IssuerConfig) -> TrustedIssuer:
        if not isinstance(entry, IssuerConfig):
            entry = IssuerConfig.read({"issuer": issuer, **entry})
        if entry.issuer != issuer:
            raise ValueError("the resolver answered for another issuer")
        return _trusted(config, entry, observers)

    return IssuerDirectory(named, resolve, build)


def _signing_keys(
    config: Config, observers: Iterable[Observer], problems: list[Problem]
) -> SigningKeys | None:
    if config.tokens is None:
        return None
    try:
        settings = config.tokens
        return own_keys(settings.issuer, settings.signing_keys, config.base, observers)
    except UnusableKeys as error:
        remedy = "make one with `jwt-guard keys generate`"
        problems.append(Problem(path="tokens.signing_keys", message=str(error), remedy=remedy))
        return None


def _trusted_issuers(
    config: Config, observers: Iterable[Observer], problems: list[Problem]
) -> dict[str, TrustedIssuer]:
    trusted: dict[str, TrustedIssuer] = {}
    for place, issuer in enumerate(config.issuers):
        try:
            trusted[issuer.issuer] = _trusted(config, issuer, observers)
        except UnusableKeys as error:
            problems += _key_problems(f"issuers[{place}]", issuer, error)
    return trusted


def _key_problems(at: str, issuer: IssuerConfig, error: UnusableKeys) -> list[Problem]:
    name = "keys" if issuer.secret is None else "secret"
    remedy = f"give keys for {', '.join(issuer.algorithms)} that are strong and distinct"
    return [Problem(path=f"{at}.{name}", message=why, remedy=remedy) for why in error.reasons]


def _trusted(config: Config, issuer: IssuerConfig, observers: Iterable[Observer]) -> TrustedIssuer:
    profile = PROFILES[issuer.profile]
    return TrustedIssuer(
        issuer=issuer.issuer,
        algorithms=frozenset(issuer.algorithms),
        keys=key_source(issuer, config.base, observers),
        rules=_rules(
            config,
            profile,
            audiences=frozenset(issuer.audience or config.audience),
            clients=frozenset(issuer.clients) or None,
            client_subjects=issuer.client_subjects,
        ),
    )


def _own(config: Config, name: str, keys: SigningKeys) -> TrustedIssuer:
    return TrustedIssuer(
        issuer=name,
        algorithms=_OWN_ALGORITHMS,
        keys=keys.source,
        rules=_rules(
            config,
            RFC9068,
            audiences=frozenset(config.audience),
            clients=None,
            client_subjects=False,
        ),
    )


def _rules(
    config: Config,
    profile: Profile,
    *,
    audiences: frozenset[str],
    clients: frozenset[str] | None,
    client_subjects: bool,
) -> ClaimRules:
    tenant = config.tenants.claim or profile.tenant
    return ClaimRules(
        profile=profile,
        audiences=audiences,
        leeway=config.leeway,
        max_age=config.max_token_age,
        clients=clients,
        client_subjects=client_subjects,
        roles=_role_paths(config.roles.claims or profile.roles, audiences),
        scopes=tuple(ClaimPath(path) for path in profile.scopes),
        permissions=tuple(ClaimPath(path) for path in profile.permissions),
        tenant=ClaimPath(tenant) if tenant else None,
    )


def _role_paths(
    paths: Iterable[str | tuple[str, ...]], audiences: Iterable[str]
) -> tuple[ClaimPath, ...]:
    """The places of roles, those of one audience's own roles for each of ours."""
    return tuple(
        ClaimPath(each) for path in paths for each in dict.fromkeys(_of_audiences(path, audiences))
    )


def _of_audiences(
    path: str | tuple[str, ...], audiences: Iterable[str]
) -> Iterator[str | tuple[str, ...]]:
    if isinstance(path, str) or _AUDIENCE not in path:
        yield path
        return
    for audience in sorted(audiences):
        yield tuple(audience if step == _AUDIENCE else step for step in path)

"""The parts of a guard beside its issuers: audit trail, token issuer, sessions, cookies."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from jwt_guard.assembly import Assembly
from jwt_guard.audit.building import Builder
from jwt_guard.audit.observer import EventName, Observer, Occurrence
from jwt_guard.audit.trail import AuditTrail
from jwt_guard.config import Config
from jwt_guard.credentials.cookies import CookieJar
from jwt_guard.credentials.csrf import CsrfRule
from jwt_guard.credentials.sealing import Sealer
from jwt_guard.errors import ConfigurationError, Problem
from jwt_guard.keys.signing import SigningKeys
from jwt_guard.sessions.building import lifetimes_of, refresh_keys_of, server_secrets
from jwt_guard.sessions.manager import Sessions
from jwt_guard.sessions.revocation import Revocations
from jwt_guard.tokens.issuer import TokenIssuer

__all__ = [
    "audit_observers",
    "audit_trail",
    "cookie_jar",
    "mistakes_in_parts",
    "own_secrets",
    "sessions_of",
    "token_issuer",
]

Clock = Callable[[], float]


def cookie_jar(config: Config, secrets: Sequence[bytes]) -> CookieJar | None:
    """Reads and writes our tokens in cookies, if these are enabled."""
    if not config.cookies.enabled or not secrets:
        return None
    return CookieJar(
        sealer=Sealer(secrets),
        csrf=CsrfRule(secrets, config.cookies.trusted_origins),
        refresh_path=config.cookies.refresh_path,
        same_site=config.cookies.same_site,
    )


def mistakes_in_parts(config: Config, open_store: Callable[[Config], object]) -> Iterator[Problem]:
    """What of a configuration no part can be built of, each tried by itself.

    Args:
        config: one that reads, or what could be read of it.
        open_store: opens the store that it names.
    """
    parts: list[Callable[[], object]] = [Assembly(config).issuers, partial(open_store, config)]
    if config.tokens is not None and config.tokens.refresh_secret:
        parts.append(partial(refresh_keys_of, config.tokens, config.base))
    if _is_audited(config):
        builder = Builder(config.audit, base=config.base, service=config.realm)
        parts += [builder.sinks, builder.pseudonyms, builder.trail]
    for part in parts:
        try:
            part()
        except ConfigurationError as error:
            yield from error.problems


def _is_audited(config: Config) -> bool:
    return bool(config.audit.sink or config.audit.metrics or config.audit.otel.metrics)


def audit_trail(config: Config, clock: Clock) -> AuditTrail | None:
    """Records every outcome, if the configuration says where."""
    if not _is_audited(config):
        return None
    builder = Builder(config.audit, base=config.base, service=config.realm, clock=clock)
    trail = builder.trail()
    trail.issuer = config.tokens.issuer if config.tokens else None
    trail.opening = [
        Occurrence(name=EventName.CONFIGURATION_WEAKENED, detail={"setting": setting})
        for setting in _weakened(config)
    ]
    return trail


def _weakened(config: Config) -> list[str]:
    """The settings by which a configuration gives up what it would promise."""
    found = ["store.fail_open"] if config.store.fail_open else []
    found += [
        f"{issuer.at}.{name}"
        for issuer in config.issuers
        for name in ("allow_http", "private_network")
        if getattr(issuer, name)
    ]
    return list(dict.fromkeys(found))


def audit_observers(config: Config, trail: AuditTrail | None) -> list[Observer]:
    """Those who are told of outcomes for the audit's sake."""
    spans = Builder(config.audit, base=config.base, service=config.realm).span_observer()
    return [each for each in (trail, spans) if each is not None]


def token_issuer(config: Config, keys: SigningKeys | None, clock: Clock) -> TokenIssuer | None:
    """Issues our own tokens, if there are any."""
    if config.tokens is None or keys is None:
        return None
    return TokenIssuer(
        issuer=config.tokens.issuer,
        keys=keys,
        audience=config.audience,
        lifetimes=lifetimes_of(config.tokens),
        clock=clock,
    )


def sessions_of(
    config: Config, issuer: TokenIssuer | None, revocations: Revocations, *, clock: Clock
) -> Sessions | None:
    """The sessions of our own users, if we issue tokens.

    Raises:
        ConfigurationError: the secret of refresh tokens cannot be used.
    """
    settings = config.tokens
    if settings is None or issuer is None:
        return None
    return Sessions(
        revocations.store,
        issuer=issuer,
        keys=refresh_keys_of(settings, config.base),
        revocations=revocations,
        window=settings.refresh_window,
        clock=clock,
        observers=revocations.observers,
    )


def own_secrets(config: Config) -> tuple[bytes, ...]:
    """The secrets of our sessions; that they are there and long enough is known by now."""
    settings = config.tokens
    return () if settings is None else tuple(server_secrets(settings, config.base))

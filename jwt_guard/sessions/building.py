"""From what a configuration says of our tokens to the parts that sessions are made of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from jwt_guard.errors import ConfigurationError, Problem
from jwt_guard.keys.loading import UnusableKeys
from jwt_guard.keys.signing import REFRESH_SECRET
from jwt_guard.keys.sources import referred, signing_document
from jwt_guard.sessions.refresh_token import SHORTEST_SECRET, RefreshKeys
from jwt_guard.sessions.revocation import Keeping
from jwt_guard.tokens.lifetimes import LifetimePolicy, LifetimeRules, Lifetimes

__all__ = ["TokenSettings", "keeping_of", "lifetimes_of", "refresh_keys_of", "server_secrets"]

_AT_LEAST = 90 * 86_400.0
_AT_MOST = 3650 * 86_400.0
"""How long cut-offs of sessions and subjects are kept, whatever the age of foreign tokens."""


class PolicySettings(Protocol):
    """What one table of `tokens.policies` says."""

    @property
    def clients(self) -> tuple[str, ...]:
        """See `LifetimePolicy`."""
        ...

    @property
    def roles(self) -> tuple[str, ...]:
        """See `LifetimePolicy`."""
        ...

    @property
    def tenants(self) -> tuple[str, ...]:
        """See `LifetimePolicy`."""
        ...

    @property
    def access_lifetime(self) -> float | None:
        """Seconds."""
        ...

    @property
    def refresh_idle(self) -> float | None:
        """Seconds."""
        ...

    @property
    def refresh_absolute(self) -> float | None:
        """Seconds."""
        ...


class TokenSettings(Protocol):
    """What the table `tokens` says."""

    @property
    def signing_keys(self) -> str | Mapping[str, Any]:
        """Where our signing keys are."""
        ...

    @property
    def access_lifetime(self) -> float:
        """Seconds."""
        ...

    @property
    def refresh_idle(self) -> float:
        """Seconds."""
        ...

    @property
    def refresh_absolute(self) -> float:
        """Seconds."""
        ...

    @property
    def refresh_secret(self) -> tuple[str, ...]:
        """Where the secrets of refresh tokens are."""
        ...

    @property
    def policies(self) -> Sequence[PolicySettings]:
        """Other times for some."""
        ...


def lifetimes_of(settings: TokenSettings) -> LifetimeRules:
    """The usual times and the policies."""
    usual = Lifetimes(
        access=settings.access_lifetime,
        idle=settings.refresh_idle,
        absolute=settings.refresh_absolute,
    )
    return LifetimeRules(usual, [_policy(policy) for policy in settings.policies])


def _policy(settings: PolicySettings) -> LifetimePolicy:
    return LifetimePolicy(
        clients=frozenset(settings.clients),
        roles=frozenset(settings.roles),
        tenants=frozenset(settings.tenants),
        access=settings.access_lifetime,
        idle=settings.refresh_idle,
        absolute=settings.refresh_absolute,
    )


def keeping_of(settings: TokenSettings | None, leeway: float, oldest: float) -> Keeping:
    """How long cut-offs must be kept, with a minute for answers that are on their way.

    Args:
        settings: what is said of our own tokens.
        leeway: how far clocks may differ, in seconds.
        oldest: the greatest age at which a token is accepted, in seconds; infinite for any.
    """
    access, sessions = 0.0, min(max(oldest, _AT_LEAST), _AT_MOST)
    if settings is not None:
        longest = lifetimes_of(settings).longest()
        access, sessions = longest.access, max(sessions, longest.absolute)
    slack = access + 60 + leeway
    return Keeping(tokens=slack, sessions=sessions + slack)


def refresh_keys_of(settings: TokenSettings, base: Path) -> RefreshKeys:
    """The keys of refresh tokens, from `refresh_secret`.

    That of the configuration, else that beside the signing keys; where neither has one, each of
    the signing keys stands in for it.

    Raises:
        ConfigurationError: a secret cannot be read, or is too short.
    """
    path = "tokens.refresh_secret"
    try:
        return RefreshKeys(server_secrets(settings, base))
    except UnusableKeys as error:
        remedy = error.remedy or "set what it refers to"
        problem = Problem(path=path, message=str(error), remedy=remedy)
    except ValueError:
        remedy = "write `openssl rand -hex 32` into it"
        message = f"holds less than {SHORTEST_SECRET} bytes"
        problem = Problem(path=path, message=message, remedy=remedy)
    raise ConfigurationError(problem)


def server_secrets(settings: TokenSettings, base: Path) -> list[bytes]:
    """The secrets that refresh tokens, cookies and proofs against forgery are derived from.

    Raises:
        UnusableKeys: one of them cannot be read.
    """
    if settings.refresh_secret:
        return [referred(secret, base).encode() for secret in settings.refresh_secret]
    document = signing_document(settings.signing_keys, base)
    if REFRESH_SECRET in document:
        return [str(document[REFRESH_SECRET]).encode()]
    return [_private_part(entry).encode() for entry in document["keys"]]


def _private_part(jwk: Mapping[str, Any]) -> str:
    """The member that holds the secret (RFC 7518 section 6, RFC 8037 section 2)."""
    return str(jwk["k"] if jwk["kty"] == "oct" else jwk["d"])

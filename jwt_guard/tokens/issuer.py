"""Access tokens of our own, as RFC 9068 defines them."""

import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from jwt_guard.keys.signing import SigningKey, SigningKeys
from jwt_guard.tokens.lifetimes import LifetimeRules, Lifetimes

__all__ = ["Authentication", "ClaimsHook", "TokenIssuer"]

_encode_json = msgspec.json.Encoder().encode
_OURS = frozenset({"iss", "sub", "aud", "exp", "iat", "jti", "client_id"})

ClaimsHook = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From the claims of a token to be issued to further ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """How a user authenticated.

    Attributes:
        time: when, in seconds since 1970 UTC.
        acr: the authentication context class, if known.
        amr: the methods (RFC 8176), if known.
    """

    time: float
    acr: str | None = None
    amr: Sequence[str] = ()

    def claims(self) -> dict[str, Any]:
        """As claims (RFC 9068 section 2.2.1)."""
        return {"auth_time": int(self.time)} | _given(acr=self.acr, amr=list(self.amr))


class TokenIssuer:
    """Issues access tokens. Keys are parsed once; a token costs one signature.

    Args:
        issuer: our `iss`.
        keys: our signing keys.
        audience: whom the tokens are for.
        lifetimes: how long tokens live; a number of seconds is one time for all.
        clock: seconds since 1970 UTC.

    Attributes:
        more_claims: asked for further claims of each token, if set.
    """

    def __init__(
        self,
        *,
        issuer: str,
        keys: SigningKeys,
        audience: Sequence[str],
        lifetimes: LifetimeRules | float = 300,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.keys = keys
        self.audience = tuple(audience)
        self.lifetimes = _rules(lifetimes)
        self.more_claims: ClaimsHook | None = None
        self._clock = clock

    def issue(
        self,
        subject: str,
        *,
        client_id: str,
        roles: Iterable[str] = (),
        scopes: Iterable[str] = (),
        tenant: str | None = None,
        claims: Mapping[str, Any] | None = None,
        lifetime: float | None = None,
    ) -> str:
        """A signed access token.

        Args:
            subject: `sub`.
            client_id: the client that it is for.
            roles: `roles`, left out when empty.
            scopes: `scope`, left out when empty.
            tenant: `tenant`, left out when None.
            claims: further claims (`sid`, `auth_time`, `acr`, your own).
            lifetime: seconds, instead of what the rules say.

        Raises:
            ValueError: `claims`, or the application's hook, gives one that is decided here; or a
                token of a session would live longer than the rules know, and so outlive its
                session's cut-off.
        """
        roles = list(roles)
        if lifetime is None:
            lifetime = self.lifetimes.of(client_id, roles, tenant).access
        now = int(self._clock())
        body: dict[str, Any] = {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.audience[0] if len(self.audience) == 1 else list(self.audience),
            "exp": now + int(lifetime),
            "iat": now,
            "jti": secrets.token_urlsafe(16),
            "client_id": client_id,
        }
        body |= _given(roles=roles, scope=" ".join(scopes), tenant=tenant)
        body = _with_more(body, claims, _OURS)
        if self.more_claims is not None:
            body = _with_more(body, self.more_claims(dict(body)), body)
        if "sid" in body and lifetime > self.lifetimes.longest().access:
            raise ValueError("a token with `sid` lives no longer than `access_lifetime`")
        return sign(self.keys.current, body)

    @property
    def lifetime(self) -> float:
        """How long a token usually lives, in seconds."""
        return self.lifetimes.usual.access


def _rules(lifetimes: LifetimeRules | float) -> LifetimeRules:
    if isinstance(lifetimes, LifetimeRules):
        return lifetimes
    return LifetimeRules(Lifetimes(access=lifetimes))


def _with_more(
    body: dict[str, Any], more: Mapping[str, Any] | None, decided: Container[str]
) -> dict[str, Any]:
    if not more:
        return body
    taken = sorted(name for name in more if name in decided)
    if taken:
        raise ValueError(f"these claims are set already: {', '.join(taken)}")
    return body | dict(more)


def _given(**claims: Any) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value}


def sign(key: SigningKey, claims: dict[str, Any], *, token_type: str = "at+jwt") -> str:
    """Claims as a signed compact token (RFC 7515 section 7.1)."""
    signed = _opening(key.algorithm, key.kid, token_type) + _segment(_encode_json(claims))
    return (signed + b"." + _segment(key.sign(signed))).decode("ascii")


@lru_cache(maxsize=128)
def _opening(algorithm: str, kid: str, token_type: str) -> bytes:
    """The header and the dot behind it, which are the same for all tokens of a key."""
    return _segment(_encode_json({"alg": algorithm, "typ": token_type, "kid": kid})) + b"."


def _segment(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")

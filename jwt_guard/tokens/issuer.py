"""Access tokens of our own, as RFC 9068 defines them."""

import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jwt_guard.keys.signing import SigningKey, SigningKeys

__all__ = ["TokenIssuer"]

_encode_json = msgspec.json.Encoder().encode
_OURS = frozenset({"iss", "sub", "aud", "exp", "iat", "jti", "client_id"})


class TokenIssuer:
    """Issues access tokens. Keys are parsed once; a token costs one signature.

    Args:
        issuer: our `iss`.
        keys: our signing keys.
        audience: whom the tokens are for.
        lifetime: how long a token lives, in seconds.
        clock: seconds since 1970 UTC.
    """

    def __init__(
        self,
        *,
        issuer: str,
        keys: SigningKeys,
        audience: Sequence[str],
        lifetime: float = 300,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.keys = keys
        self.audience = tuple(audience)
        self.lifetime = lifetime
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
            lifetime: seconds, instead of the usual.

        Raises:
            ValueError: `claims` holds one that is decided here.
        """
        if claims and not _OURS.isdisjoint(claims):
            raise ValueError(f"these claims are set here: {', '.join(sorted(_OURS))}")
        now = int(self._clock())
        body: dict[str, Any] = {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.audience[0] if len(self.audience) == 1 else list(self.audience),
            "exp": now + int(self.lifetime if lifetime is None else lifetime),
            "iat": now,
            "jti": secrets.token_urlsafe(16),
            "client_id": client_id,
        }
        body |= _given(roles=list(roles), scope=" ".join(scopes), tenant=tenant)
        return sign(self.keys.current, body | dict(claims or {}))


def _given(**claims: Any) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value}


def sign(key: SigningKey, claims: Mapping[str, Any], *, token_type: str = "at+jwt") -> str:
    """Claims as a signed compact token (RFC 7515 section 7.1)."""
    header = {"alg": key.algorithm, "typ": token_type, "kid": key.kid}
    signed = _segment(_encode_json(header)) + b"." + _segment(_encode_json(dict(claims)))
    return (signed + b"." + _segment(key.sign(signed))).decode("ascii")


def _segment(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")

"""An issuer of one's own for tests: a key made just now, and tokens that it signs.

tokens = TokenFactory()
guard = Guard.from_config(tokens.config())
client.get("/me", headers=tokens.headers("ada", roles=["admin"]))
"""

import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

from jwt_guard.keys.signing import SigningKeys, generate_key
from jwt_guard.tokens.issuer import sign

__all__ = ["TokenFactory"]

_LIFETIME = 300


class TokenFactory:
    """Makes access tokens as RFC 9068 defines them, good or bad in any one point.

    Args:
        issuer: `iss`.
        audience: `aud`.
        algorithm: what the key is for.
        clock: seconds since 1970 UTC; give the guard the same one.
    """

    def __init__(
        self,
        *,
        issuer: str = "https://issuer.example.test",
        audience: str = "https://api.example.test",
        algorithm: str = "ES256",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self.clock = clock
        self._keys = SigningKeys.from_jwks({"keys": [generate_key(algorithm)]})

    def config(self, **more: Any) -> dict[str, Any]:
        """A configuration that trusts these tokens, with further settings beside."""
        trusted = {
            "issuer": self.issuer,
            "keys": self._keys.public_jwks(),
            "algorithms": list(self._keys.algorithms),
        }
        return {"audience": self.audience, "issuers": [trusted], **more}

    def token(
        self,
        subject: str = "ada",
        *,
        roles: Iterable[str] = (),
        scopes: Iterable[str] = (),
        tenant: str | None = None,
        token_type: str = "at+jwt",
        **claims: Any,
    ) -> str:
        """An access token.

        Args:
            subject: `sub`.
            roles: `roles`, left out when empty.
            scopes: `scope`, left out when empty.
            tenant: `tenant`, left out when None.
            token_type: `typ` of the header.
            claims: further claims, or others in place of the usual; None leaves a claim out:
                `token(exp=0)` has expired, `token(aud=None)` is for nobody.
        """
        now = int(self.clock())
        usual: dict[str, Any] = {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.audience,
            "exp": now + _LIFETIME,
            "iat": now,
            "auth_time": now,
            "jti": secrets.token_urlsafe(12),
            "client_id": "tests",
            "roles": list(roles) or None,
            "scope": " ".join(scopes) or None,
            "tenant": tenant,
        }
        body = {name: value for name, value in (usual | claims).items() if value is not None}
        return sign(self._keys.current, body, token_type=token_type)

    def headers(self, subject: str = "ada", **options: Any) -> dict[str, str]:
        """The header fields of a request with such a token; options as of `token`."""
        return {"Authorization": f"Bearer {self.token(subject, **options)}"}

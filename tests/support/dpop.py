"""DPoP proofs (RFC 9449), made as a client makes them."""

import base64
import hashlib
import secrets
import time
from typing import Any, TypeAlias

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

PrivateKey: TypeAlias = ECKey | OKPKey | RSAKey

_ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}


def dpop_proof(
    key: PrivateKey, method: str, url: str, *, nonce: str | None = None, token: str | None = None
) -> str:
    """A proof for one request (RFC 9449, 4.2), bound to an access ``token`` when there is one."""
    algorithm = _ALGORITHMS[key.key_type]
    header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": key.as_dict(private=False)}
    claims: dict[str, Any] = {"htm": method, "htu": url, "iat": int(time.time())}
    claims["jti"] = secrets.token_urlsafe(16)
    if nonce is not None:
        claims["nonce"] = nonce
    if token is not None:
        claims["ath"] = s256(token)
    return jwt.encode(header, claims, key, algorithms=[algorithm])


def s256(text: str) -> str:
    """The base64url SHA-256 of ASCII text, as in ``ath`` and in PKCE's code challenge."""
    digest = hashlib.sha256(text.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

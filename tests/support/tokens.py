"""A forging kit: keys of every algorithm, made once a session, and tokens of every shape.

What is good about a token is the default; whatever a test names is changed, `ABSENT` takes away.
"""

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

JoseKey = ECKey | OctKey | OKPKey | RSAKey

ISSUER = "https://issuer.example.test"
AUDIENCE = "https://api.example.test"
ABSENT: Any = object()
NOW = int(time.time())

HMAC_ALGORITHMS = ("HS256", "HS384", "HS512")
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "ES256K": "secp256k1"}
EDWARDS: Any = {"EdDSA": "Ed25519", "Ed25519": "Ed25519", "Ed448": "Ed448"}
PUBLIC_KEY_ALGORITHMS = (*RSA_ALGORITHMS, *CURVES, *EDWARDS)
ALL_ALGORITHMS = (*HMAC_ALGORITHMS, *PUBLIC_KEY_ALGORITHMS)


def key(algorithm: str = "ES256", name: str = "main") -> Any:
    """A private key for one algorithm, the same whenever it is asked for by the same name."""
    return _made(algorithm, name)


@cache
def _made(algorithm: str, name: str) -> JoseKey:
    parameters: Any = {"kid": f"{algorithm}-{name}", "alg": algorithm, "use": "sig"}
    if algorithm in HMAC_ALGORITHMS:
        return OctKey.generate_key(int(algorithm[2:]), parameters)
    if algorithm in RSA_ALGORITHMS:
        return RSAKey.generate_key(2048, parameters)
    if algorithm in CURVES:
        return ECKey.generate_key(CURVES[algorithm], parameters)
    return OKPKey.generate_key(EDWARDS[algorithm], parameters)


def jwk(algorithm: str = "ES256", name: str = "main", **members: Any) -> dict[str, Any]:
    """The public JWK of a key (an HMAC key has no other than its secret one), members changed."""
    made = key(algorithm, name)
    return changed(made.as_dict(private=algorithm in HMAC_ALGORITHMS), members)


def private_jwk(algorithm: str = "ES256", name: str = "main", **members: Any) -> dict[str, Any]:
    """The private JWK of a key, members changed."""
    return changed(key(algorithm, name).as_dict(private=True), members)


def jwks(*algorithms: str) -> dict[str, Any]:
    """The set of the public keys of these algorithms."""
    return {"keys": [jwk(algorithm) for algorithm in algorithms or ("ES256",)]}


def public_pem(algorithm: str = "ES256", name: str = "main") -> bytes:
    """The public key as PEM."""
    pem: bytes = key(algorithm, name).as_pem(private=False)
    return pem


def changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with changes; `ABSENT` takes a member away."""
    return {name: value for name, value in {**base, **changes}.items() if value is not ABSENT}


def claims(changes: Mapping[str, Any] | None = None, /, **more: Any) -> dict[str, Any]:
    """The claims of a good RFC 9068 access token, changed."""
    good = {
        "iss": ISSUER,
        "sub": "ada",
        "aud": AUDIENCE,
        "exp": NOW + 3600,
        "iat": NOW - 10,
        "jti": "token-1",
        "client_id": "client-1",
    }
    return changed(good, {**(changes or {}), **more})


def mint(
    changes: Mapping[str, Any] | None = None,
    *,
    algorithm: str = "ES256",
    name: str = "main",
    header: Mapping[str, Any] | None = None,
    **more: Any,
) -> str:
    """A token, good but for the changes of its claims and header, rightly signed."""
    base = {"alg": algorithm, "typ": "at+jwt", "kid": f"{algorithm}-{name}"}
    whole = changed(base, header or {})
    return forge(
        whole, claims(changes, **more), algorithm=algorithm, signing_key=key(algorithm, name)
    )


def forge(header: Any, payload: Any, *, algorithm: str = "ES256", signing_key: JoseKey) -> str:
    """Any header and payload (bytes are taken as they are, all else as JSON), really signed."""
    message = f"{segment(header)}.{segment(payload)}"
    return f"{message}.{segment(sign(message.encode(), algorithm, signing_key))}"


def sign(message: bytes, algorithm: str, signing_key: JoseKey) -> bytes:
    """The raw signature of a message."""
    return JWSRegistry.algorithms[algorithm].sign(message, signing_key)


def segment(value: Any) -> str:
    """One segment of a token: bytes as they are, all else as JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def unsegment(text: str) -> bytes:
    """The bytes of one segment."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def resigned(token: str, signature: bytes) -> str:
    """The same token with another signature."""
    return f"{token.rpartition('.')[0]}.{segment(signature)}"


def configuration(*algorithms: str, **changes: Any) -> dict[str, Any]:
    """A configuration that trusts `ISSUER` with the keys of these algorithms (ES256 for none)."""
    chosen = algorithms or ("ES256",)
    issuer = {"issuer": ISSUER, "keys": jwks(*chosen), "algorithms": list(chosen)}
    return changed({"audience": AUDIENCE, "issuers": [issuer]}, changes)


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time that it shows, in seconds since 1970 UTC."""
        return self.now

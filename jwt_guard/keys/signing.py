"""Our own signing keys: made, stored as a JWK set, used to sign, published without secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc.jwk import JWKRegistry, OctKey
from joserfc.jws import JWSRegistry

from jwt_guard.keys.algorithms import ALGORITHMS, Algorithm, JoseKey
from jwt_guard.keys.keyset import KeySet, VerifyingKey
from jwt_guard.keys.loading import (
    UnusableKeys,
    import_jwk,
    refuse_duplicates,
    refuse_mixture,
)
from jwt_guard.keys.rules import weakness_of

__all__ = ["SigningKey", "SigningKeys", "generate_key"]

_RSA_BITS = 2048


def generate_key(algorithm: str = "ES256") -> dict[str, Any]:
    """A new private JWK for one algorithm, its thumbprint as its `kid` (RFC 7638)."""
    known = ALGORITHMS[algorithm]
    key = JWKRegistry.generate_key(known.key_type, _size_or_curve(known), auto_kid=True)
    return {**key.as_dict(private=True), "alg": algorithm, "use": "sig"}


def _size_or_curve(algorithm: Algorithm) -> int | str:
    if algorithm.key_type == "RSA":
        return _RSA_BITS
    if algorithm.symmetric:
        return algorithm.digest_size * 8
    return "Ed25519" if algorithm.name == "EdDSA" else next(iter(algorithm.curves))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SigningKey:
    """One private key and the one algorithm that it signs with.

    Attributes:
        kid: its identifier, in the header of each token that it signs.
        algorithm: the value of `alg`.
        key: the key itself; it has no repr.
    """

    kid: str
    algorithm: str
    key: JoseKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """The signature of a message (RFC 7515 section 5.1)."""
        return JWSRegistry.algorithms[self.algorithm].sign(message, self.key)

    def verifying(self) -> VerifyingKey:
        """The same key as verifiers see it."""
        return VerifyingKey(kid=self.kid, algorithms=(self.algorithm,), key=self.key)


class SigningKeys:
    """The signing keys of this application; `current` signs, all of them verify."""

    __slots__ = ("_keys", "current", "key_set")

    def __init__(self, keys: list[SigningKey]) -> None:
        self._keys = tuple(keys)
        self.current = self._keys[0]
        self.key_set = KeySet(key.verifying() for key in keys)

    @classmethod
    def from_jwks(cls, document: Any) -> "SigningKeys":
        """Signing keys from a parsed JWK set of private keys, the one that signs first.

        Raises:
            UnusableKeys: it is not one, holds a key that is weak, public, or without `alg`, mixes
                secrets with key pairs, or two keys share a `kid`.
        """
        entries = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(entries, list) or not entries:
            raise UnusableKeys("not a JWK set with at least one key")
        refuse_mixture(entries)
        keys = [_signing_key(entry) for entry in entries]
        refuse_duplicates(key.kid for key in keys)
        return cls(keys)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms of all keys, each once."""
        return tuple(dict.fromkeys(key.algorithm for key in self._keys))

    def public_jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The JWK set to publish (RFC 7517 section 5); secrets are never in it."""
        return {
            "keys": [
                {**key.key.as_dict(private=False), "kid": key.kid, "use": "sig"}
                for key in self._keys
                if not isinstance(key.key, OctKey)
            ]
        }


def _signing_key(entry: Any) -> SigningKey:
    key = import_jwk(entry)
    algorithm = key.alg
    if algorithm not in ALGORITHMS or not ALGORITHMS[algorithm].fits(key):
        raise UnusableKeys("a signing key without an `alg` that fits it")
    if not key.is_private:
        raise UnusableKeys("a public key, which signs nothing")
    weakness = weakness_of(key, (algorithm,))
    if weakness is not None:
        raise UnusableKeys(weakness)
    return SigningKey(kid=key.kid or key.thumbprint(), algorithm=algorithm, key=key)

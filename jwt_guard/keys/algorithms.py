"""The signature algorithms that we know, and which keys each may use.

`none` is not among them and cannot be added.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

__all__ = ["ALGORITHMS", "Algorithm", "JoseKey", "algorithms_for"]

JoseKey = RSAKey | ECKey | OKPKey | OctKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """A JWS algorithm (RFC 7518 section 3, RFC 8037, RFC 8812, RFC 9864).

    Attributes:
        name: the value of `alg`.
        key_type: the `kty` of its keys.
        curves: the `crv` values of its keys, for elliptic curves.
        digest_size: the size of its hash in bytes; an HMAC secret is at least as long.
    """

    name: str
    key_type: str
    curves: frozenset[str] = frozenset()
    digest_size: int = 0

    @property
    def symmetric(self) -> bool:
        """Whether who can verify can also sign."""
        return self.key_type == "oct"

    def fits(self, key: JoseKey) -> bool:
        """Whether the key's type, curve, `alg` and `use` let it serve this algorithm."""
        if key.key_type != self.key_type:
            return False
        curve = getattr(key, "curve_name", None)
        if self.curves and curve not in self.curves:
            return False
        # RFC 9864 named by their curves what RFC 8037 had called EdDSA.
        names = {"EdDSA", curve} if self.key_type == "OKP" else {self.name}
        return key.alg is None or key.alg in names


def _table() -> Iterable[Algorithm]:
    for bits in (256, 384, 512):
        size = bits // 8
        yield Algorithm(name=f"HS{bits}", key_type="oct", digest_size=size)
        yield Algorithm(name=f"RS{bits}", key_type="RSA", digest_size=size)
        yield Algorithm(name=f"PS{bits}", key_type="RSA", digest_size=size)
    for name, curve in {
        "ES256": "P-256",
        "ES384": "P-384",
        "ES512": "P-521",
        "ES256K": "secp256k1",
    }.items():
        yield Algorithm(name=name, key_type="EC", curves=frozenset({curve}))
    yield Algorithm(name="EdDSA", key_type="OKP", curves=frozenset({"Ed25519", "Ed448"}))
    yield Algorithm(name="Ed25519", key_type="OKP", curves=frozenset({"Ed25519"}))
    yield Algorithm(name="Ed448", key_type="OKP", curves=frozenset({"Ed448"}))


ALGORITHMS = {algorithm.name: algorithm for algorithm in _table()}
"""Every algorithm that a configuration can allow, by the value of `alg`."""


def algorithms_for(key: JoseKey, allowed: Iterable[str]) -> tuple[str, ...]:
    """Those of the allowed algorithms that this key may serve, in the order given."""
    return tuple(name for name in allowed if ALGORITHMS[name].fits(key))

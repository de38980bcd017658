"""Which keys are strong enough to be trusted (RFC 8725bis sections 3.4 and 3.5)."""

import math
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from joserfc.jwk import OctKey, RSAKey

from jwt_guard.keys.algorithms import ALGORITHMS, JoseKey

__all__ = ["RSA_BITS", "secret_weakness", "weakness_of"]

RSA_BITS = range(2048, 8193)
"""The sizes of RSA moduli that are accepted, in bits."""

_LEAST_EXPONENT = 65537

_LEAST_VARIETY = 10
"""Fewer different bytes than any secret of 32 random bytes ever has."""

_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
"""Primes modulo which a key of the flawed generator is a power of 65537 (CVE-2017-15361)."""


def weakness_of(key: JoseKey, algorithms: tuple[str, ...]) -> str | None:
    """What makes a key unfit for these algorithms, in words without any of its value, or None."""
    if isinstance(key, RSAKey):
        return _rsa_weakness(key.public_key.public_numbers())
    if isinstance(key, OctKey):
        return secret_weakness(key.raw_value, algorithms)
    return None


def _rsa_weakness(numbers: RSAPublicNumbers) -> str | None:
    bits = numbers.n.bit_length()
    if bits not in RSA_BITS:
        return f"an RSA modulus of {bits} bits, not {RSA_BITS.start} to {RSA_BITS.stop - 1}"
    if numbers.e < _LEAST_EXPONENT or numbers.e % 2 == 0:
        return f"an RSA exponent that is not odd and at least {_LEAST_EXPONENT}"
    if _has_roca_mark(numbers.n):
        return "an RSA modulus with the mark of the ROCA generator (CVE-2017-15361)"
    if _has_small_factor(numbers.n):
        return "an RSA modulus with a small prime factor"
    return None


def _has_roca_mark(modulus: int) -> bool:
    return all(
        modulus % prime in {pow(_LEAST_EXPONENT, k, prime) for k in range(prime)}
        for prime in _ROCA_PRIMES
    )


def _has_small_factor(modulus: int) -> bool:
    return math.gcd(modulus, math.prod(range(3, 1000, 2))) != 1 or modulus % 2 == 0


def secret_weakness(secret: bytes, algorithms: Iterable[str]) -> str | None:
    """What makes a secret unfit for these HMAC algorithms, or None (RFC 7518 section 3.2)."""
    least = max((ALGORITHMS[name].digest_size for name in algorithms), default=0)
    if len(secret) < least:
        return f"a secret of {len(secret)} bytes, shorter than the hash ({least} bytes)"
    if len(set(secret)) < _LEAST_VARIETY:
        return "a secret that is not random; take one from `jwt-guard keys`"
    return None

"""From a key and an algorithm to the function that verifies with them, prepared once.

joserfc is the reference: a property test holds each of these to its verdict. They go around it
because its calls, and the objects that it builds for each token, take as long as our own checks.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from jwt_guard.keys.algorithms import JoseKey

__all__ = ["Verify", "openssl_verifier", "sodium_verifier", "verifier"]

Verify = Callable[[bytes, bytes], bool]
"""Whether a message bears this signature. May raise anything on odd input."""

_EdwardsKey = Ed25519PublicKey | Ed448PublicKey

_HASHES: dict[str, HashAlgorithm] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}


def verifier(key: JoseKey, algorithm: str) -> Verify:
    """The function that verifies with a key, which must fit the algorithm."""
    if isinstance(key, OctKey):
        return _hmac(key, algorithm)
    if isinstance(key, RSAKey):
        return _rsa(key, algorithm)
    if isinstance(key, ECKey):
        return _ecdsa(key, algorithm)
    return _eddsa(key, algorithm)


def _hash_of(algorithm: str) -> HashAlgorithm:
    """RFC 7518 section 3.1 names the hash in the name."""
    return _HASHES[algorithm[2:5]]


def _hasher(algorithm: str) -> Callable[[bytes], Any]:
    """The same hash by `hashlib`, which does not look it up anew for every message."""
    hasher: Callable[[bytes], Any] = getattr(hashlib, f"sha{algorithm[2:5]}")
    return hasher


def _hmac(key: OctKey, algorithm: str) -> Verify:
    keyed = HMAC(key.raw_value, _hash_of(algorithm))

    def is_right(message: bytes, signature: bytes) -> bool:
        state = keyed.copy()
        state.update(message)
        try:
            state.verify(signature)
        except InvalidSignature:
            return False
        return True

    return is_right


def _rsa(key: RSAKey, algorithm: str) -> Verify:
    verify, digest, hashed = key.public_key.verify, _hash_of(algorithm), _hasher(algorithm)
    pss = PSS(mgf=MGF1(digest), salt_length=digest.digest_size)
    padding = pss if algorithm.startswith("PS") else PKCS1v15()
    prehashed = Prehashed(digest)
    size = (key.public_key.key_size + 7) // 8

    def is_right(message: bytes, signature: bytes) -> bool:
        # A PSS signature that begins with zeros verifies without them too (RFC 8017, 8.1.2 step 1).
        if len(signature) != size:
            return False
        try:
            verify(signature, hashed(message).digest(), padding, prehashed)
        except InvalidSignature:
            return False
        return True

    return is_right


def _ecdsa(key: ECKey, algorithm: str) -> Verify:
    verify, hashed = key.public_key.verify, _hasher(algorithm)
    ecdsa = ECDSA(Prehashed(_hash_of(algorithm)))
    half = (key.curve_key_size + 7) // 8
    number = int.from_bytes

    def is_right(message: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * half:
            return False
        der = encode_dss_signature(number(signature[:half], "big"), number(signature[half:], "big"))
        try:
            verify(der, hashed(message).digest(), ecdsa)
        except InvalidSignature:
            return False
        return True

    return is_right


def _eddsa(key: OKPKey, algorithm: str) -> Verify:
    public = key.public_key
    if isinstance(public, Ed25519PublicKey):
        with suppress(ImportError):
            return sodium_verifier(public.public_bytes_raw())
    return openssl_verifier(cast(_EdwardsKey, public))


def openssl_verifier(public: _EdwardsKey) -> Verify:
    """Ed25519 and Ed448 by OpenSSL."""
    verify = public.verify

    def is_right(message: bytes, signature: bytes) -> bool:
        try:
            verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return is_right


def sodium_verifier(public_key: bytes) -> Verify:
    """Ed25519 by libsodium: half of OpenSSL's time, and no keys or points of small order.

    Args:
        public_key: 32 bytes.

    Raises:
        ImportError: PyNaCl is not installed.
    """
    from nacl.bindings import crypto_sign_BYTES, crypto_sign_open
    from nacl.exceptions import BadSignatureError

    def is_right(message: bytes, signature: bytes) -> bool:
        if len(signature) != crypto_sign_BYTES:
            return False
        try:
            crypto_sign_open(signature + message, public_key)
        except BadSignatureError:
            return False
        return True

    return is_right

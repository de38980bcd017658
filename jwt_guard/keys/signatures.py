"""From a key and an algorithm to the function that verifies with them, prepared once.

joserfc is the reference. RSA and HMAC go around it, because there its calls and the objects that
it builds for each token are a part of the time that counts; a property test holds both ways to the
same verdict.
"""

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry

from jwt_guard.keys.algorithms import JoseKey

__all__ = ["Verify", "reference", "verifier"]

Verify = Callable[[bytes, bytes], bool]
"""Whether a message bears this signature. May raise anything on odd input."""

_HASHES: dict[str, HashAlgorithm] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}


def verifier(key: JoseKey, algorithm: str) -> Verify:
    """The function that verifies with a key, which must fit the algorithm."""
    if isinstance(key, OctKey):
        return _hmac(key.raw_value, _HASHES[algorithm[2:]])
    if isinstance(key, RSAKey):
        return _rsa(key, algorithm)
    return reference(key, algorithm)


def reference(key: JoseKey, algorithm: str) -> Verify:
    """The same as joserfc does it."""
    model = JWSRegistry.algorithms[algorithm]
    return lambda message, signature: model.verify(message, signature, key)


def _rsa(key: RSAKey, algorithm: str) -> Verify:
    verify, digest = key.public_key.verify, _HASHES[algorithm[2:]]
    pss = PSS(mgf=MGF1(digest), salt_length=digest.digest_size)
    padding = pss if algorithm.startswith("PS") else PKCS1v15()

    def is_right(message: bytes, signature: bytes) -> bool:
        try:
            verify(signature, message, padding, digest)
        except InvalidSignature:
            return False
        return True

    return is_right


def _hmac(secret: bytes, digest: HashAlgorithm) -> Verify:
    keyed = HMAC(secret, digest)

    def is_right(message: bytes, signature: bytes) -> bool:
        state = keyed.copy()
        state.update(message)
        try:
            state.verify(signature)
        except InvalidSignature:
            return False
        return True

    return is_right

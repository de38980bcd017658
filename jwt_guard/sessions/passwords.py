"""Passwords hashed with scrypt (RFC 7914), and compared in the same time for users that are none.

For small applications; whoever has Django's hashers or a user service asks these instead.
"""

import hmac
import os
from base64 import b64decode, b64encode
from hashlib import scrypt

__all__ = ["hash_password", "verify_password"]

_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
_SALT = 16
_MEMORY = 64 * 1024 * 1024


def hash_password(password: str) -> str:
    """A salted hash to store, as `scrypt$SALT$HASH`."""
    salt = os.urandom(_SALT)
    return f"scrypt${b64encode(salt).decode()}${b64encode(_hash(password, salt)).decode()}"


def verify_password(password: str, stored: str | None) -> bool:
    """Whether a password is the one that was hashed.

    Args:
        password: as it was given.
        stored: the user's hash; None for an unknown user, which takes the same time.
    """
    _, salt, expected = (stored or _NOBODY).split("$")
    right = hmac.compare_digest(_hash(password, b64decode(salt)), b64decode(expected))
    return right and stored is not None


def _hash(password: str, salt: bytes) -> bytes:
    raw = password.encode("utf-8", "surrogatepass")
    return scrypt(raw, salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=_MEMORY)


_NOBODY = f"scrypt${b64encode(bytes(_SALT)).decode()}${b64encode(bytes(64)).decode()}"

"""Tokens sealed for cookies, so that a browser's cookie holds nothing that can be read.

NIST SP 800-63B-4 section 5.1.1 wants no readable personal data in a session cookie. A sealed token
is AES-256-GCM over the token, with the cookie's name as associated data, so that a value moved to
another cookie does not open.
"""

import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jwt_guard.errors import Reason, Refusal
from jwt_guard.tokens.compact import decode_segment

__all__ = ["Sealer", "derived"]

_NONCE = 12
_KEY = 32


def derived(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, from a secret (RFC 5869)."""
    return HKDF(SHA256(), _KEY, salt=None, info=f"jwt_guard {purpose}".encode()).derive(secret)


class Sealer:
    """Seals with the first secret, opens with any of them."""

    __slots__ = ("_ciphers",)

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._ciphers = tuple(AESGCM(derived(secret, "cookies")) for secret in secrets)

    def seal(self, token: str, name: str) -> str:
        """A token as the value of the cookie of that name."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._ciphers[0].encrypt(nonce, token.encode(), name.encode())
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, value: str, name: str) -> bytes:
        """The token in the value of a cookie.

        Raises:
            Refusal: `credentials_malformed`, when we have not sealed it, or not for this cookie.
        """
        try:
            sealed = decode_segment(value.encode("ascii"))
        except (UnicodeEncodeError, Refusal):
            raise Refusal(Reason.CREDENTIALS_MALFORMED) from None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode())
            except (InvalidTag, ValueError):
                continue
        raise Refusal(Reason.CREDENTIALS_MALFORMED)

    def __repr__(self) -> str:
        return f"Sealer(secrets={len(self._ciphers)})"

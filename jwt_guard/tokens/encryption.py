"""Encrypted tokens (RFC 7516): a signed token within, and what is asked of the shell around it.

Every failure is the same refusal, so that nobody learns from it how far a forgery came.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from joserfc import jwe

from jwt_guard.errors import Reason, Refusal
from jwt_guard.keys.decryption import DecryptionKey
from jwt_guard.keys.loading import UnusableKeys
from jwt_guard.tokens.compact import decode_object, decode_segment

__all__ = ["Decryptor", "Decryptors", "is_encrypted"]

_NEVER = frozenset({"zip", "crit", "p2c", "p2s", "b64"})
"""Compression (RFC 8725bis section 3.6), extensions, and costs that a token would choose."""

_MOST = 100


def is_encrypted(token: bytes) -> bool:
    """Whether a token has the five segments of an encrypted one."""
    return token.count(b".") == 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Decryptor:
    """The keys for which tokens of an issuer must be encrypted, and how.

    Attributes:
        keys: the keys.
        content: the values of `enc` that are accepted.
    """

    keys: tuple[DecryptionKey, ...]
    content: frozenset[str]

    def key_for(self, kid: str | None, algorithm: str) -> DecryptionKey | None:
        """The one key that a header means; None where there is none, or more than one."""
        fitting = [key for key in self.keys if algorithm in key.algorithms]
        named = [key for key in fitting if key.kid is not None and key.kid == kid]
        if kid is not None:
            fitting = named or [key for key in fitting if key.kid is None]
        return fitting[0] if len(fitting) == 1 else None


class Decryptors:
    """All decryptors of a guard; issuers with the same keys and rules share one.

    Attributes:
        is_needed: whether there is any.
    """

    def __init__(self) -> None:
        self.is_needed = False
        self._known: dict[Any, Decryptor] = {}

    def add(self, identity: Any, decryptor: Decryptor) -> Decryptor:
        """This decryptor, or the one that is known by the same identity.

        Raises:
            UnusableKeys: there are too many.
        """
        if identity not in self._known and len(self._known) >= _MOST:
            raise UnusableKeys(f"more than {_MOST} different sets of decryption keys")
        self.is_needed = True
        return self._known.setdefault(identity, decryptor)

    def opened(self, token: bytes) -> tuple[bytes, Decryptor]:
        """The signed token within an encrypted one, and whose keys have opened it.

        Raises:
            Refusal: `decryption_failed`, for whatever reason.
        """
        try:
            header = _header(token)
            for decryptor in list(self._known.values()):
                inner = _opened(token, header, decryptor)
                if inner is not None:
                    return inner, decryptor
        except Exception:  # noqa: BLE001, S110 - no difference may show
            pass
        raise Refusal(Reason.DECRYPTION_FAILED)


def _header(token: bytes) -> dict[str, Any]:
    """The protected header of a token whose five segments are spelt canonically."""
    opening, *others = token.split(b".")
    for segment in others:
        decode_segment(segment)
    header = decode_object(decode_segment(opening))
    if not _NEVER.isdisjoint(header) or not _is_nested(header.get("cty")):
        raise Refusal(Reason.DECRYPTION_FAILED)
    return header


def _is_nested(content_type: Any) -> bool:
    """Whether what is within is a token (RFC 7519 section 5.2)."""
    return isinstance(content_type, str) and content_type.lower().removeprefix("application/") in {
        "jwt",
        "at+jwt",
    }


def _opened(token: bytes, header: dict[str, Any], decryptor: Decryptor) -> bytes | None:
    kid, algorithm, content = header.get("kid"), header.get("alg"), header.get("enc")
    if not isinstance(kid, str | None) or not isinstance(algorithm, str):
        return None
    key = decryptor.key_for(kid, algorithm)
    if key is None or content not in decryptor.content:
        return None
    try:
        return _plaintext(token, key, [algorithm, content])
    except Exception:  # noqa: BLE001 - another decryptor may have the right key
        return None


def _plaintext(token: bytes, key: DecryptionKey, algorithms: Iterable[str]) -> bytes | None:
    registry = jwe.JWERegistry(algorithms=list(algorithms), strict_check_header=False)
    return jwe.decrypt_compact(token, key.key, registry=registry).plaintext

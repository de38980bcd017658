"""Bending tokens: everything here builds text that an honest issuer would never send."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Json = Mapping[str, object]

HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


class Signer(Protocol):
    """A key that signs under one algorithm."""

    @property
    def alg(self) -> str:
        """The algorithm (RFC 7518, section 3.1)."""
        ...

    @property
    def kid(self) -> str | None:
        """The key id, if the key has one."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over the message."""
        ...

    def under(self, alg: str) -> Signer | None:
        """The same key under another algorithm, or None where it cannot."""
        ...


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64(text: str) -> bytes:
    """The bytes of unpadded base64url text. Raises ValueError for anything else."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def dumps(value: object) -> bytes:
    """Compact JSON, as issuers write it."""
    return json.dumps(value, separators=(",", ":")).encode("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Token:
    """A token taken apart; nothing about it has been verified."""

    text: str
    header: Json
    payload: Json

    @property
    def segments(self) -> tuple[str, str, str]:
        """The three segments as they stand in the text."""
        header, payload, signature = self.text.split(".")
        return header, payload, signature

    @property
    def signing_input(self) -> str:
        """What the signature covers (RFC 7515, section 5.1)."""
        return self.text.rpartition(".")[0]

    @property
    def signature(self) -> bytes:
        """The signature's bytes."""
        return unb64(self.segments[2])

    @property
    def alg(self) -> str:
        """The algorithm that the header names; empty when it is not text."""
        alg = self.header.get("alg")
        return alg if isinstance(alg, str) else ""

    @property
    def kid(self) -> str | None:
        """The key id that the header names, if it is text."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None

    def __repr__(self) -> str:
        return f"Token(alg={self.alg!r}, kid={self.kid!r})"


def parse(text: str) -> Token:
    """Take a compact JWS apart. Raises ValueError, with no part of the token in it."""
    parts = text.split(".")
    if len(parts) != 3:
        raise ValueError(f"a signed token has three segments, this has {len(parts)}")
    try:
        header, payload = (json.loads(unb64(part)) for part in parts[:2])
        unb64(parts[2])
    except (ValueError, binascii.Error, RecursionError):
        raise ValueError("a segment is not base64url of JSON") from None
    if not isinstance(header, dict) or not isinstance(payload, dict):
        raise ValueError("header and payload are not JSON objects")  # noqa: TRY004 - it is a value
    return Token(text=text, header=header, payload=payload)


def _segment(part: Json | bytes | str) -> str:
    if isinstance(part, str):
        return part
    return b64(part if isinstance(part, bytes) else dumps(part))


def compact(header: Json | bytes | str, payload: Json | bytes | str, signature: bytes | str) -> str:
    """Join three parts; text goes in as it is, bytes and objects are encoded."""
    return f"{_segment(header)}.{_segment(payload)}.{_segment(signature)}"


def sign(signer: Signer, header: Json | bytes, payload: Json | bytes | str) -> str:
    """A truly signed token over whatever header and payload are given."""
    message = f"{_segment(header)}.{_segment(payload)}"
    return f"{message}.{b64(signer.sign(message.encode('ascii')))}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HmacSigner:
    """An HMAC over any key bytes at all, the empty ones included."""

    key: bytes
    alg: str = "HS256"
    kid: str | None = None

    def sign(self, message: bytes) -> bytes:
        """The HMAC of the message (RFC 7518, section 3.2)."""
        return hmac.digest(self.key, message, HASHES[self.alg])

    def under(self, alg: str) -> HmacSigner | None:
        """The same key under another HMAC, or None for other algorithms."""
        return HmacSigner(key=self.key, alg=alg, kid=self.kid) if alg in HASHES else None

    def __repr__(self) -> str:
        return f"HmacSigner(alg={self.alg!r})"


def header_of(token: Token, **changes: object) -> dict[str, object]:
    """The token's header with members set; a member of None is left out."""
    return {k: v for k, v in {**token.header, **changes}.items() if v is not None}


def payload_of(token: Token, **changes: object) -> dict[str, object]:
    """The token's claims with members set; a member of None is left out."""
    return {k: v for k, v in {**token.payload, **changes}.items() if v is not None}


def rehashed(token: Token, key: bytes, alg: str = "HS256", **header: object) -> str:
    """The token's claims under an HMAC keyed with `key`."""
    return sign(HmacSigner(key=key, alg=alg), header_of(token, alg=alg, **header), token.payload)


def flipped(text: str, at: int = 0) -> str:
    """The text with one base64url character changed."""
    other = "A" if text[at] != "A" else "B"
    return text[:at] + other + text[at + 1 :]


def fingerprint(text: str) -> str:
    """A short digest by which a secret can be told apart from others, and not found."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

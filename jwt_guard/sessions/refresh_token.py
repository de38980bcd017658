"""Refresh tokens: derived from a session and the server's key, never stored.

A token is (sid, generation, branch) and an HMAC of these and of the session's salt. Who reads the
store lacks the key, who has the key lacks the salt, and a forged token is known by its HMAC before
anything else is made of it.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jwt_guard.stores.protocol import Session

__all__ = ["RefreshKeys", "RefreshToken", "birth_of", "new_sid"]

PREFIX = "jgr_"
"""Lets a secret scanner know a refresh token when it sees one."""

SHORTEST_SECRET = 32

# 18 bytes of sid, 4 of generation, 6 of branch, 32 of HMAC: a multiple of three, so that base64url
# leaves no bits over and each token has one spelling.
_SID, _GENERATION, _BRANCH = 18, 4, 6
_SHAPE = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{80}}", re.ASCII)
_SID_SHAPE = re.compile(r"[A-Za-z0-9_-]{24}", re.ASCII)
_PURPOSE = b"jwt_guard refresh token 1"


def new_sid(birth: int) -> str:
    """A new session's identifier: its birth in milliseconds, and 96 random bits."""
    return _text(birth.to_bytes(6, "big") + secrets.token_bytes(12))


def birth_of(sid: str) -> int | None:
    """When the session of one of our identifiers was born; None for what is none."""
    if not _SID_SHAPE.fullmatch(sid):
        return None
    return int.from_bytes(urlsafe_b64decode(sid)[:6], "big")


def new_salt() -> str:
    """A new session's salt, 128 random bits."""
    return _text(secrets.token_bytes(16))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token taken apart; genuine only if `RefreshKeys` says so."""

    sid: str
    generation: int
    branch: int
    mac: bytes = field(repr=False)

    @classmethod
    def parse(cls, token: object) -> "RefreshToken | None":
        """Take a token apart; None for anything that is none: an access token, a part of one."""
        if not isinstance(token, str) or not _SHAPE.fullmatch(token):
            return None
        raw = urlsafe_b64decode(token.removeprefix(PREFIX))
        sid, rest = raw[:_SID], raw[_SID:]
        return cls(
            sid=_text(sid),
            generation=int.from_bytes(rest[:_GENERATION], "big"),
            branch=int.from_bytes(rest[_GENERATION : _GENERATION + _BRANCH], "big"),
            mac=rest[_GENERATION + _BRANCH :],
        )


class RefreshKeys:
    """The server's keys for refresh tokens: the first one makes, all of them are accepted.

    Args:
        secrets: each at least 32 bytes; what is used is derived from them (RFC 5869).

    Raises:
        ValueError: there is none, or one is too short.
    """

    __slots__ = ("_keys",)

    def __init__(self, secrets: Iterable[bytes]) -> None:
        given = list(secrets)
        if not given or any(len(secret) < SHORTEST_SECRET for secret in given):
            raise ValueError(f"a refresh secret has at least {SHORTEST_SECRET} bytes")
        self._keys = tuple(_derived(secret) for secret in given)

    def token(self, session: Session, generation: int, branch: int) -> str:
        """The refresh token of a session, generation and branch: always the same one."""
        body = _body(session.sid, generation, branch)
        return PREFIX + _text(body + _mac(self._keys[0], body, session.salt))

    def made(self, token: RefreshToken, session: Session) -> bool:
        """Whether this server made that token for this session; compared in constant time."""
        body = _body(token.sid, token.generation, token.branch)
        right = [hmac.compare_digest(token.mac, _mac(k, body, session.salt)) for k in self._keys]
        return any(right)

    def __repr__(self) -> str:
        return f"RefreshKeys({len(self._keys)})"


def _derived(secret: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)


def _body(sid: str, generation: int, branch: int) -> bytes:
    return (
        urlsafe_b64decode(sid)
        + generation.to_bytes(_GENERATION, "big")
        + branch.to_bytes(_BRANCH, "big")
    )


def _mac(key: bytes, body: bytes, salt: str) -> bytes:
    return hmac.digest(key, body + salt.encode("ascii"), sha256)

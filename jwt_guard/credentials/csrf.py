"""Whether a request that a browser sent with a cookie was meant: protection against forgery.

Fetch metadata and Origin say where a request comes from, and no page can set them. Where a client
sends neither, a token bound to the session must come back in a header (double submit, signed).
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from enum import Enum
from hashlib import sha256
from urllib.parse import urlsplit

from jwt_guard.credentials.sealing import derived
from jwt_guard.http import RequestView

__all__ = ["CSRF_HEADER", "CsrfRule", "Proof"]

CSRF_HEADER = "x-csrf-token"
"""The header that brings the token back."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SCHEMES = {"ws": "http", "wss": "https"}
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


class Proof(Enum):
    """What a request shows of where it comes from."""

    GIVEN = "given"
    MISSING = "missing"
    CONTRADICTED = "contradicted"


class CsrfRule:
    """Judges requests that carry a cookie.

    Args:
        secrets: the first signs tokens, any of them verifies.
        trusted_origins: further origins whose pages may send requests, as `https://app.example`.
    """

    __slots__ = ("_keys", "_trusted")

    def __init__(self, secrets: Iterable[bytes], trusted_origins: Iterable[str] = ()) -> None:
        self._keys = tuple(derived(secret, "csrf") for secret in secrets)
        self._trusted = frozenset(trusted_origins)

    def token(self, session_id: str) -> str:
        """The token of a session."""
        return _signed(self._keys[0], session_id)

    def proof(self, view: RequestView, session_id: str) -> Proof:
        """What a request shows. A method that changes nothing needs no proof; a handshake does."""
        if view.method in _SAFE and not _is_handshake(view):
            return Proof.GIVEN
        shown = [self.of_origin(view), self._of_token(view, session_id)]
        if Proof.CONTRADICTED in shown:
            return Proof.CONTRADICTED
        return Proof.GIVEN if Proof.GIVEN in shown else Proof.MISSING

    def of_origin(self, view: RequestView) -> Proof:
        """What Origin and fetch metadata say, whatever the method."""
        origins, sites = view.header("origin"), view.header("sec-fetch-site")
        if len(origins) > 1 or len(sites) > 1:
            return Proof.CONTRADICTED
        if origins and origins[0] in self._trusted:
            return Proof.GIVEN
        if origins and not _is_own(origins[0], view):
            return Proof.CONTRADICTED
        if sites and sites[0] != "none":
            return Proof.GIVEN if sites[0] == "same-origin" else Proof.CONTRADICTED
        return Proof.GIVEN if origins else Proof.MISSING

    def _of_token(self, view: RequestView, session_id: str) -> Proof:
        given = view.header(CSRF_HEADER)
        if not given:
            return Proof.MISSING
        right = len(given) == 1 and self.made(given[0], session_id)
        return Proof.GIVEN if right else Proof.CONTRADICTED

    def made(self, token: str, session_id: str) -> bool:
        """Whether that is the token of a session; compared in constant time."""
        raw = token.encode("utf-8", "replace")
        right = [hmac.compare_digest(raw, _signed(key, session_id).encode()) for key in self._keys]
        return any(right)


def _is_handshake(view: RequestView) -> bool:
    """Whether a WebSocket begins; WSGI knows of none but by the header (RFC 6455 section 4.1)."""
    asked = any("websocket" in value.lower() for value in view.header("upgrade"))
    return asked or view.scheme in _SCHEMES


def _signed(key: bytes, session_id: str) -> str:
    digest = hmac.new(key, session_id.encode(), sha256).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _is_own(origin: str, view: RequestView) -> bool:
    """Whether an origin is the one that the request was sent to.

    A proxy may have ended TLS before us, so an https origin also fits a plain request, never the
    other way round.
    """
    hosts = view.header("host")
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    scheme = _SCHEMES.get(view.scheme, view.scheme)
    return parts.netloc.lower() == hosts[0].lower() and parts.scheme in {scheme, "https"}

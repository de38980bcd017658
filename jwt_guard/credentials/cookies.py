"""Tokens in cookies, for browsers: prefixed names, HttpOnly, Secure, SameSite, nothing readable.

The access token is sealed and goes to the whole host; the refresh token goes only to the paths
that refresh and log out; the CSRF token alone may be read by the page (RFC 6265bis section 4.1.3).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from jwt_guard.credentials.csrf import CsrfRule
from jwt_guard.credentials.sealing import Sealer
from jwt_guard.errors import Reason, Refusal
from jwt_guard.http import RequestView, cookies_of

__all__ = ["ACCESS_COOKIE", "CSRF_COOKIE", "REFRESH_COOKIE", "CookieJar"]

ACCESS_COOKIE = "__Host-access"
REFRESH_COOKIE = "__Secure-refresh"
CSRF_COOKIE = "__Host-csrf"

_LARGEST = 4096
"""Browsers drop a cookie whose name and value have more bytes (RFC 6265bis section 5.7)."""

_logger = logging.getLogger("jwt_guard")

Field = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieJar:
    """Reads and writes the three cookies.

    Attributes:
        sealer: seals the access token.
        csrf: makes and judges CSRF tokens.
        refresh_path: the path below which the refresh cookie is sent.
        same_site: `Lax` or `Strict`, of the access cookie; the refresh cookie is strict.
    """

    sealer: Sealer
    csrf: CsrfRule
    refresh_path: str = "/auth"
    same_site: str = "Lax"

    def access_token(self, view: RequestView) -> bytes | None:
        """The access token in a request's cookie, if there is one.

        Raises:
            Refusal: `credentials_ambiguous` for two, `credentials_malformed` for one that we have
                not sealed.
        """
        value = _only(view, ACCESS_COOKIE)
        return None if value is None else self.sealer.open(value, ACCESS_COOKIE)

    def refresh_token(self, view: RequestView) -> str | None:
        """The refresh token in a request's cookie, if there is one.

        Raises:
            Refusal: `credentials_ambiguous` for two.
        """
        return _only(view, REFRESH_COOKIE)

    def former(self, view: RequestView) -> str | None:
        """The refresh token whose place new cookies take, if it is known which one that is."""
        values = cookies_of(view).get(REFRESH_COOKIE, [])
        return values[0] if len(values) == 1 else None

    def vouches(self, view: RequestView, session_id: str) -> bool:
        """Whether the browser got its refresh cookie from us, with the CSRF cookie of the session.

        A sibling domain can plant a refresh cookie of its own, but nothing named `__Host-`.

        Raises:
            Refusal: `credentials_ambiguous` for two.
        """
        token = _only(view, CSRF_COOKIE)
        return token is not None and self.csrf.made(token, session_id)

    def filled(
        self, *, access: str, refresh: str, session_id: str, expires_in: int, ends_in: int
    ) -> Sequence[Field]:
        """The header fields that hand a browser its cookies.

        Args:
            access: the access token.
            refresh: the refresh token.
            session_id: `sid`, to which the CSRF token is bound.
            expires_in: how long the access token lives, in seconds.
            ends_in: how long the session lives unused, in seconds.
        """
        sealed = self.sealer.seal(access, ACCESS_COOKIE)
        token = self.csrf.token(session_id)
        return (
            _set(ACCESS_COOKIE, sealed, "/", expires_in, self.same_site),
            _set(REFRESH_COOKIE, refresh, self.refresh_path, ends_in, "Strict"),
            _set(CSRF_COOKIE, token, "/", ends_in, "Strict", readable=True),
        )

    def emptied(self, view: RequestView) -> Sequence[Field]:
        """The header fields that take a browser's cookies away, if it sent any of them."""
        if cookies_of(view).keys().isdisjoint((ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE)):
            return ()
        return (
            _set(ACCESS_COOKIE, "", "/", 0, self.same_site),
            _set(REFRESH_COOKIE, "", self.refresh_path, 0, "Strict"),
            _set(CSRF_COOKIE, "", "/", 0, "Strict", readable=True),
        )


def _only(view: RequestView, name: str) -> str | None:
    values = cookies_of(view).get(name, [])
    if len(values) > 1:
        raise Refusal(Reason.CREDENTIALS_AMBIGUOUS)
    return values[0] if values else None


def _set(
    name: str, value: str, path: str, age: int, same_site: str, *, readable: bool = False
) -> Field:
    if len(name) + len(value) > _LARGEST:
        _logger.error("the cookie %s is too large, and browsers drop it: give fewer claims", name)
    hidden = "" if readable else "; HttpOnly"
    return (
        "Set-Cookie",
        f"{name}={value}; Path={path}; Max-Age={age}; Secure{hidden}; SameSite={same_site}",
    )

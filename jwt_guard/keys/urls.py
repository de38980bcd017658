"""Which URLs keys may be fetched from."""

from urllib.parse import urlsplit

from jwt_guard.keys.reach import Reach

__all__ = ["is_fetchable", "is_http_elsewhere", "is_loopback_http"]

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})


def is_fetchable(url: str, reach: Reach) -> bool:
    """Whether it is an https URL without credentials, of a host that may be asked.

    This very host, where it may be asked, may be asked over http too.
    """
    scheme, host = _parts(url)
    if not host or "@" in url or "\\" in url or not url.isascii() or not url.isprintable():
        return False
    if scheme != "https" and not is_loopback_http(url):
        return False
    return reach.may_allow(host)


def is_loopback_http(url: str) -> bool:
    """Whether it is an http URL of this very host."""
    scheme, host = _parts(url)
    return scheme == "http" and host in _LOOPBACK_NAMES


def is_http_elsewhere(url: str) -> bool:
    """Whether it is an http URL of another host."""
    scheme, host = _parts(url)
    return scheme == "http" and bool(host) and not is_loopback_http(url)


def _parts(url: str) -> tuple[str, str | None]:
    """Scheme and host; no scheme, where it cannot be read as a URL."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - a port that is none is noticed only here
    except ValueError:
        return "", None
    return parts.scheme, parts.hostname

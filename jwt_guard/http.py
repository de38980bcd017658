"""Requests as the core sees them, and replies as the core says them, without any framework.

Both views answer the same questions in the same way, so that a duplicate header or an odd
encoding gets one verdict under WSGI and ASGI.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from jwt_guard.errors import Refusal

__all__ = ["AsgiView", "Reply", "RequestView", "WsgiView", "cookies_of", "query_has", "reply_to"]

Headers = tuple[tuple[str, str], ...]


class RequestView(Protocol):
    """A request, as far as a guard looks at it."""

    @property
    def method(self) -> str:
        """The method, in upper case as sent; a WebSocket handshake is a GET."""
        ...

    @property
    def scheme(self) -> str:
        """`http` or `https` (or `ws`, `wss`)."""
        ...

    @property
    def path(self) -> str:
        """The path that the framework routes by, decoded, with the mount point in front."""
        ...

    @property
    def query(self) -> str:
        """The raw query string."""
        ...

    @property
    def client(self) -> str | None:
        """The peer's address, as the server tells it."""
        ...

    @property
    def path_params(self) -> Mapping[str, Any]:
        """What the route took out of the path, where the framework has routed already."""
        ...

    def header(self, name: str) -> list[str]:
        """All values of a header, in order, by its lower-case name; latin-1 decoded."""
        ...


_ASGI_NAMES = {name: name.encode("latin-1") for name in ("authorization", "cookie")}


class AsgiView:
    """A request seen through its ASGI scope."""

    __slots__ = ("_path_params", "scope")

    def __init__(
        self, scope: Mapping[str, Any], path_params: Mapping[str, Any] | None = None
    ) -> None:
        self.scope = scope
        self._path_params = path_params

    @property
    def method(self) -> str:
        """See `RequestView`."""
        return str(self.scope.get("method", "GET"))

    @property
    def scheme(self) -> str:
        """See `RequestView`. Some servers call a WebSocket's `https`, as their proxy does."""
        scheme = str(self.scope.get("scheme", "http")).lower()
        if self.scope.get("type") == "websocket":
            return scheme.replace("http", "ws")
        return scheme

    @property
    def path(self) -> str:
        """See `RequestView`."""
        return str(self.scope["path"])

    @property
    def query(self) -> str:
        """See `RequestView`."""
        raw: bytes | None = self.scope.get("query_string")
        return raw.decode("latin-1") if raw else ""

    @property
    def client(self) -> str | None:
        """See `RequestView`."""
        client = self.scope.get("client")
        return client[0] if client else None

    @property
    def path_params(self) -> Mapping[str, Any]:
        """See `RequestView`."""
        if self._path_params is not None:
            return self._path_params
        return self.scope.get("path_params") or {}

    def header(self, name: str) -> list[str]:
        """See `RequestView`."""
        wanted = _ASGI_NAMES.get(name) or name.encode("latin-1")
        size, found = len(wanted), []
        for key, value in self.scope["headers"]:
            if key == wanted or (len(key) == size and key.lower() == wanted):
                found.append(value.decode("latin-1"))
        return found


class WsgiView:
    """A request seen through its WSGI environment (also Django's `request.META`)."""

    __slots__ = ("environ", "path_params")

    def __init__(
        self, environ: Mapping[str, Any], path_params: Mapping[str, Any] | None = None
    ) -> None:
        self.environ = environ
        self.path_params: Mapping[str, Any] = path_params or {}

    @property
    def method(self) -> str:
        """See `RequestView`."""
        return str(self.environ.get("REQUEST_METHOD", "GET"))

    @property
    def scheme(self) -> str:
        """See `RequestView`."""
        return str(self.environ.get("wsgi.url_scheme", "http"))

    @property
    def path(self) -> str:
        """See `RequestView`."""
        raw = str(self.environ.get("SCRIPT_NAME", "")) + str(self.environ.get("PATH_INFO", ""))
        return _decoded(raw)

    @property
    def route_path(self) -> str:
        """The path below the mount point, which alone the framework routes by.

        Some set-ups take the mount point from `X-Forwarded-Prefix`, and so from anybody.
        """
        return _decoded(str(self.environ.get("PATH_INFO", "")))

    @property
    def query(self) -> str:
        """See `RequestView`."""
        return str(self.environ.get("QUERY_STRING", ""))

    @property
    def client(self) -> str | None:
        """See `RequestView`."""
        return self.environ.get("REMOTE_ADDR") or None

    def header(self, name: str) -> list[str]:
        """See `RequestView`. A server joins repeated headers into one value with commas."""
        value = self.environ.get(_wsgi_name(name))
        return [] if value is None else [str(value)]


def _decoded(raw: str) -> str:
    """Text as PEP 3333 has it, as the bytes that it stands for say it."""
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


_WSGI_NAMES = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def _wsgi_name(name: str) -> str:
    known = _WSGI_NAMES.get(name)
    if known is None:
        known = _WSGI_NAMES[name] = "HTTP_" + name.upper().replace("-", "_")
    return known


def cookies_of(view: RequestView) -> dict[str, list[str]]:
    """All cookies of a request by name, each with every value sent (RFC 6265 section 4.2)."""
    found: dict[str, list[str]] = {}
    for header in view.header("cookie"):
        for pair in header.split(";"):
            name, equals, value = pair.strip(" \t").partition("=")
            if equals:
                found.setdefault(name, []).append(value.strip(' \t"'))
    return found


def query_has(view: RequestView, name: str) -> bool:
    """Whether the query string has a parameter of that name."""
    query = view.query
    if not query:
        return False
    return any(key == name for key, _ in parse_qsl(query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer for a framework to send: status, header fields, body."""

    status: int
    headers: Headers = ()
    body: bytes = b""


_CHALLENGED = frozenset({"invalid_request", "insufficient_scope"})
_NEVER_STORED = ("Cache-Control", "no-store")
_QUOTABLE = re.compile(r"[^\x21\x23-\x5B\x5D-\x7E ]")


def reply_to(refusal: Refusal, *, challenges: Iterable[str] = ("Bearer",), realm: str) -> Reply:
    """The answer to a refused request: uniform for all that share status and error code.

    Args:
        refusal: what was decided; its reason is not told.
        challenges: the authentication schemes on offer, the preferred one first.
        realm: the protection space that 401 and 403 challenges name (RFC 9110 section 11.5).
    """
    headers = [("Content-Type", "application/problem+json"), _NEVER_STORED]
    if refusal.status == HTTPStatus.UNAUTHORIZED or refusal.error in _CHALLENGED:
        headers += [
            ("WWW-Authenticate", _challenge(scheme, refusal, realm)) for scheme in challenges
        ]
    if refusal.retry_after is not None:
        headers.append(("Retry-After", str(max(1, refusal.retry_after))))
    return Reply(refusal.status, tuple(headers), _problem(refusal))


def _challenge(scheme: str, refusal: Refusal, realm: str) -> str:
    parameters: dict[str, object] = {
        "error": refusal.error,
        "scope": refusal.scope,
        "acr_values": refusal.acr_values,
        "max_age": refusal.max_age,
        "realm": realm,
    }
    told = [f'{name}="{_quotable(v)}"' for name, v in parameters.items() if v is not None]
    return f"{scheme} " + ", ".join(told)


def _quotable(value: object) -> str:
    """Only what RFC 6750 section 3 lets stand in a quoted value."""
    return _QUOTABLE.sub("", str(value))


def _problem(refusal: Refusal) -> bytes:
    """An RFC 9457 problem body."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
    }
    if refusal.error is not None:
        body["error"] = refusal.error
    return msgspec.json.encode(body)

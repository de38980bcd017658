"""What the user of the attack tells it: the target's routes, the tokens and the keys he lends."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from jwt_guard.attacks.model import Request
from jwt_guard.attacks.websocket import upgrade

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
REFRESH_BODY = '{"grant_type": "refresh_token", "refresh_token": "{refresh_token}"}'
POLICIES = ("client-bound", "device-bound", "one-time-tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """How a token travels: in a header after a scheme, or in a cookie."""

    header: str = "Authorization"
    scheme: str = "Bearer"
    cookie: str | None = None

    def put(self, request: Request, token: str) -> Request:
        """The request carrying that token instead of any other."""
        if self.cookie is not None:
            return with_cookie(request, self.cookie, token)
        return request.setting(self.header, f"{self.scheme} {token}".strip())

    @property
    def place(self) -> str:
        """Where the token stands, for people."""
        if self.cookie is not None:
            return f"the cookie {self.cookie}"
        return f"{self.header}: {self.scheme}".removesuffix(": ")


def with_cookie(request: Request, name: str, value: str) -> Request:
    """The request with one cookie set, the others kept."""
    pairs = [p for p in (request.header("Cookie") or "").split("; ") if p]
    kept = [p for p in pairs if p.partition("=")[0] != name]
    return request.setting("Cookie", "; ".join([*kept, f"{name}={value}"]))


def route(text: str, *, method: str = "GET", body: str | None = None) -> Request:
    """A request from `PATH` or `METHOD PATH`, with a JSON or form body. Raises ValueError."""
    words = text.split()
    if len(words) == 2:
        method, path = words[0].upper(), words[1]
    elif len(words) == 1:
        path = words[0]
    else:
        raise ValueError(f"a route is PATH or METHOD PATH, not {text!r}")
    if not path.startswith("/"):
        raise ValueError(f"a route's path starts with a slash, not as in {text!r}")
    return carrying(Request(method=method, target=path), body)


def carrying(request: Request, body: str | None) -> Request:
    """The request with a body, its type told by its first character."""
    if body is None:
        return request
    kind = JSON_TYPE if body.lstrip()[:1] in {"{", "["} else FORM_TYPE
    return Request(
        method=request.method,
        target=request.target,
        headers=request.setting("Content-Type", kind).headers,
        body=body.encode(),
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Plan:
    """The settings of one run; everything but `token` may be left out.

    Keys are given as text (JWK, JWKS, PEM or an HMAC secret); `leeway` is in seconds: the clock
    difference that the target is entitled to tolerate. `stream_grace` is how many seconds a stream
    may outlive its session; 0 leaves that untested. `cookie_login` is a login that answers with
    cookies. `redirect_route` is a path of the target that redirects to the URL put for `{url}`.
    `logs` are files that the target writes while it is attacked. `provider` says that the target
    takes its keys from `/provider/jwks.json` of the callback listener.
    """

    token: str
    request: Request = field(default_factory=lambda: Request(method="GET", target="/"))
    carrier: Carrier = field(default_factory=Carrier)
    marker: str | None = None
    jwks: str | None = None
    allow_issuer: bool = False
    signing_key: str | None = None
    retired_key: str | None = None
    dpop_key: str | None = None
    second_token: str | None = None
    other_tokens: tuple[str, ...] = ()
    second_issuer: str | None = None
    redirect_route: str | None = None
    provider: bool = False
    login: Request | None = None
    refresh: Request | None = None
    refresh_body: str = REFRESH_BODY
    refresh_as_bearer: bool = False
    logout: Request | None = None
    logout_everywhere: Request | None = None
    disable: Request | None = None
    role_routes: tuple[Request, ...] = ()
    role_claim: str | None = None
    tenant_route: Request | None = None
    stream_route: Request | None = None
    websocket_route: Request | None = None
    stream_grace: int = 60
    cookie_login: Request | None = None
    unsafe_route: Request | None = None
    csrf_cookie: str | None = None
    csrf_header: str = "X-CSRF-Token"
    other_csrf_proof: str | None = None
    logs: tuple[Path, ...] = ()
    public_path: str = "/"
    policies: frozenset[str] = frozenset()
    leeway: int = 60
    words: tuple[str, ...] = ()

    @property
    def uses_cookies(self) -> bool:
        """Whether a browser's cookies authenticate, with the given token or another."""
        return self.carrier.cookie is not None or self.cookie_login is not None

    @property
    def streams(self) -> dict[str, Request]:
        """The routes that stay open, by what they are."""
        socket = None if self.websocket_route is None else upgrade(self.websocket_route)
        routes = {"a stream": self.stream_route, "a WebSocket": socket}
        return {name: request for name, request in routes.items() if request is not None}


def refresh_request(plan: Plan, refresh_token: str) -> Request:
    """The request that trades a refresh token for new ones. Raises ValueError without a route."""
    if plan.refresh is None:
        raise ValueError("the plan names no refresh route")
    if plan.refresh_as_bearer:
        return plan.refresh.setting("Authorization", f"Bearer {refresh_token}")
    quoted = json.dumps(refresh_token)[1:-1]
    return carrying(plan.refresh, plan.refresh_body.replace("{refresh_token}", quoted))

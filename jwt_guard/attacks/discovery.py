"""Finding out about a target: where its token travels, and where its keys are published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from jwt_guard.attacks.context import host_of, loopback
from jwt_guard.attacks.courier import Courier
from jwt_guard.attacks.forge import Json, Token
from jwt_guard.attacks.material import BadKey, PublicKey, public_key, raw_jwks
from jwt_guard.attacks.model import Answer, Request
from jwt_guard.attacks.plan import Carrier, Plan
from jwt_guard.attacks.targets import NetworkTarget

JWKS_PATH = "/.well-known/jwks.json"
METADATA = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
TIMEOUT = 5.0
_HEADERS = ("X-Access-Token", "X-Auth-Token")
_COOKIES = "access_token access_token_cookie accessToken token jwt auth_token id_token session"
USUAL_CARRIERS = (
    *(Carrier(scheme=scheme) for scheme in ("DPoP", "JWT", "Token", "")),
    *(Carrier(header=name, scheme="") for name in _HEADERS),
    *(Carrier(cookie=name) for name in _COOKIES.split()),
)
"""Where tokens travel when not as Bearer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Published keys: `jwks` as they stand, `keys` those that can be used, `place` where."""

    place: str = ""
    jwks: tuple[Json, ...] = ()
    keys: tuple[PublicKey, ...] = ()


def discover(plan: Plan, token: Token, courier: Courier) -> Found:
    """The keys that the plan names, or those that the target or its issuer publishes.

    An issuer elsewhere is asked only when the plan allows it: its name stands in a token that
    the user gave, yet to ask it is a request to a host that the user did not name. Raises BadKey
    when the keys that the plan names are none.
    """
    if plan.jwks is not None:
        return _given(plan.jwks)
    for place, text in _published(plan, token, courier):
        found = _found(place, text)
        if found.jwks:
            return found
    return Found()


def _given(text: str) -> Found:
    jwks = raw_jwks(text)
    if not any("kty" in jwk for jwk in jwks):
        raise BadKey("no key in the key set (--jwks)")
    return Found(place="--jwks", jwks=jwks, keys=tuple(_usable(jwks)))


def _found(place: str, text: str) -> Found:
    try:
        jwks = raw_jwks(text)
    except BadKey:
        return Found()
    return Found(place=place, jwks=jwks, keys=tuple(_usable(jwks)))


def _usable(jwks: tuple[Json, ...]) -> Iterator[PublicKey]:
    for jwk in jwks:
        try:
            yield public_key(jwk)
        except BadKey:
            continue


def _published(plan: Plan, token: Token, courier: Courier) -> Iterator[tuple[str, str]]:
    own = courier.send(Request(method="GET", target=JWKS_PATH))
    yield JWKS_PATH, own.text if own.status == 200 else ""
    issuer = token.payload.get("iss")
    if isinstance(issuer, str) and _may_ask(issuer, plan, courier.target.origin):
        yield from _from_issuer(issuer.rstrip("/"), courier)


def _may_ask(issuer: str, plan: Plan, origin: str) -> bool:
    if urlsplit(issuer).scheme not in {"http", "https"}:
        return False
    return plan.allow_issuer or loopback(host_of(issuer)) or _origin(issuer) == origin


def _from_issuer(issuer: str, courier: Courier) -> Iterator[tuple[str, str]]:
    for path in METADATA:
        where = _member(_fetch(issuer + path, courier).text, "jwks_uri")
        if where is not None and host_of(where) == host_of(issuer):
            yield where, _fetch(where, courier).text
    yield issuer + JWKS_PATH, _fetch(issuer + JWKS_PATH, courier).text


def _fetch(url: str, courier: Courier) -> Answer:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    request = Request(method="GET", target=path or "/")
    if _origin(url) == courier.target.origin:
        return courier.send(request, timeout=TIMEOUT)
    with NetworkTarget(url) as target:
        return target.send(request, timeout=TIMEOUT)


def _member(text: str, name: str) -> str | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

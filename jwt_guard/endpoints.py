"""The routes that the library brings, written once: each adapter mounts the same list.

An endpoint takes the guard, the request and its body, and answers a `Reply`; it is a flow, so it
may ask for what it needs from outside.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from jwt_guard.errors import ConfigurationError, Problem
from jwt_guard.flow import Flow
from jwt_guard.guard import Guard
from jwt_guard.http import Reply, RequestView

__all__ = ["LARGEST_BODY", "Endpoint", "json_reply", "mountable", "well_known"]

LARGEST_BODY = 65_536
"""The longest body of a request that an endpoint is given, in bytes; a longer one is refused."""

_SHARED_FOR = "public, max-age=300"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route.

    Attributes:
        method: the method that it answers.
        path: its path; parts in braces are path parameters.
        name: a stable name, for URL reversal.
        handle: what it does, with the guard, the request and the request's body.
        issues: whether it needs a guard that issues tokens.
    """

    method: str
    path: str
    name: str
    handle: Callable[[Guard, RequestView, bytes], Flow[Reply]]
    issues: bool = False


def mountable(guard: Guard, endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """These endpoints, which the guard can serve.

    Raises:
        ConfigurationError: it cannot, for they issue tokens and the guard does not.
    """
    listed = tuple(endpoints)
    if guard.sessions is None and any(endpoint.issues for endpoint in listed):
        message = "is missing, and the login endpoints issue tokens"
        remedy = "add the table, with issuer and signing_keys"
        raise ConfigurationError(Problem(path="tokens", message=message, remedy=remedy))
    return listed


def well_known() -> tuple[Endpoint, ...]:
    """Our public keys (RFC 7517) and the protected-resource metadata (RFC 9728). Both public."""
    return (
        Endpoint(method="GET", path="/.well-known/jwks.json", name="jwt_guard_jwks", handle=_jwks),
        Endpoint(
            method="GET",
            path="/.well-known/oauth-protected-resource",
            name="jwt_guard_resource",
            handle=_resource_metadata,
        ),
    )


def json_reply(status: int, body: Any, *, cache: str = "no-store") -> Reply:
    """A JSON answer; not stored, unless told otherwise."""
    headers = (("Content-Type", "application/json"), ("Cache-Control", cache))
    return Reply(status, headers, msgspec.json.encode(body))


def _jwks(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    keys = guard.signing_keys.public_jwks() if guard.signing_keys else {"keys": []}
    return _shared(view, keys)
    yield  # a generator without a step


def _resource_metadata(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    return _shared(view, guard.resource_metadata())
    yield  # a generator without a step


def _shared(view: RequestView, document: Any) -> Reply:
    """A public document that caches may keep; 304 for who has it (RFC 9110 section 13.1.2)."""
    whole = json_reply(200, document, cache=_SHARED_FOR)
    tag = f'"{sha256(whole.body).hexdigest()[:32]}"'
    known = ",".join(view.header("if-none-match")).replace("W/", "").split(",")
    headers = (*whole.headers, ("ETag", tag))
    if {tag, "*"}.isdisjoint(each.strip() for each in known):
        return Reply(200, headers, whole.body)
    return Reply(304, headers)

"""What is known of one event, before it is written in anybody's format.

A fact holds what was observed: the detectors in this process judge by it. Only what goes to a
sink is made anonymous, escaped and cut; so a fact never leaves the process, and is never printed.
"""

import hashlib
from base64 import urlsafe_b64decode
from typing import Any

import msgspec

from jwt_guard.audit.observer import Detail, Occurrence
from jwt_guard.errors import Refusal
from jwt_guard.http import RequestView
from jwt_guard.principal import Principal

__all__ = [
    "AUTHENTICATED",
    "DENIED",
    "REFUSED",
    "Fact",
    "Presented",
    "Seen",
    "of_occurrence",
    "of_principal",
    "of_refusal",
    "presented",
    "seen",
]

AUTHENTICATED = "authenticated"
REFUSED = "refused"
DENIED = "denied"

_LONGEST = 512
_LONGEST_CREDENTIAL = 16_384


class Presented(msgspec.Struct, frozen=True, gc=False):
    """What a refused token said of itself: nobody vouches for any of it.

    Attributes:
        credential: a keyed digest of the token, to recognise it by.
        kid: its key id.
        subject: the subject that it claims.
    """

    credential: str | None = None
    kid: str | None = None
    subject: str | None = None


class Fact(msgspec.Struct, frozen=True, gc=False, repr_omit_defaults=True):
    """One event.

    Attributes:
        time: seconds since 1970 UTC.
        name: `authenticated`, `refused`, `denied`, or the value of an `EventName`.
        reason: why, where something was refused.
        claim: the claim at fault, by our own name for it.
        issuer: of a verified caller, or as an occurrence tells it.
        subject: of a verified caller, or as an occurrence tells it.
        tenant: the tenant.
        client_id: the OAuth client.
        session: `sid`.
        token: `jti`.
        address: the peer's address.
        agent: the user agent.
        method: the request's method.
        path: the request's path, without its query.
        presented: what a refused token said of itself.
        detail: further facts.
        principal: the verified caller, of whose claims the allow-listed may be written.
        count: how many events are summed up in this one.
        since: when the first of them was.
        trace: the id of the trace that the request belongs to.
    """

    time: float
    name: str
    reason: str | None = None
    claim: str | None = None
    issuer: str | None = None
    subject: str | None = None
    tenant: str | None = None
    client_id: str | None = None
    session: str | None = None
    token: str | None = None
    address: str | None = None
    agent: str | None = None
    method: str | None = None
    path: str | None = None
    presented: Presented | None = None
    detail: Detail | None = None
    principal: Principal | None = None
    count: int = 1
    since: float | None = None
    trace: str | None = None

    @property
    def person(self) -> str | None:
        """Issuer and subject in one string, the only safe key of a caller (ASVS V10.3.3)."""
        return None if self.subject is None else f"{self.issuer or ''}#{self.subject}"


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What an event keeps of its request; the request itself may be gone when it is written."""

    address: str | None = None
    agent: str | None = None
    method: str | None = None
    path: str | None = None


_UNSEEN = Seen()


def seen(view: RequestView | None) -> Seen:
    """What is worth keeping of a request, cut so that a queue of them has a bounded size."""
    if view is None:
        return _UNSEEN
    agents = view.header("user-agent")
    agent = agents[0] if agents else None
    path = view.path
    if agent is not None and len(agent) > _LONGEST:
        agent = agent[:_LONGEST]
    return Seen(view.client, agent, view.method[:32], path if len(path) < 1024 else path[:1024])


def of_principal(
    name: str,
    time: float,
    principal: Principal,
    seen: Seen,
    refusal: Refusal | None = None,
    trace: str | None = None,
) -> Fact:
    """A verified caller, let in or denied."""
    return Fact(
        time,
        name,
        refusal.reason.value if refusal else None,
        refusal.claim if refusal else None,
        principal.issuer,
        principal.subject,
        principal.tenant,
        principal.client_id,
        principal.session_id,
        principal.token_id,
        seen.address,
        seen.agent,
        seen.method,
        seen.path,
        None,
        None,
        principal,
        1,
        None,
        trace,
    )


def of_refusal(
    time: float, refusal: Refusal, seen: Seen, presented: Presented, trace: str | None = None
) -> Fact:
    """Credentials that were refused: nothing of them is believed."""
    return Fact(
        time=time,
        name=REFUSED,
        reason=refusal.reason.value,
        claim=refusal.claim,
        address=seen.address,
        agent=seen.agent,
        method=seen.method,
        path=seen.path,
        presented=presented,
        trace=trace,
    )


def of_occurrence(time: float, occurrence: Occurrence, trace: str | None = None) -> Fact:
    """Something else that happened."""
    request = seen(occurrence.view)
    return Fact(
        time=time,
        name=occurrence.name.value,
        reason=occurrence.reason.value if occurrence.reason else None,
        issuer=occurrence.issuer,
        subject=occurrence.subject,
        tenant=occurrence.tenant,
        client_id=occurrence.client_id,
        session=occurrence.session_id,
        token=occurrence.token_id,
        address=request.address,
        agent=request.agent,
        method=request.method,
        path=request.path,
        detail=dict(occurrence.detail),
        trace=trace,
    )


class _Header(msgspec.Struct):
    kid: str | None = None


class _Claims(msgspec.Struct):
    sub: str | None = None


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_claims = msgspec.json.Decoder(_Claims).decode
_NOTHING = Presented()


def presented(view: RequestView | None, key: bytes) -> Presented:
    """What a refused request's token said of itself, as far as it can be read; never raises.

    Args:
        view: the request.
        key: the secret under which the token is digested.
    """
    values = view.header("authorization") if view is not None else []
    token = values[0].rpartition(" ")[2] if len(values) == 1 else ""
    if not token or len(token) > _LONGEST_CREDENTIAL:
        return _NOTHING
    raw = token.encode("utf-8", "replace")
    segments = raw.split(b".", 2)
    header = _read(segments[0], _decode_header)
    claims = _read(segments[1], _decode_claims) if len(segments) == 3 else None
    return Presented(
        hashlib.blake2b(raw, digest_size=8, key=key).hexdigest(),
        header.kid[:_LONGEST] if header and header.kid else None,
        claims.sub[:_LONGEST] if claims and claims.sub else None,
    )


def _read(segment: bytes, decode: Any) -> Any:
    try:
        return decode(urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None

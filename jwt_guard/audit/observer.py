"""Who is told of every outcome: the seam between those who decide and those who watch.

The guard tells of callers (`authenticated`, `refused`, `denied`); sessions, keys and applications
tell of everything else with one `Occurrence`, inside a flow or outside of one:

    yield from tell(observers, Occurrence(name=EventName.REVOKED, session_id=sid))
    tell_now(observers, Occurrence(name=EventName.KEY_ROTATED, detail={"kid": kid}))

None of them waits, as a rule. An observer that must not lose a record answers with an `Effect`,
which ends when the record is safe; one that cannot take a record refuses the request with
`audit_unavailable`; one that was alarmed may demand that a caller authenticates anew. No observer
is given a token.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Effect, Flow
from jwt_guard.http import RequestView
from jwt_guard.principal import Principal

__all__ = [
    "Detail",
    "EventName",
    "LogObserver",
    "Observer",
    "Occurrence",
    "Pending",
    "settle",
    "tell",
    "tell_now",
]

Pending = Effect[None] | None
"""What must be waited for before the outcome takes effect; almost always nothing."""

Detail = Mapping[str, str | int | float | bool | None]
"""Small facts about an occurrence: never a token, a secret, or claims as they came."""


class EventName(StrEnum):
    """What can happen besides a request's own outcome."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    ISSUED = "issued"
    REFRESHED = "refreshed"
    REFRESH_FAILED = "refresh_failed"
    REUSE_DETECTED = "reuse_detected"
    LOGGED_OUT = "logged_out"
    REVOKED = "revoked"
    KEY_ROTATED = "key_rotated"
    KEYS_DOWN = "keys_down"
    KEYS_RECOVERED = "keys_recovered"
    CONFIGURATION_WEAKENED = "configuration_weakened"
    ALERT = "alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something that happened, as far as the one who tells knows it.

    Attributes:
        name: what happened.
        subject: whom it is about, as in `sub`; at a failed login the name that was tried.
        issuer: the issuer that the subject, session or key belongs to.
        tenant: the tenant.
        client_id: the OAuth client.
        session_id: `sid`.
        token_id: `jti`, never a token.
        reason: the exact reason, where something was refused.
        view: the request that led to it, if any.
        detail: further facts: `kid`, the revocation's `scope`, a setting's path.
    """

    name: EventName
    subject: str | None = None
    issuer: str | None = None
    tenant: str | None = None
    client_id: str | None = None
    session_id: str | None = None
    token_id: str | None = None
    reason: Reason | None = None
    view: RequestView | None = None
    detail: Detail = field(default_factory=dict[str, str | int | float | bool | None])


class Observer(Protocol):
    """Told of outcomes, with the exact reason.

    The only exception that may leave a method is a `Refusal`: the request is then refused.
    """

    def authenticated(self, principal: Principal, view: RequestView | None) -> Pending:
        """A caller was verified."""
        ...

    def refused(self, refusal: Refusal, view: RequestView | None) -> Pending:
        """A request's credentials were refused, or it bore none."""
        ...

    def denied(self, refusal: Refusal, principal: Principal, view: RequestView | None) -> Pending:
        """A verified caller may not do this."""
        ...

    def happened(self, occurrence: Occurrence) -> Pending:
        """Something else happened."""
        ...


def tell(observers: Iterable[Observer], occurrence: Occurrence) -> Flow[None]:
    """Tell all of them, inside a flow.

    Raises:
        Refusal: `audit_unavailable`, where one must not lose a record and cannot take it.
    """
    for observer in observers:
        pending = observer.happened(occurrence)
        if pending is not None:
            yield from pending


def tell_now(observers: Iterable[Observer], occurrence: Occurrence) -> None:
    """Tell all of them, outside of a flow; blocks where one must not lose a record.

    Raises:
        Refusal: as `tell`.
    """
    for observer in observers:
        settle(observer.happened(occurrence))


def settle(pending: Pending) -> None:
    """Wait, blocking, for what an observer wants waited for.

    Raises:
        Refusal: as `tell`.
    """
    if pending is not None:
        pending.run()


class LogObserver:
    """Writes what is not routine to the standard logger `jwt_guard`."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("jwt_guard")

    def authenticated(self, principal: Principal, view: RequestView | None) -> Pending:
        """See `Observer`: not worth a line."""
        return None

    def refused(self, refusal: Refusal, view: RequestView | None) -> Pending:
        """See `Observer`."""
        self._logger.info("refused: %s", refusal, extra={"reason": refusal.reason.value})
        return None

    def denied(self, refusal: Refusal, principal: Principal, view: RequestView | None) -> Pending:
        """See `Observer`."""
        self._logger.info("denied: %s", refusal, extra={"reason": refusal.reason.value})
        return None

    def happened(self, occurrence: Occurrence) -> Pending:
        """See `Observer`."""
        level = logging.WARNING if occurrence.name in _WORRYING else logging.INFO
        self._logger.log(level, "%s", occurrence.name, extra={"event": occurrence.name.value})
        return None


_WORRYING = frozenset(
    {
        EventName.REUSE_DETECTED,
        EventName.KEYS_DOWN,
        EventName.CONFIGURATION_WEAKENED,
        EventName.ALERT,
    }
)

"""Blinker signals of what a guard decides. The sender is the application."""

import logging
from typing import Any

from blinker import NamedSignal, Namespace
from flask import current_app, has_app_context

from jwt_guard.audit.observer import Occurrence, Pending
from jwt_guard.errors import Refusal
from jwt_guard.guard import Guard
from jwt_guard.http import RequestView
from jwt_guard.principal import Principal

__all__ = [
    "announce",
    "caller_authenticated",
    "caller_denied",
    "event_happened",
    "request_refused",
]

_signals = Namespace()
_logger = logging.getLogger("jwt_guard")

caller_authenticated = _signals.signal("caller-authenticated")
"""A caller was verified: `principal`."""
request_refused = _signals.signal("request-refused")
"""A request bore no good token: `refusal`."""
caller_denied = _signals.signal("caller-denied")
"""A verified caller may not do this: `refusal`, `principal`."""
event_happened = _signals.signal("event-happened")
"""A session, a key or the like: `occurrence`."""


class _Announcer:
    """Turns outcomes into signals."""

    def authenticated(self, principal: Principal, view: RequestView | None) -> Pending:
        if caller_authenticated.receivers:  # every request comes by here, mostly for nobody
            _send(caller_authenticated, principal=principal)
        return None

    def refused(self, refusal: Refusal, view: RequestView | None) -> Pending:
        return _send(request_refused, refusal=refusal)

    def denied(self, refusal: Refusal, principal: Principal, view: RequestView | None) -> Pending:
        return _send(caller_denied, refusal=refusal, principal=principal)

    def happened(self, occurrence: Occurrence) -> Pending:
        return _send(event_happened, occurrence=occurrence)


def announce(guard: Guard) -> None:
    """Let a guard's outcomes be sent as signals, once however many applications share it."""
    if not any(isinstance(observer, _Announcer) for observer in guard.observers):
        guard.observers.append(_Announcer())


def _send(signal: NamedSignal, **facts: Any) -> Pending:
    if signal.receivers and has_app_context():
        sender = current_app._get_current_object()  # type: ignore[attr-defined]
        try:
            signal.send(sender, **facts)
        except Exception:  # a receiver's fault decides nothing about a request
            _logger.exception("a receiver of %s failed", signal.name)
    return None

"""What may follow an alert: a hook, the session's end, authenticating anew."""

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from functools import partial
from time import time

from jwt_guard.audit.detect.base import Alert
from jwt_guard.audit.threads import started

__all__ = ["Demands", "InBackground", "for_rules"]

_log = logging.getLogger("jwt_guard.audit")

_MOST_WAITING = 1000
_MOST_DEMANDS = 10_000


class InBackground:
    """Carries an action out in a thread of its own: the writer never waits for it, nor for itself.

    Args:
        action: what to do with an alert; its exceptions are logged.
    """

    def __init__(self, action: Callable[[Alert], object]) -> None:
        self._action = action
        self._alerts: queue.Queue[Alert] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None

    def __call__(self, alert: Alert) -> None:
        """Have it done soon."""
        if self._thread is None or not self._thread.is_alive():
            # A forked child has neither the thread nor, perhaps, a lock that it can have.
            self._alerts = queue.Queue(_MOST_WAITING)
            self._thread = started(partial(self._work, self._alerts), "jwt_guard audit actions")
        try:
            self._alerts.put_nowait(alert)
        except queue.Full:
            _log.error("no action on the alert %s: too many wait", alert.rule)
        if self._thread is None:
            _log.error("no action on the alert %s: there is no thread", alert.rule)

    def _work(self, alerts: "queue.Queue[Alert]") -> None:
        while True:
            alert = alerts.get()
            try:
                self._action(alert)
            except Exception:  # noqa: BLE001 - the next alert must find a thread
                _log.exception("the action on the alert %s failed", alert.rule)


def for_rules(rules: Iterable[str], action: Callable[[Alert], object]) -> Callable[[Alert], object]:
    """An action that only some rules' alerts lead to."""
    wanted = frozenset(rules)

    def act(alert: Alert) -> None:
        if alert.rule in wanted:
            action(alert)

    return act


class Demands:
    """Subjects that must authenticate anew before they are let in again (RFC 9470).

    In this process alone, for at most 10,000 subjects; those of whom it was demanded longest ago
    are let off. One thread demands, all threads ask.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._since)

    def __call__(self, alert: Alert) -> None:
        """Demand it of the subject of an alert."""
        person = alert.fact.person
        if person is None:
            return
        self._since.pop(person, None)
        # `auth_time` is told in whole seconds (OpenID Connect Core section 2).
        self._since[person] = float(int(time()))
        if len(self._since) > _MOST_DEMANDS:
            del self._since[next(iter(self._since))]

    def unmet(self, person: str, authenticated_at: float | None) -> float | None:
        """Since when a subject must have authenticated; None when it has, or need not."""
        since = self._since.get(person)
        return None if since is None or (authenticated_at or 0) >= since else since

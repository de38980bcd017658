"""What may follow an alert: a hook, the session's end, authenticating anew."""

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from time import time

from jwt_guard.audit.detect.base import Alert, Bounded

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
            self._thread = threading.Thread(
                target=self._work, name="jwt_guard audit actions", daemon=True
            )
            self._thread.start()
        try:
            self._alerts.put_nowait(alert)
        except queue.Full:
            _log.error("no action on the alert %s: too many wait", alert.rule)

    def _work(self) -> None:
        while True:
            alert = self._alerts.get()
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

    In this process alone, for at most 10,000 subjects; the longest unused are let off.

    Attributes:
        any: whether there was ever a demand.
    """

    def __init__(self) -> None:
        self._since: Bounded[str, list[float]] = Bounded(_MOST_DEMANDS, list)
        self.any = False

    def __call__(self, alert: Alert) -> None:
        """Demand it of the subject of an alert."""
        if alert.fact.person is not None:
            # `auth_time` is told in whole seconds (OpenID Connect Core section 2).
            self._since[alert.fact.person][:] = [float(int(time()))]
            self.any = True

    def unmet(self, person: str, authenticated_at: float | None) -> float | None:
        """Since when a subject must have authenticated; None when it has, or need not."""
        since = self._since[person]
        if not since or (authenticated_at or 0) >= since[0]:
            return None
        return since[0]

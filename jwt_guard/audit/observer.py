"""Who is told of every outcome. Nothing here may raise, wait, or see a token."""

import logging
from typing import Protocol

from jwt_guard.errors import Refusal
from jwt_guard.http import RequestView
from jwt_guard.principal import Principal

__all__ = ["LogObserver", "Observer"]


class Observer(Protocol):
    """Told of outcomes, with the exact reason."""

    def authenticated(self, principal: Principal, view: RequestView | None) -> None:
        """A caller was verified."""

    def refused(self, refusal: Refusal, view: RequestView | None) -> None:
        """A request's credentials were refused, or it bore none."""

    def denied(self, refusal: Refusal, principal: Principal, view: RequestView | None) -> None:
        """A verified caller may not do this."""


class LogObserver:
    """Writes refusals and denials to the standard logger `jwt_guard`."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("jwt_guard")

    def authenticated(self, principal: Principal, view: RequestView | None) -> None:
        """See `Observer`: not worth a line."""

    def refused(self, refusal: Refusal, view: RequestView | None) -> None:
        """See `Observer`."""
        self._logger.info("refused: %s", refusal, extra={"reason": refusal.reason.value})

    def denied(self, refusal: Refusal, principal: Principal, view: RequestView | None) -> None:
        """See `Observer`."""
        self._logger.info("denied: %s", refusal, extra={"reason": refusal.reason.value})

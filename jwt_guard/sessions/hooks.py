"""What an application is asked at each refresh: whether the user is still welcome, and as what."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Effect
from jwt_guard.stores.protocol import Session

__all__ = ["StillValid", "User", "Welcome"]

_logger = logging.getLogger("jwt_guard")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """What is known of a user; what is None stays as it was at login.

    Attributes:
        roles: the roles.
        scopes: the scopes; at a refresh only those granted at login can be kept.
        tenant: the tenant; a session never changes it, another one ends the session.
        claims: further claims of the access tokens.
    """

    roles: Iterable[str] | None = None
    scopes: Iterable[str] | None = None
    tenant: str | None = None
    claims: Mapping[str, Any] | None = None


Welcome = User | bool | None
"""True: as before. A `User`: as this. False or None: not any more."""

StillValid = Callable[[Session], Welcome | Awaitable[Welcome]]
"""Asked at each refresh. A plain function is called in a thread where an event loop runs."""


@dataclass(frozen=True, slots=True)
class AskApplication(Effect[Welcome]):
    """Ask the application's function."""

    function: StillValid
    session: Session

    def run(self) -> Welcome:
        """See `Effect`."""
        try:
            return _known(_not_awaitable(self.function(self.session)))
        except Exception as error:  # noqa: BLE001 - the application's failure opens no door
            raise _outage(error) from None

    async def arun(self) -> Welcome:
        """See `Effect`."""
        try:
            if inspect.iscoroutinefunction(self.function):
                return _known(await self.function(self.session))
            return _known(_not_awaitable(await asyncio.to_thread(self.function, self.session)))
        except Exception as error:  # noqa: BLE001 - the application's failure opens no door
            raise _outage(error) from None


def _not_awaitable(answer: object) -> object:
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("an asynchronous still_valid is an `async def`, for asynchronous drivers")
    return answer


def _known(answer: object) -> Welcome:
    """Anything but True and a `User` means no."""
    return answer if answer is True or isinstance(answer, User) else None


def _outage(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    _logger.error("still_valid failed; the refresh is refused as an outage", exc_info=error)
    return Refusal(Reason.STORE_UNAVAILABLE, retry_after=2)

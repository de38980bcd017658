"""Connections that outlive the moment in which their caller was let in."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from jwt_guard.flow import arun
from jwt_guard.guard import Guard
from jwt_guard.principal import Principal
from jwt_guard_asgi.middleware import Connection, current_principal, guard_of

__all__ = ["CHECK_EVERY", "while_welcome"]

CHECK_EVERY: Final = 5.0
"""How often a live connection's caller is checked again, in seconds, besides at expiry."""

_LEEWAY_STEP: Final = 0.25


@asynccontextmanager
async def while_welcome(
    connection: Connection, *, every: float = CHECK_EVERY
) -> AsyncGenerator[None]:
    """Do something only as long as the caller is welcome.

        async with while_welcome(websocket):
            async for text in websocket.iter_text():
                ...

    The body is cancelled when the caller's token expires or is revoked; the middleware then
    closes the WebSocket. A caller without a token, where `require` lets one in, may stay.

    Args:
        connection: a request, a WebSocket, or an ASGI scope.
        every: seconds between two checks; the expiry is met to the moment.

    Raises:
        Refusal: the caller is not welcome any more.
        RuntimeError: the middleware is not installed.
    """
    principal = current_principal(connection)
    if principal is None:
        yield
        return
    watch = _Watch(guard_of(connection), principal, every)
    async with watch.cancelling():
        yield


class _Watch:
    """One caller under watch."""

    def __init__(self, guard: Guard, principal: Principal, every: float) -> None:
        self._guard = guard
        self._principal = principal
        self._every = every
        self._refusal: BaseException | None = None

    @asynccontextmanager
    async def cancelling(self) -> AsyncGenerator[None]:
        """Cancel the body, and raise why, as soon as there is a reason."""
        try:
            async with asyncio.timeout(None) as limit:
                task = asyncio.create_task(self._run(limit))
                try:
                    yield
                finally:
                    task.cancel()
        except TimeoutError:
            if self._refusal is None:
                raise
            raise self._refusal from None

    async def _run(self, limit: asyncio.Timeout) -> None:
        try:
            while True:
                await asyncio.sleep(self._pause())
                await arun(self._guard.recheck(self._principal))
        except Exception as error:  # noqa: BLE001 - whatever fails, nobody stays unchecked
            self._refusal = error
            limit.reschedule(asyncio.get_running_loop().time())

    def _pause(self) -> float:
        left = self._principal.expires_at - self._guard.clock()
        return min(self._every, left if left > 0 else _LEEWAY_STEP)

"""How the two ASGI sample applications are served, and what both stream."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from itertools import count
from socket import socket

import uvicorn

from jwt_guard_asgi.wire import App
from sample_apps.shared import Arguments, ready

__all__ = ["serve", "ticks"]


class _Server(uvicorn.Server):
    """Says where it listens, once it does."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for each in server.sockets:
                ready(*each.getsockname()[:2])


def serve(app: App, arguments: Arguments) -> None:
    """Serve an application until SIGTERM or SIGINT, which both end it with status 0."""
    for each in (signal.SIGTERM, signal.SIGINT):
        # uvicorn shuts down first and then raises the signal again, for these to take.
        signal.signal(each, lambda *_: sys.exit(0))
    config = uvicorn.Config(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    # It binds by itself, for a socket made here would wait to fill its packets (TCP_NODELAY).
    _Server(config).run()


async def ticks() -> AsyncIterator[str]:
    """A server-sent event a second, without end."""
    for number in count(1):
        yield f"data: {number}\n\n"
        await asyncio.sleep(1)

"""A tiny server on a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from tests.attacks.vulnerable.base import SoundServer


@contextmanager
def serving(app: SoundServer, *, ping_every: float = 20.0) -> Generator[str]:
    """The address of the application; WebSockets are pinged so often, in seconds."""
    config = uvicorn.Config(
        app,
        port=0,
        log_level="critical",
        lifespan="off",
        ws_ping_interval=ping_every,
        ws_ping_timeout=ping_every,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(5)

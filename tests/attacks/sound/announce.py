"""How a peer's server tells the test where it listens and how it is to be attacked."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def announced(**settings: object) -> Generator[socket.socket]:
    """A listening socket on loopback, announced as one line of JSON on standard output.

    The protocol is named because asyncio sets TCP_NODELAY only where it is: else every answer
    in two parts waits 40 ms.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(128)
        line = json.dumps({"port": sock.getsockname()[1], **settings})
        print(line, flush=True)
        yield sock

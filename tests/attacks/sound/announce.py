"""How a peer's server tells the test where it listens and how it is to be attacked."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def announced(**settings: object) -> Iterator[socket.socket]:
    """A listening socket on loopback, announced as one line of JSON on standard output."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        line = json.dumps({"port": sock.getsockname()[1], **settings})
        print(line, flush=True)
        yield sock

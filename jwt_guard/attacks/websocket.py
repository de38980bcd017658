"""As much of WebSocket (RFC 6455) as it takes to see when the other side lets go."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from jwt_guard.attacks.model import Request

__all__ = ["Frames", "Stream", "is_upgrade", "upgrade", "watch"]

CLOSE, PING, PONG = 8, 9, 10
_AT_ONCE = 65536


class Stream(Protocol):
    """A connection's bytes after the upgrade; an empty read is its end."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What arrived."""
        ...

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send it all."""
        ...


def upgrade(request: Request) -> Request:
    """The request as the opening handshake of a WebSocket (RFC 6455, section 4.1)."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    headers = (
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
    )
    return replace(request, headers=(*request.headers, *headers))


def is_upgrade(request: Request) -> bool:
    """Whether a request opens a WebSocket."""
    return (request.header("Upgrade") or "").lower() == "websocket"


def watch(stream: Stream, deadline: float) -> None:
    """Return when the other side closes; `deadline` is a moment of `time.perf_counter`.

    Raises:
        TimeoutError: it is still open then.
    """
    frames = Frames()
    while not frames.closed:
        left = deadline - time.perf_counter()
        if left <= 0:
            raise TimeoutError
        data = stream.read(_AT_ONCE, timeout=left)
        if not data:
            return
        for reply in frames.replies(data):
            stream.write(reply, timeout=left)


class Frames:
    """Reads a server's frames (section 5.2); pings are answered, so that it is no silence."""

    def __init__(self) -> None:
        self.closed = False
        self._rest = b""

    def replies(self, data: bytes) -> Iterator[bytes]:
        """What to answer to the frames that are complete with this data."""
        self._rest += data
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            self.closed = self.closed or opcode == CLOSE
            if opcode == PING:
                # A client masks what it sends; a mask of zeros leaves it as it is.
                yield bytes([0x80 | PONG, 0x80 | len(payload), 0, 0, 0, 0]) + payload

    def _frame(self) -> tuple[int, bytes] | None:
        """The first complete frame, taken off; None while it is not complete."""
        if len(self._rest) < 2:
            return None
        extended = {126: 2, 127: 8}.get(self._rest[1] & 0x7F, 0)
        start = 2 + extended
        length = self._rest[1] & 0x7F
        if extended:
            length = int.from_bytes(self._rest[2:start], "big")
        if len(self._rest) < start + length:
            return None
        opcode, payload = self._rest[0] & 0x0F, self._rest[start : start + length]
        self._rest = self._rest[start + length :]
        return opcode, payload

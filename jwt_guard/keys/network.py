"""Connections for fetching keys: only to addresses that may be reached, and never without end.

The address is checked where the connection is made, so that a name cannot resolve to one address
for the check and to another for the connection (DNS rebinding).
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from typing import Any, cast

import httpcore2

from jwt_guard.keys.reach import Reach

__all__ = ["AsyncCheckedBackend", "CheckedBackend"]

_SHARES = 3


def _left(deadline: float, timeout: float | None) -> float:
    """Seconds for the next step: never more than are left until the deadline.

    Raises:
        httpcore2.ReadTimeout: none are.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout
    return left if timeout is None else min(left, timeout)


def _next(addresses: list[str], deadline: float) -> tuple[str, float]:
    """Take the next address, and how long to wait for it, in seconds.

    One that does not answer leaves time for the others, and many of them leave enough to each.
    """
    share = min(len(addresses), _SHARES)
    return addresses.pop(0), _left(deadline, None) / share


class CheckedBackend(httpcore2.NetworkBackend):
    """Blocking connections to checked addresses, all of whose steps end at one deadline."""

    def __init__(self, reach: Reach, deadline: float) -> None:
        self._reach = reach
        self._deadline = deadline
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> httpcore2.NetworkStream:
        """Connect to the first address of the host that answers.

        Raises:
            AddressRefused: the host has an address that may not be asked.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = self._reach.checked(str(entry[4][0]) for entry in found)
        while True:
            address, patience = _next(addresses, self._deadline)
            try:
                stream = self._inner.connect_tcp(address, port, patience, *args, **kwargs)
                return _DeadlineStream(stream, self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if not addresses:
                    raise


class _DeadlineStream(httpcore2.NetworkStream):
    """A stream that a server which sends a byte now and then cannot keep open."""

    def __init__(self, inner: httpcore2.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(self._deadline, timeout)
        return _DeadlineStream(
            self._inner.start_tls(ssl_context, server_hostname, left), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class AsyncCheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connections to checked addresses on the running loop, whose caller keeps the deadline."""

    def __init__(self, reach: Reach, deadline: float) -> None:
        self._reach = reach
        self._deadline = deadline
        self._inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2 asks for it
        *args: Any,
        **kwargs: Any,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of the host that answers.

        Raises:
            AddressRefused: the host has an address that may not be asked.
        """
        addresses = self._reach.checked(await _resolved(host, port))
        while True:
            address, patience = _next(addresses, self._deadline)
            try:
                return await self._inner.connect_tcp(address, port, patience, *args, **kwargs)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if not addresses:
                    raise


async def _resolved(host: str, port: int) -> list[str]:
    """The addresses of a host; a literal one is its own, without a thread."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]

"""Sinks that pass records on and keep nothing: logging, syslog, any callable."""

import logging
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from jwt_guard.audit.chain import Encoded, unlinked
from jwt_guard.audit.sinks import Format, SinkFailed

__all__ = ["CallableSink", "LoggingSink", "SyslogSink"]

_SYSLOG_PORT = 514
_LONGEST_DATAGRAM = 8192
_FACILITY_AUTHPRIV = 10
_NOTICE = 5


class _Numbered:
    """Numbers records for a place that keeps no chain, and sends them one by one."""

    durable = False

    def __init__(self, name: str, format: Format) -> None:  # noqa: A002 - as sinks call it
        self.name = name
        self.format: Format = format
        self._sequence = 0

    def write(self, records: Sequence[Encoded]) -> None:
        """See `Sink`: what was sent before something failed is not sent again."""
        for sent, record in enumerate(records):
            try:
                self._send(unlinked(record, self._sequence + 1), record.time)
            except Exception as error:
                raise SinkFailed(f"{self.name}: {type(error).__name__}", written=sent) from error
            self._sequence += 1

    def _send(self, line: bytes, time: float) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """See `Sink`: nothing is open."""


class LoggingSink(_Numbered):
    """One message a record, to a standard logger, as its text.

    Args:
        logger: its name.
        format: as in `Sink`.
    """

    def __init__(self, logger: str = "jwt_guard.audit.events", format: Format = "ocsf") -> None:  # noqa: A002
        super().__init__(f"logging:{logger}", format)
        self._logger = logging.getLogger(logger)

    def _send(self, line: bytes, time: float) -> None:
        self._logger.info("%s", line.decode())


class CallableSink(_Numbered):
    """Calls a function with each record, a dict. The function's exceptions mean: try again.

    Args:
        function: what is called.
        name: what it is called in reports.
        format: as in `Sink`.
    """

    def __init__(
        self,
        function: Callable[[dict[str, Any]], object],
        name: str = "callable",
        format: Format = "ocsf",  # noqa: A002
    ) -> None:
        super().__init__(name, format)
        self._function = function

    def _send(self, line: bytes, time: float) -> None:
        self._function(msgspec.json.decode(line))


class SyslogSink(_Numbered):
    """RFC 5424 messages: to a local socket, or over UDP or TCP (RFC 6587 octet counting).

    Args:
        url: `syslog:///dev/log`, `syslog://host:514` (UDP), `syslog://host:514?tcp`.
        format: as in `Sink`.
    """

    def __init__(self, url: str, format: Format = "ocsf") -> None:  # noqa: A002
        super().__init__(url, format)
        self._url = urlsplit(url)
        self._stream = self._url.query == "tcp"
        self._socket: socket.socket | None = None
        self._host = socket.gethostname() or "-"

    def _send(self, line: bytes, time: float) -> None:
        try:
            (self._socket or self._connect()).sendall(self._message(line, time))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """See `Sink`."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        if not self._url.hostname:
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            opened.connect(self._url.path or "/dev/log")
        elif self._stream:
            address = (self._url.hostname, self._url.port or _SYSLOG_PORT)
            opened = socket.create_connection(address, timeout=5)
        else:
            opened = self._datagrams(self._url.hostname, self._url.port or _SYSLOG_PORT)
        self._socket = opened
        return opened

    def _datagrams(self, host: str, port: int) -> socket.socket:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[
            0
        ]
        opened = socket.socket(family, kind, protocol)
        opened.connect(address)
        return opened

    def _message(self, line: bytes, time: float) -> bytes:
        priority = _FACILITY_AUTHPRIV * 8 + _NOTICE
        instant = datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
        message = f"<{priority}>1 {instant} {self._host} jwt_guard - audit - ".encode() + line
        if not self._stream:
            return message[:_LONGEST_DATAGRAM]
        return b"%d %b" % (len(message), message)

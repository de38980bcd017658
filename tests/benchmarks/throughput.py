"""Requests a second of the server's own processor time, behind uvicorn and gunicorn.

`python -m tests.benchmarks.throughput`

One worker with one thread serves, and this process asks over 16 kept connections. Servers take
turns of a second, and the best turn of each counts. Processor time rather than time, for what else
the machine does would else be measured too; a server that has a core for itself serves as many a
second. One thread, because threads that take the interpreter's lock from each other vary by more
than what is compared.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sample_apps.servers import free_port
from tests.benchmarks import material
from tests.benchmarks.figures import Figures, Table, publish
from tests.benchmarks.svg import bars
from tests.support import tokens

__all__ = ["GOAL", "figures", "measured"]

GOAL = 0.9
"""The share of the bare application's throughput that is left with a cached token."""

CONNECTIONS = 16
_START_SECONDS = 20.0

_UVICORN = ("-m", "uvicorn", "--factory", "tests.benchmarks.served:asgi", "--log-level", "warning")
_GUNICORN = (
    "-m", "gunicorn", "tests.benchmarks.served:wsgi()", "--log-level", "warning",
    "--worker-class", "gthread", "--threads", "1", "--keep-alive", "60",
)  # fmt: skip


def measured(*, rounds: int = 12, seconds: float = 1.0) -> dict[str, dict[str, float]]:
    """Requests a second of processor time, by server and by who guards the application."""
    peer = ["flask-jwt-extended"] if find_spec("flask_jwt_extended") else []
    return {
        "uvicorn, Starlette": _compared(
            _UVICORN, ["nobody", "jwt_guard", "PyJWT"], rounds, seconds
        ),
        "gunicorn, Flask": _compared(_GUNICORN, ["nobody", "jwt_guard", *peer], rounds, seconds),
    }


def _compared(
    command: Sequence[str], guards: Sequence[str], rounds: int, seconds: float
) -> dict[str, float]:
    with ExitStack() as running:
        servers = {guard: running.enter_context(_served(command, guard)) for guard in guards}
        best = dict.fromkeys(guards, 0.0)
        for _ in range(rounds):
            for guard, server in servers.items():
                best[guard] = max(best[guard], asyncio.run(_load(server, seconds)))
    return best


@dataclass(frozen=True, slots=True)
class _Server:
    """A running server.

    Attributes:
        port: where it listens.
        pid: its first process.
    """

    port: int
    pid: int

    def worked(self) -> float:
        """The processor time of it and its workers so far, in seconds."""
        tasks = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        return sum(map(_worked, [str(self.pid), *tasks.split()]))


def _worked(pid: str) -> float:
    # After the name in parentheses, the twelfth and thirteenth field: see proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _served(command: Sequence[str], guard: str) -> Generator[_Server]:
    """A server on a port of this machine, for as long as it is needed."""
    port = free_port()
    address = ["--bind", f"127.0.0.1:{port}"] if "gunicorn" in command else ["--port", str(port)]
    environment = os.environ | {
        "BENCHMARK_GUARD": guard,
        "BENCHMARK_CONFIG": json.dumps(material.configuration()),
        "BENCHMARK_PEM": tokens.public_pem("RS256").decode(),
    }
    server = subprocess.Popen([sys.executable, *command, *address], env=environment)
    try:
        _wait_for(port, server)
        yield _Server(port, server.pid)
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server under test does not start")


async def _load(server: _Server, seconds: float) -> float:
    """Answers a second of processor time, over all connections together."""
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(_Client, "127.0.0.1", server.port))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(0.2)
    start, before = server.worked(), sum(client.answers for client in clients)
    await asyncio.sleep(seconds)
    served, worked = sum(client.answers for client in clients) - before, server.worked() - start
    for client in clients:
        client.close()
    return served / worked


class _Client(asyncio.Protocol):
    """Sends a request as soon as the one before is answered, with 200 each."""

    _request = (
        f"GET /reports HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {material.token()}\r\n"
        "\r\n"
    ).encode()

    def __init__(self) -> None:
        self.answers = 0
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count an answer when its body is complete, and ask again."""
        self._received += data
        if self._received.endswith(b"\r\n\r\nok"):
            if not self._received.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError("the application under test does not answer 200")
            self.answers += 1
            self._received = b""
            if self._transport is not None:
                self._transport.write(self._request)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def figures() -> Figures:
    """The table."""
    found = measured()
    shares = {
        f"{by}: {server}": rate / rates["nobody"]
        for server, rates in found.items()
        for by, rate in rates.items()
        if by != "nobody"
    }
    return Figures(
        name="throughput",
        title="Requests a second of processor time, cached token, and over the bare application.",
        table=Table(("server, guarded by", "a second", "share", "goal"), [*_rows(found)]),
        measured=found,
        plots={"throughput": bars("Share of the bare throughput", shares, unit="x", goal=GOAL)},
    )


def _rows(
    found: Mapping[str, Mapping[str, float]],
) -> Iterator[tuple[str, float, float, str | None]]:
    for server, rates in found.items():
        for by, rate in rates.items():
            goal = f"{GOAL}" if by == "jwt_guard" else None
            yield f"{server}: {by}", rate, rate / rates["nobody"], goal


if __name__ == "__main__":
    publish(figures())

"""Material for the tests of the audit trail."""

import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jwt_guard import Guard
from jwt_guard.audit.chain import Encoded
from jwt_guard.audit.facts import Fact
from jwt_guard.audit.file import FileSink
from jwt_guard.audit.ocsf import OcsfEncoder
from jwt_guard.audit.privacy import PlainNames
from jwt_guard.audit.shown import Shower, Showing
from jwt_guard.audit.sinks import SinkFailed
from jwt_guard.http import AsgiView
from jwt_guard.keys.signing import generate_key

NOW = 1_790_000_000.0

MakeGuard = Callable[..., Guard]


def view(
    token: str | None = None,
    *,
    path: str = "/me",
    method: str = "GET",
    address: str = "192.0.2.77",
    agent: str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/121.0",
) -> AsgiView:
    """A request, with a bearer token if there is one."""
    headers = [(b"user-agent", agent.encode("latin-1"))]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode("latin-1")))
    return AsgiView(
        {
            "type": "http",
            "method": method,
            "path": path,
            "client": (address, 4711),
            "query_string": b"",
            "headers": headers,
        }
    )


def patiently(act: Callable[[], Any], *, tries: int) -> None:
    """Again where the place was too busy, as the lane and whoever calls the commands do."""
    for _ in range(tries):
        try:
            act()
        except SinkFailed:
            continue
        return
    pytest.fail("it never worked")


def lines(log: Path) -> list[dict[str, Any]]:
    """The records of a file, parsed."""
    return [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]


def encoded(*facts: Fact) -> list[Encoded]:
    """Facts as OCSF records under plain names."""
    shower = Shower(PlainNames(), Showing())
    encoder = OcsfEncoder(service="api", version="1")
    return [encoder.encode(shower.show(fact)) for fact in facts]


def some(number: int, *, start: float = NOW) -> list[Encoded]:
    """So many records of verified requests, one a second."""
    return encoded(
        *(
            Fact(time=start + n, name="authenticated", subject=f"user-{n}", address="192.0.2.1")
            for n in range(number)
        )
    )


def file_sink(log: Path, **settings: Any) -> FileSink:
    """A file sink for OCSF."""
    return FileSink(log, encoder=OcsfEncoder(service="api", version="1"), **settings)


_INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a job in the background
from jwt_guard.cli import main
main()
"""


@contextmanager
def following(config: Path, *options: str) -> Generator[Callable[[], str]]:
    """`audit tail --follow --json`, which tells the next line, until it is interrupted."""
    command = [sys.executable, "-c", _INTERRUPTIBLE, "audit", "tail", "-f", "--json"]
    command += ["--config", str(config), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()


@pytest.fixture
def make_guard(tmp_path: Path) -> Iterator[MakeGuard]:
    """Makes guards that issue tokens and write to `audit.jsonl` in `tmp_path`; closes them."""
    made: list[Guard] = []
    keys = {"keys": [generate_key("ES256")]}
    (tmp_path / "signing-keys.json").write_bytes(msgspec.json.encode(keys))

    def make(**audit: Any) -> Guard:
        config = {
            "audience": "https://api.example.test",
            "tokens": {
                "issuer": "https://app.example.test",
                "signing_keys": str(tmp_path / "signing-keys.json"),
            },
            "audit": {"sink": str(tmp_path / "audit.jsonl"), **audit},
        }
        guard = Guard.from_config(config)
        made.append(guard)
        return guard

    yield make
    for guard in made:
        guard.close()

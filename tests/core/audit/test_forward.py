"""Sinks that pass records on: syslog over real sockets."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jwt_guard.audit.facts import Fact
from jwt_guard.audit.forward import CallableSink, SyslogSink
from jwt_guard.audit.observer import EventName, Occurrence
from jwt_guard.audit.ocsf import OcsfEncoder
from jwt_guard.audit.privacy import PlainNames
from jwt_guard.audit.shown import Shower, Showing
from jwt_guard.audit.sinks import SinkFailed
from jwt_guard.audit.trail import AuditTrail
from tests.core.audit.conftest import encoded, some

RFC_5424 = re.compile(
    rb"<85>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 \S+ jwt_guard - audit - (\{.*\})"
)


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    """A syslog server on UDP."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        yield server


def body_of(message: bytes) -> dict[str, object]:
    """The record in a message."""
    found = RFC_5424.fullmatch(message)
    assert found, message
    record: dict[str, object] = msgspec.json.decode(found[1])
    return record


def test_a_datagram_a_record(udp: socket.socket) -> None:
    """RFC 5424, numbered from one."""
    sink = SyslogSink(f"syslog://127.0.0.1:{udp.getsockname()[1]}")
    sink.write(some(2))
    sequences = [body_of(udp.recv(65_536))["metadata"]["sequence"] for _ in range(2)]  # type: ignore[index]
    sink.close()
    assert sequences == [1, 2]


def test_a_local_socket(tmp_path: Path) -> None:
    """As `/dev/log` is."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server:
        server.bind(str(tmp_path / "log"))
        server.settimeout(5)
        sink = SyslogSink(f"syslog://{tmp_path}/log")
        sink.write(some(1))
        sink.close()
        assert body_of(server.recv(65_536))["class_uid"] == 3002


def test_a_stream_counts_its_octets() -> None:
    """RFC 6587: so that no record can pretend to be two."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        sink = SyslogSink(f"syslog://127.0.0.1:{server.getsockname()[1]}?tcp")
        evil = Fact(time=1.0, name="refused", path="/\n<85>1 forged")
        sink.write(encoded(evil, evil))
        sink.close()
        connection, _ = server.accept()
        with connection:
            stream = b"".join(iter(lambda: connection.recv(65_536), b""))
    messages = []
    while stream:
        length, _, stream = stream.partition(b" ")
        messages.append(stream[: int(length)])
        stream = stream[int(length) :]
    assert [body_of(message)["class_uid"] for message in messages] == [3002, 3002]


def test_a_server_that_is_gone_is_a_failure_that_passes() -> None:
    """And connected to anew."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    sink = SyslogSink(f"syslog://127.0.0.1:{port}?tcp")
    with pytest.raises(SinkFailed):
        sink.write(some(1))
    with closing(socket.create_server(("127.0.0.1", port))):
        sink.write(some(1))
        sink.close()


def test_a_function_gets_each_record() -> None:
    """As a dict, in order."""
    received: list[dict[str, object]] = []
    CallableSink(received.append).write(some(3))
    assert [record["user"] for record in received] == [{"uid": f"user-{n}"} for n in range(3)]


def test_what_was_sent_is_not_sent_again() -> None:
    """A function that fails half-way through a batch gets every record once, and in order."""
    received: list[str] = []
    moods = iter([True, True, False, True, False, False])

    def moody(record: dict[str, Any]) -> None:
        if not next(moods, True):
            raise RuntimeError("not now")
        received.append(record["user"]["uid"])

    trail = AuditTrail(
        [CallableSink(moody)],
        encoders={"ocsf": OcsfEncoder(service="api", version="1")},
        shower=Shower(PlainNames(), Showing()),
    )
    for number in range(6):
        trail.happened(Occurrence(name=EventName.LOGIN, subject=f"user-{number}"))
    assert trail.flush()
    deadline = time.monotonic() + 5
    while len(received) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    trail.close()
    assert received == [f"user-{number}" for number in range(6)]
    (lane,) = trail.lanes
    assert (lane.written, lane.failures, lane.backlog) == (6, 3, 0)

"""The queue: what becomes of the request whose event finds no room, or no sink."""

import asyncio
import logging
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from jwt_guard.audit.chain import Encoded, unlinked
from jwt_guard.audit.facts import Fact
from jwt_guard.audit.observer import EventName, Occurrence, settle, tell
from jwt_guard.audit.ocsf import OcsfEncoder
from jwt_guard.audit.privacy import PlainNames, SubjectKeys
from jwt_guard.audit.queue import QueueRules, WhenFull
from jwt_guard.audit.reading import fact_of
from jwt_guard.audit.sampling import Nothing, Sampled, Sampling, Summary
from jwt_guard.audit.shown import Shower, Showing
from jwt_guard.audit.sinks import Format, Sink, SinkFailed
from jwt_guard.audit.trail import AuditTrail
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import arun, run
from tests.core.audit.conftest import file_sink, lines

EVENT = Occurrence(name=EventName.LOGIN, subject="ada")


class Gate:
    """A durable sink with a door: what comes while it is shut fails or waits."""

    format: Format = "ocsf"
    durable = True

    def __init__(self, name: str = "gate") -> None:
        self.name = name
        self.open = threading.Event()
        self.broken = False
        self.facts: list[Fact] = []

    def write(self, records: Sequence[Encoded]) -> None:
        """Fail while broken, wait while shut."""
        if self.broken:
            raise SinkFailed("broken")
        self.open.wait(10)
        self.facts += [fact_of(unlinked(record, 1)) for record in records]

    def close(self) -> None:
        """Nothing is open."""


class Volatile(Gate):
    """A sink that promises nothing."""

    durable = False


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A shut gate, opened at the end."""
    gate = Gate()
    yield gate
    gate.broken = False
    gate.open.set()


def trail_to(*sinks: Sink, sampling: Sampling | None = None, **rules: object) -> AuditTrail:
    """A trail under plain names."""
    return AuditTrail(
        sinks,
        encoders={"ocsf": OcsfEncoder(service="api", version="1")},
        shower=Shower(PlainNames(), Showing()),
        rules=QueueRules(**rules),  # type: ignore[arg-type]
        sampling=sampling,
    )


def happen_often(trail: AuditTrail) -> None:
    """More events than any queue here holds."""
    for _ in range(1000):
        trail.happened(EVENT)


def test_dropped_events_are_counted_and_the_gap_is_on_record(gate: Gate) -> None:
    """Requests are never held up, and the log says how much it does not know."""
    trail = trail_to(gate, size=10, when_full=WhenFull.DROP)
    for _ in range(500):
        assert trail.happened(EVENT) is None
    gate.open.set()
    trail.close()
    gaps = [fact for fact in gate.facts if fact.name == "gap"]
    lost = sum(int((fact.detail or {})["dropped"] or 0) for fact in gaps)
    logins = sum(fact.name == "login" for fact in gate.facts)
    assert gaps
    assert lost + logins == 500


def test_a_full_queue_refuses_with_503(gate: Gate) -> None:
    """For those who must not lose a record."""
    trail = trail_to(gate, size=10, when_full=WhenFull.REFUSE)
    with pytest.raises(Refusal) as caught:
        happen_often(trail)
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    assert caught.value.status == 503
    assert caught.value.retry_after
    gate.open.set()
    trail.close()
    assert not [fact for fact in gate.facts if fact.name == "gap"]


def test_a_full_queue_makes_a_request_wait_for_room(gate: Gate) -> None:
    """Blocking: nothing is lost, the request proceeds when there is room."""
    trail = trail_to(gate, size=10, when_full=WhenFull.BLOCK, patience=10)
    threading.Timer(0.3, gate.open.set).start()
    for _ in range(200):
        settle(trail.happened(EVENT))
    trail.close()
    assert [fact.name for fact in gate.facts] == ["login"] * 200


async def test_waiting_for_room_leaves_the_event_loop_free(gate: Gate) -> None:
    """An asynchronous request waits without stopping the others."""
    trail = trail_to(gate, size=10, when_full=WhenFull.BLOCK, patience=10)

    async def record() -> None:
        for _ in range(100):
            await arun(tell([trail], EVENT))

    recording = asyncio.create_task(record())
    await asyncio.sleep(0.2)
    assert not recording.done()
    gate.open.set()
    await recording
    await asyncio.to_thread(trail.close)
    assert len(gate.facts) == 100


def test_waiting_has_an_end(gate: Gate) -> None:
    """After the patience the event is dropped and counted."""
    trail = trail_to(gate, size=5, when_full=WhenFull.BLOCK, patience=0.05)
    for _ in range(40):
        settle(trail.happened(EVENT))
    gate.open.set()
    trail.close()
    assert any(fact.name == "gap" for fact in gate.facts)


def test_strict_means_safe_on_the_disk(tmp_path: Path) -> None:
    """When the flow goes on, the record is in the file."""
    sink = file_sink(tmp_path / "audit.jsonl", sync=True)
    trail = trail_to(sink, strict=True)
    for number in range(1, 6):
        run(tell([trail], EVENT))
        assert len(lines(tmp_path / "audit.jsonl")) == number
    trail.close()


async def test_strict_acknowledges_many_requests_at_once(tmp_path: Path) -> None:
    """They share their writes: a hundred at once take few times the time of one."""
    sink = file_sink(tmp_path / "audit.jsonl", sync=True)
    trail = trail_to(sink, strict=True)
    await asyncio.gather(*(arun(tell([trail], EVENT)) for _ in range(100)))
    assert len(lines(tmp_path / "audit.jsonl")) == 100
    await asyncio.to_thread(trail.close)


async def test_strict_refuses_what_it_cannot_keep(gate: Gate) -> None:
    """First after its patience, then at once for as long as the sink fails; then again not."""
    trail = trail_to(gate, strict=True, patience=0.2)
    gate.broken = True
    with pytest.raises(Refusal):
        run(tell([trail], EVENT))
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(Refusal):
            await arun(tell([trail], EVENT))
    assert time.monotonic() - began < 0.2
    gate.broken = False
    gate.open.set()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            await arun(tell([trail], EVENT))
            break
        except Refusal:
            await asyncio.sleep(0.05)
    else:
        pytest.fail("it never recovered")
    trail.close()


def test_strict_waits_for_every_durable_sink_and_no_other(gate: Gate) -> None:
    """A dead forwarder does not stop the API, a dead archive does."""
    archive, forwarder = Gate("archive"), Volatile("forwarder")
    forwarder.broken = True
    archive.open.set()
    trail = trail_to(archive, forwarder, strict=True, patience=2)
    run(tell([trail], EVENT))
    assert len(archive.facts) == 1
    forwarder.broken = False
    forwarder.open.set()
    trail.close()


def test_a_sink_that_fails_is_tried_again_and_complained_of_once(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost meanwhile, and the log of the application is not flooded."""
    gate.broken = True
    trail = trail_to(gate)
    for _ in range(50):
        trail.happened(EVENT)
    with caplog.at_level(logging.ERROR, "jwt_guard.audit"):
        time.sleep(0.5)
    assert sum("fails" in message for message in caplog.messages) <= 1
    gate.broken = False
    gate.open.set()
    assert trail.flush()
    assert len(gate.facts) == 50
    trail.close()


def test_one_dead_sink_does_not_stop_another(gate: Gate) -> None:
    """Each has a lane of its own."""
    alive = Gate("alive")
    alive.open.set()
    trail = trail_to(gate, alive)
    trail.happened(EVENT)
    deadline = time.monotonic() + 5
    while not alive.facts and time.monotonic() < deadline:
        time.sleep(0.01)
    assert alive.facts
    gate.open.set()
    trail.close()


def test_nothing_is_written_under_plain_names_when_keys_fail(gate: Gate, tmp_path: Path) -> None:
    """Without the subjects' keys the records wait; with them they are written."""
    (tmp_path / "keys").write_bytes(b"no database" * 100)
    gate.open.set()
    trail = AuditTrail(
        [gate],
        encoders={"ocsf": OcsfEncoder(service="api", version="1")},
        shower=Shower(SubjectKeys(tmp_path / "keys"), Showing()),
    )
    trail.happened(EVENT)
    time.sleep(0.3)
    assert gate.facts == []
    (tmp_path / "keys").unlink()
    assert trail.flush()
    trail.close()
    assert gate.facts[0].subject not in {None, "ada"}


def authenticate(trail: AuditTrail, times: int) -> None:
    """So many verified requests."""
    from jwt_guard.principal import Principal

    principal = Principal(subject="ada", issuer="i", expires_at=1, payload=b"{}")
    for _ in range(times):
        trail.authenticated(principal, None)
    trail.happened(EVENT)


def test_verified_requests_can_be_summed_up(gate: Gate) -> None:
    """One record with a count, and everything else as it comes."""
    gate.open.set()
    trail = trail_to(gate, sampling=Summary(60))
    authenticate(trail, 100)
    trail.close()
    counts = [fact.count for fact in gate.facts if fact.name == "authenticated"]
    assert sum(counts) == 100
    assert len(counts) <= 2
    assert any(fact.name == "login" for fact in gate.facts)


def test_verified_requests_can_be_sampled(gate: Gate) -> None:
    """A share of them, each of which says for how many it stands."""
    gate.open.set()
    trail = trail_to(gate, sampling=Sampled(0.1))
    authenticate(trail, 2000)
    trail.close()
    sampled = [fact.count for fact in gate.facts if fact.name == "authenticated"]
    assert set(sampled) == {10}
    assert 100 < len(sampled) < 320
    assert any(fact.name == "login" for fact in gate.facts)


def test_verified_requests_can_be_left_out(gate: Gate) -> None:
    """Everything else is still written."""
    gate.open.set()
    trail = trail_to(gate, sampling=Nothing())
    authenticate(trail, 10)
    trail.close()
    assert [fact.name for fact in gate.facts] == ["login"]


def test_strict_mode_samples_nothing(gate: Gate) -> None:
    """Whatever the sampling says."""
    gate.open.set()
    trail = trail_to(gate, sampling=Nothing(), strict=True)
    from jwt_guard.principal import Principal

    principal = Principal(subject="ada", issuer="i", expires_at=1, payload=b"{}")
    settle(trail.authenticated(principal, None))
    trail.close()
    assert [fact.name for fact in gate.facts] == ["authenticated"]


def test_a_forked_child_writes_for_itself(tmp_path: Path) -> None:
    """Servers fork after they have loaded the application: nothing is lost or written twice."""
    code = """
        import os, sys
        from pathlib import Path
        from tests.core.audit.conftest import file_sink
        from tests.core.audit.test_queue import EVENT, trail_to
        trail = trail_to(file_sink(Path(sys.argv[1])))
        trail.happened(EVENT)
        children = []
        trail.metrics._lock.acquire()  # as the writer may hold it at that moment
        for _ in range(3):
            child = os.fork()
            if not child:
                trail.happened(EVENT)
                trail.close()
                os._exit(0)
            children.append(child)
        trail.metrics._lock.release()
        assert all(os.waitpid(child, 0)[1] == 0 for child in children)
        trail.happened(EVENT)
    """
    log = tmp_path / "audit.jsonl"
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(log)], check=True, timeout=60)
    assert sum(record["class_uid"] == 3002 for record in lines(log)) == 5


@pytest.mark.parametrize("end", ["", "del trail; gc.collect()"])
def test_what_nobody_closed_is_still_written(tmp_path: Path, end: str) -> None:
    """At the interpreter's end, also where nobody holds the trail any more."""
    code = f"""
        import gc, sys
        from pathlib import Path
        from tests.core.audit.conftest import file_sink
        from tests.core.audit.test_queue import EVENT, trail_to
        trail = trail_to(file_sink(Path(sys.argv[1])))
        for _ in range(100):
            trail.happened(EVENT)
        {end}
    """
    log = tmp_path / "audit.jsonl"
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(log)], check=True, timeout=60)
    assert sum(record["class_uid"] == 3002 for record in lines(log)) == 100

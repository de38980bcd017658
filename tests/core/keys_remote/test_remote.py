"""How long fetched keys are believed, and when they are fetched anew."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from jwt_guard.audit.observer import EventName, LogObserver, Occurrence
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow, run
from jwt_guard.keys.documents import Document
from jwt_guard.keys.pace import UnknownKids
from jwt_guard.keys.remote import RemoteKeys, RemotePolicy
from tests.core.keys_remote.support import Clock, Provider, World, until
from tests.support.tokens import ISSUER

UNAVAILABLE = "keys_unavailable"
UNKNOWN = "key_unknown"


def test_nothing_is_loaded_before_it_is_needed() -> None:
    """Building a source asks nobody."""
    world = World()
    assert world.keys.current() is None
    assert world.provider.loads == 0
    assert world.keys.stats().age is None


def test_the_first_lookup_loads_and_further_ones_do_not() -> None:
    """Young keys are looked up as they are."""
    world = World()
    assert [world.find("a") for _ in range(5)] == ["found"] * 5
    assert world.provider.loads == 1


def test_ageing_keys_are_refreshed_in_the_background() -> None:
    """From `refresh_every` on a lookup answers at once and starts a load."""
    world = World(refresh_every=300)
    first = world.load()
    world.clock.forward(299)
    assert world.keys.current() is first
    assert world.provider.loads == 1
    world.provider.publish("a", "b")
    world.clock.forward(2)
    assert world.keys.current() is first
    assert until(lambda: world.keys.current() is not first)
    assert world.provider.loads == 2
    assert world.find("b") == "found"


def test_unchanged_keys_keep_their_generation() -> None:
    """A refresh that brings the same document leaves every cached token valid."""
    world = World()
    first = world.load()
    assert run(world.keys.reload())
    assert world.keys.current() is first
    assert world.keys.stats().rotations == 0
    assert world.keys.stats().loads == 2


def test_expired_keys_are_not_used_without_an_attempt() -> None:
    """After a long idle time a key that was withdrawn meanwhile is not believed once more."""
    world = World("a", "gone", refresh_every=300)
    world.load()
    world.provider.publish("a")
    world.clock.forward(601)
    assert world.keys.current() is None
    assert world.find("gone") == UNKNOWN


def test_expired_keys_serve_through_an_outage_until_its_limit() -> None:
    """Each lookup of a good key succeeds until the limit, exactly, and then none does."""
    world = World(refresh_every=300, outage_limit=1000)
    world.load()
    world.provider.down = True
    for _ in range(159):
        world.clock.forward(10)
        assert world.find("a") == "found"
    world.clock.forward(9.9)
    assert world.find("a") == "found"
    world.clock.forward(0.2)
    assert world.find("a") == UNAVAILABLE
    assert world.retry_after is not None


def test_lookups_do_not_wait_once_an_outage_is_known() -> None:
    """Only the first lookup after expiry waits for an attempt; retries are in the background."""
    world = World(refresh_every=300)
    world.load()
    world.provider.down = True
    world.clock.forward(601)
    assert world.keys.current() is None
    assert world.find("a") == "found"
    for _ in range(50):
        world.clock.forward(20)
        assert world.keys.current() is not None


def test_keys_come_back_without_a_restart() -> None:
    """Down from the start: refused with a time to come back, and well at that time."""
    world = World()
    world.provider.down = True
    assert world.find("a") == UNAVAILABLE
    assert world.retry_after == 1
    world.provider.down = False
    assert world.find("a") == UNAVAILABLE
    world.clock.forward(world.retry_after)
    assert world.find("a") == "found"
    assert world.keys.stats().failures_in_row == 0


def test_pauses_grow_and_are_bounded() -> None:
    """Who has no keys asks after 1, 2, 4 ... and at last every 30 seconds."""
    world = World()
    world.provider.down = True
    pauses = []
    for _ in range(8):
        assert world.find("a") == UNAVAILABLE
        pauses.append(world.retry_after)
        world.clock.forward(world.retry_after or 0)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert world.provider.loads == 8


def test_a_provider_may_ask_for_a_longer_pause() -> None:
    """Its Retry-After counts, up to five minutes."""
    world = World()
    world.provider.down = True
    world.provider.retry_after = 40
    assert world.find("a") == UNAVAILABLE
    assert world.retry_after == 40
    world.clock.forward(40)
    world.provider.retry_after = 10**9
    assert world.find("a") == UNAVAILABLE
    assert world.retry_after == 300


def test_a_rotated_key_is_fetched_when_a_token_bears_it() -> None:
    """The very lookup that meets the rotation succeeds."""
    world = World("a")
    world.load()
    world.provider.publish("a", "b")
    assert world.find("b") == "found"
    assert world.keys.stats().rotations == 1


def test_unknown_kids_cause_at_most_two_fetches_in_thirty_seconds() -> None:
    """However many there are, for as long as it goes on."""
    world = World()
    world.load()
    loads = []
    for number in range(1200):
        assert world.find(f"random-{number}") == UNKNOWN
        loads.append((world.clock.now, world.provider.loads))
        world.clock.forward(0.1)
    starts = [now for (now, n), (_, before) in zip(loads[1:], loads, strict=False) if n > before]
    for start in starts:
        assert sum(start <= other < start + 30 for other in starts) <= 2
    assert world.keys.stats().unknown_kids == 1200


def test_a_flood_leaves_a_fetch_for_a_real_rotation() -> None:
    """A kid that keeps coming is fetched for while random ones are being refused."""
    world = World()
    world.load()
    for number in range(40):
        world.find(f"random-{number}")
    world.provider.publish("a", "b")
    assert world.find("b") == UNKNOWN
    world.clock.forward(1)
    assert world.find("another") == UNKNOWN
    assert world.find("b") == "found"


def test_a_stray_token_does_not_delay_a_rotation() -> None:
    """One odd kid, and a rotation a second later: both are fetched for."""
    world = World()
    world.load()
    assert world.find("stray") == UNKNOWN
    world.clock.forward(1)
    world.provider.publish("a", "b")
    assert world.find("b") == "found"


def test_frequent_refreshes_leave_a_fetch_for_a_rotation() -> None:
    """However often the owner has keys refreshed: they are, and a new key is found at once."""
    world = World(refresh_every=2)
    world.load()
    for _ in range(30):
        world.clock.forward(2)
        loads = world.provider.loads
        assert world.find("a") == "found"
        assert until(lambda before=loads: world.provider.loads > before)
        assert until(lambda: world.keys.current() is not None)
    world.clock.forward(1)
    world.provider.publish("a", "b")
    assert world.find("b") == "found"


def test_keys_that_were_found_are_no_flood() -> None:
    """Six new keys that come at once, and one more a second later: that one looks as real."""
    kids, names = UnknownKids(), [f"new-{number}" for number in range(6)]
    for name in names:
        kids.see(name, 1)
    kids.settle(1, 1, names)
    assert not any(kids.is_absent(name, 2) for name in names)
    kids.see("newer", 2)
    assert kids.looks_real("newer", 2)


def test_a_key_that_one_server_does_not_know_yet_is_fetched_for_again() -> None:
    """Servers of a provider learn of a rotation one after the other: found is not absent."""
    world = World(refresh_every=10)
    world.load()
    world.provider.publish("a", "b")
    assert world.find("b") == "found"
    world.provider.publish("a")
    assert run(world.keys.reload())
    world.clock.forward(1)
    world.provider.publish("a", "b")
    assert world.find("b") == "found"


def test_what_was_just_found_absent_is_not_fetched_for() -> None:
    """A kid that a fetch did not bring costs no other one for half a minute."""
    world = World()
    world.load()
    assert world.find("absent") == UNKNOWN
    loads = world.provider.loads
    for _ in range(29):
        world.clock.forward(1)
        assert world.find("absent") == UNKNOWN
    assert world.provider.loads == loads
    world.clock.forward(2)
    world.provider.publish("a", "absent")
    assert world.find("absent") == "found"


def test_an_unknown_kid_during_an_outage_is_no_forgery() -> None:
    """Whether there is such a key cannot be told: 503 and not 401; good keys go on."""
    world = World()
    world.load()
    world.provider.down = True
    assert world.find("new") == UNAVAILABLE
    assert world.find("a") == "found"
    loads = world.provider.loads
    for number in range(100):
        assert world.find(f"random-{number}") == UNAVAILABLE
    assert world.provider.loads == loads


def test_an_outage_is_met_with_at_most_two_fetches_in_thirty_seconds() -> None:
    """Failing fetches are no reason to fetch more."""
    world = World(refresh_every=10)
    world.load()
    world.provider.down = True
    starts = []
    for number in range(3000):
        before = world.provider.loads
        world.find(f"random-{number}")
        if world.provider.loads > before:
            starts.append(world.clock.now)
        world.clock.forward(0.1)
    assert starts
    for start in starts:
        assert sum(start <= other < start + 30 for other in starts) <= 2


def test_unknown_kids_take_bounded_memory() -> None:
    """Kids are remembered up to a limit, and so is whoever comes after."""
    kids = UnknownKids()
    for number in range(5000):
        kids.see(f"random-{number}", number)
        if number % 2000 == 0:
            kids.settle(number, number, ())
    assert 1024 <= len(kids) <= 2 * 1024


class Diary(LogObserver):
    """Remembers what happened."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[EventName] = []

    def happened(self, occurrence: Occurrence) -> None:
        """See `Observer`."""
        self.names.append(occurrence.name)


def test_observers_learn_of_outage_recovery_and_rotation() -> None:
    """Once each, not once a request."""
    clock, provider, diary = Clock(), Provider("a"), Diary()
    keys = RemoteKeys(ISSUER, provider, observers=[diary], clock=clock, jitter=lambda: 0.0)
    provider.down = True
    for _ in range(3):
        assert not run(keys.reload())
    provider.down = False
    assert run(keys.reload())
    provider.publish("b")
    assert run(keys.reload())
    assert diary.names == [EventName.KEYS_DOWN, EventName.KEYS_RECOVERED, EventName.KEY_ROTATED]


class _Refusing(LogObserver):
    """Cannot take a record."""

    def happened(self, occurrence: Occurrence) -> None:
        raise Refusal(Reason.AUDIT_UNAVAILABLE)


def test_an_observer_that_refuses_stops_no_load(caplog: pytest.LogCaptureFixture) -> None:
    """Keys come in even where that cannot be recorded."""
    provider = Provider("a")
    keys = RemoteKeys(ISSUER, provider, observers=[_Refusing()])
    provider.down = True
    with caplog.at_level(logging.ERROR):
        assert not run(keys.reload())
    assert "could not be recorded" in caplog.text
    provider.down = False
    assert run(keys.reload())


class _Broken(Provider):
    """A loader with a flaw."""

    def __call__(self, known: Document | None, timeout: float) -> Flow[Document]:
        self.loads += 1
        raise ZeroDivisionError
        yield


def test_a_flaw_in_a_loader_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing but a refusal reaches a caller, and the flaw reaches the log."""
    keys = RemoteKeys(ISSUER, _Broken("a"))
    with pytest.raises(Refusal) as caught, caplog.at_level(logging.ERROR):
        run(keys.renewed("x"))
    assert caught.value.reason is Reason.KEYS_UNAVAILABLE
    assert "ZeroDivisionError" in caplog.text


class _Held(Provider):
    """A loader whose first load hangs until it is let go."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.gate = threading.Event()

    def __call__(self, known: Document | None, timeout: float) -> Flow[Document]:
        self.loads += 1
        document = self.document
        if self.loads == 1:
            self.gate.wait()
        return document
        yield


def test_a_load_that_hangs_is_given_up_and_may_not_overwrite_a_later_one() -> None:
    """A thread that never comes back is a failure; if it does after all, it is too late."""
    provider = _Held("old")
    keys = RemoteKeys(ISSUER, provider, RemotePolicy(timeout=0.1))
    with pytest.raises(Refusal):
        run(keys.renewed("x"))
    assert keys.stats().failures == 1
    provider.publish("new")
    assert run(keys.reload())
    provider.gate.set()
    assert until(lambda: not any(t.name == "jwt-guard-keys" for t in threading.enumerate()))
    current = keys.current()
    assert current is not None
    assert current.find("ES256-new", "ES256") is not None


class _HangsLater(Provider):
    """A loader whose loads hang once it is told to."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, known: Document | None, timeout: float) -> Flow[Document]:
        self.loads += 1
        self.gate.wait()
        return self.document
        yield


def test_a_refresh_that_hangs_is_noticed_by_whoever_comes_next() -> None:
    """Nobody waits for it, so a later lookup counts it as failed."""
    clock, provider = Clock(), _HangsLater("a")
    keys = RemoteKeys(ISSUER, provider, clock=clock, jitter=lambda: 0.0)
    assert run(keys.reload())
    provider.gate.clear()
    clock.forward(301)
    assert keys.current() is not None
    clock.forward(6)
    assert keys.current() is not None
    assert keys.stats().failures == 1
    provider.gate.set()


def test_who_looks_while_another_decides_does_not_wait() -> None:
    """Many threads at the moment of a refresh: all are answered, one load is made."""
    clock, provider = Clock(), Provider("a")
    keys = RemoteKeys(ISSUER, provider, clock=clock, jitter=lambda: 0.0)
    assert run(keys.reload())
    clock.forward(301)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: keys.current(), range(2000)))
    assert None not in found
    assert until(lambda: keys.stats().loads == 2)


def test_a_process_without_threads_answers_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its end, or at its limit: a refusal, and nothing else."""
    keys = RemoteKeys(ISSUER, Provider("a"))

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(Refusal) as caught:
        run(keys.renewed("x"))
    assert caught.value.reason is Reason.KEYS_UNAVAILABLE

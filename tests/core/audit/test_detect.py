"""The rules: what makes each fire, what does not, and what they cost."""

import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from jwt_guard.audit.detect.actions import Demands, InBackground
from jwt_guard.audit.detect.base import Alert
from jwt_guard.audit.detect.places import geoip_locator
from jwt_guard.audit.detect.suite import RULES, DetectorSuite, all_detectors
from jwt_guard.audit.facts import Fact, Presented
from tests.benchmarks.audit_detectors import judged
from tests.core.audit.simulation import Simulation

DAY = 86_400
HOUR = 3600
HOME, CAFE, ABROAD = "192.0.2.7", "198.51.100.7", "203.0.113.7"
LAPTOP, TOOL = "Firefox/121.0", "curl/8.5"
PLACES = {HOME: (52.5, 13.4), CAFE: (52.4, 13.1), ABROAD: (37.6, 127.0)}


def usual(days: int = 4) -> list[Fact]:
    """Ada at home with her laptop, for days."""
    return [
        fact("authenticated", at=day * DAY + n * 60, token=f"jti-{day}")
        for day in range(days)
        for n in range(12)
    ]


def fact(name: str, *, at: float, **facts: object) -> Fact:
    """Something about ada, at home unless it says otherwise."""
    usually = {"issuer": "i", "subject": "ada", "address": HOME, "agent": LAPTOP, "path": "/me"}
    return Fact(time=at, name=name, **usually | facts)  # type: ignore[arg-type]


def forged(at: float, **facts: object) -> Fact:
    """A refused token."""
    said = Presented(f"credential-{at}", f"kid-{at}", None)
    usually = {"subject": None, "reason": "signature_invalid", "presented": said}
    return fact("refused", at=at, **usually | facts)


def fired(facts: list[Fact]) -> list[str]:
    """The rules that fire on some events, in order."""
    suite = DetectorSuite(all_detectors(subjects=100, locate=PLACES.get), subjects=100)
    return [alert.rule for each in facts for alert in suite.judge(each)]


NOW = 4 * DAY + HOUR
GUILTY: dict[str, Callable[[], list[Fact]]] = {
    "refresh_reuse": lambda: [fact("reuse_detected", at=NOW)],
    "token_two_networks": lambda: [
        fact("authenticated", at=NOW + n * 20, token="t", address=(HOME, CAFE)[n % 2])
        for n in range(5)
    ],
    "token_two_devices": lambda: [
        fact("authenticated", at=NOW, token="t"),
        fact("authenticated", at=NOW + 1, token="t", agent=TOOL),
    ],
    "impossible_travel": lambda: [
        fact("authenticated", at=NOW),
        fact("authenticated", at=NOW + HOUR, address=ABROAD),
    ],
    "new_device": lambda: [fact("authenticated", at=NOW, address=CAFE, agent=TOOL)],
    "burst_address": lambda: [forged(NOW + n) for n in range(30)],
    "burst_subject": lambda: [
        fact("login_failed", at=NOW + n * 10, address=f"10.0.{n}.1") for n in range(25)
    ],
    "burst_kid": lambda: [
        forged(NOW + n, address=f"10.0.{n}.1", presented=Presented("c", "stolen-kid"))
        for n in range(30)
    ],
    "role_probing": lambda: [fact("denied", at=NOW + n, path=f"/admin/{n}") for n in range(8)],
    "expired_hammering": lambda: [
        forged(NOW + n * 5, reason="token_expired", presented=Presented("the-same"))
        for n in range(30)
    ],
    "login_stuffing": lambda: [
        fact("login_failed", at=NOW + n * 20, subject=f"user-{n}", address=f"10.0.0.{n}")
        for n in range(12)
    ],
    "unusual_rate": lambda: [fact("authenticated", at=NOW + n) for n in range(130)],
}
INNOCENT: dict[str, Callable[[], list[Fact]]] = {
    "a phone that leaves the Wi-Fi and comes back": lambda: [
        fact("authenticated", at=NOW + n * 20, token="t", address=(HOME, CAFE)[n % 2])
        for n in range(4)
    ],
    "a dual-stack home": lambda: [
        fact("authenticated", at=NOW + n, token="t", address=(HOME, "2001:db8::1")[n % 2])
        for n in range(20)
    ],
    "a browser's update": lambda: [
        fact("authenticated", at=NOW + n, token="t", agent=f"Firefox/{121 + n}.0") for n in range(3)
    ],
    "a flight": lambda: [
        fact("authenticated", at=NOW),
        fact("authenticated", at=NOW + 14 * HOUR, address=ABROAD),
    ],
    "a new phone at home": lambda: [
        fact("login", at=NOW, agent="Phone/1"),
        fact("authenticated", at=NOW + 1, agent="Phone/1"),
    ],
    "a new phone in a cafe": lambda: [
        fact("login", at=NOW, agent="Phone/1", address=CAFE),
        fact("authenticated", at=NOW + 1, agent="Phone/1", address=CAFE),
    ],
    "a laptop in a cafe": lambda: [fact("authenticated", at=NOW, address=CAFE)],
    "a page that asks for the same forbidden thing": lambda: [
        fact("denied", at=NOW + n, path="/admin") for n in range(100)
    ],
    "an outage": lambda: [
        forged(NOW + n / 10, reason="keys_unavailable", presented=None) for n in range(500)
    ],
    "a client that notices expiry late": lambda: [
        forged(NOW + n * 30, reason="token_expired", presented=Presented("the-same"))
        for n in range(20)
    ],
    "an office where many mistype": lambda: [
        fact("login_failed" if n % 4 else "login", at=NOW + n, subject=f"user-{n // 4}")
        for n in range(-20, 20)
        if n % 4 < 2
    ],
    "a busy hour of a busy person": lambda: [
        fact("authenticated", at=NOW + n * 6) for n in range(100)
    ],
}


def test_every_rule_is_tested() -> None:
    """And every rule that is named exists."""
    assert set(GUILTY) == set(RULES)
    assert {detector.rule for detector in all_detectors(locate=PLACES.get)} == set(RULES)
    assert {each.rule for each in all_detectors()} == set(RULES) - {"impossible_travel"}


@pytest.mark.parametrize("rule", RULES)
def test_misuse_is_noticed_once(rule: str) -> None:
    """The rule fires, and does not repeat itself."""
    rules = fired([*usual(), *GUILTY[rule]()])
    assert rules.count(rule) == 1


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"refresh_reuse", "new_device"}))
def test_the_threshold_is_where_the_rule_says(rule: str) -> None:
    """One event less is not enough."""
    events = GUILTY[rule]()
    fewer = events[:120] if rule == "unusual_rate" else events[:-1]
    assert rule not in fired([*usual(), *fewer])


@pytest.mark.parametrize("story", INNOCENT)
def test_everyday_life_raises_no_alarm(story: str) -> None:
    """What honest people do."""
    assert fired([*usual(), *INNOCENT[story]()]) == []


@pytest.mark.parametrize("rule", ["token_two_networks", "new_device", "impossible_travel"])
def test_nothing_is_strange_to_whom_one_does_not_know(rule: str) -> None:
    """The first two days of a subject teach what is usual."""
    events = [msgspec.structs.replace(each, time=each.time - NOW + HOUR) for each in GUILTY[rule]()]
    assert fired([*usual(1)[:3], *events]) == []


def test_an_alert_tells_what_it_is_about() -> None:
    """As an event of its own, about the person of the last event."""
    suite = DetectorSuite(all_detectors())
    told = suite.watch(fact("reuse_detected", at=NOW, session="sid", reason="grant_reused"))
    assert [(each.name, each.subject, each.session) for each in told] == [("alert", "ada", "sid")]
    assert told[0].detail
    assert told[0].detail["rule"] == "refresh_reuse"
    assert told[0].reason is None


def test_a_hook_that_fails_blinds_nobody() -> None:
    """Its exception is logged, the other hooks are called."""
    alerts: list[Alert] = []

    def broken(alert: Alert) -> None:
        raise RuntimeError

    suite = DetectorSuite(all_detectors(), actions=[broken, alerts.append])
    suite.judge(fact("reuse_detected", at=NOW))
    assert len(alerts) == 1


def test_a_demand_outlives_the_traffic_of_others() -> None:
    """Whoever merely comes by, however many, lets nobody off."""
    demands = Demands()
    assert not demands
    demands(alert_about("ada"))
    person = fact("authenticated", at=NOW).person
    assert person is not None
    for number in range(20_000):
        assert demands.unmet(f"issuer#user-{number}", None) is None
    since = demands.unmet(person, None)
    assert since is not None
    assert demands.unmet(person, since) is None


def test_demands_are_bounded_and_the_oldest_goes_first() -> None:
    """A demand that is made again counts as new."""
    demands = Demands()
    for subject in ("first", "second", "first", *(f"user-{n}" for n in range(9_999))):
        demands(alert_about(subject))
    issuer = fact("authenticated", at=NOW).issuer
    assert demands.unmet(f"{issuer}#second", None) is None
    assert demands.unmet(f"{issuer}#first", None) is not None


def test_an_action_without_a_thread_is_complained_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As at the interpreter's end; the alert itself is on record all the same."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    InBackground(lambda alert: None)(alert_about("ada"))
    assert "there is no thread" in caplog.text


def alert_about(subject: str) -> Alert:
    """An alert about somebody."""
    about = fact("authenticated", at=NOW, subject=subject)
    return Alert(rule="role_probing", title="t", severity=3, key="k", fact=about)


def flood(number: int) -> Iterator[Fact]:
    """Events that resemble each other in nothing: what an attacker would fill memory with."""
    for n in range(number):
        address = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        common = {"subject": f"user-{n}", "address": address, "agent": f"agent-{n}"}
        at = float(n)
        yield fact("authenticated", at=at, token=f"jti-{n}", **common)
        yield fact("denied", at=at, **common | {"path": f"/{n}"})
        yield fact("login_failed", at=at, **common)
        yield forged(at, address=address)
        yield forged(at, address=address, reason="token_expired")


def held(subjects: int, before: Iterable[Fact], then: Iterable[Fact]) -> int:
    """How many bytes all rules hold of what came then, after all else was pushed out."""
    rules = all_detectors(subjects=subjects, locate=lambda _: (1.0, 2.0))
    suite = DetectorSuite(rules, subjects=subjects)
    for each in before:
        suite.judge(each)
    tracemalloc.start()
    for each in then:
        suite.judge(each)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return grown


def test_memory_is_bounded() -> None:
    """2,000 entries a rule hold less than 16 MiB, however many strangers come by."""
    assert held(2000, flood(4000), flood(12_000)) < 16 * 2**20
    for detector in all_detectors(subjects=50, locate=lambda _: (1.0, 2.0)):
        small = DetectorSuite([detector], subjects=50)
        for each in flood(300):
            small.judge(each)
        assert len(detector) <= 50


def worst(number: int) -> Iterator[Fact]:
    """Subjects with the longest names there are, each in many networks with many devices."""
    long = chr(0x1F600) * 500
    for n in range(number):
        name, at = f"{long}{n:012d}", float(n)
        said = Presented(f"credential-{n}", name, name)
        for turn in range(32):
            address = f"{turn + 10}.{n & 15}.0.1"
            places = {"address": address, "agent": f"{turn}{long}"}
            common = {"subject": name, "session": name, "token": name, **places}
            yield fact("authenticated", at=at, **common)
            yield fact("denied", at=at, **common | {"path": f"/{turn}"})
            yield fact("login_failed", at=at, **common)
            yield forged(at, presented=said, **places)
            yield forged(at, presented=said, reason="token_expired", **places)


def test_names_and_places_without_end_take_no_more_than_promised() -> None:
    """At most 14 KB a subject over all rules, as the documentation says."""
    assert held(100, worst(200), worst(200)) < 100 * 14_000


@pytest.mark.timeout(300)
def test_the_simulated_week() -> None:
    """A small one: every kind of misuse is found, and honest people are left in peace.

    The odd few whom no rule can tell from misuse are among the honest, and are allowed for; the
    full week is `python -m tests.benchmarks.audit_detectors`.
    """
    simulation = Simulation(requests=60_000, users=1000, incidents=10, seed=11)
    score, _ = judged(simulation)
    for rule in RULES:
        assert score.recall(rule) >= 0.9, rule
    assert len(score.false_alarms) <= 2 * simulation.oddities


def test_places_come_from_a_geoip_database(tmp_path: Path) -> None:
    """A city database tells where an address is; strangers to it are nowhere."""
    writer = pytest.importorskip("mmdb_writer").MMDBWriter(
        ip_version=6, ipv4_compatible=True, database_type="Test-City", float_type="f64"
    )
    netaddr = pytest.importorskip("netaddr")
    where = {"location": {"latitude": 52.5, "longitude": 13.4}}
    writer.insert_network(netaddr.IPSet(["192.0.2.0/24"]), where)
    writer.insert_network(netaddr.IPSet(["198.51.100.0/24"]), {"location": {}})
    writer.to_db_file(str(tmp_path / "city.mmdb"))
    locate = geoip_locator(tmp_path / "city.mmdb")
    assert locate("192.0.2.7") == (52.5, 13.4)
    assert locate("198.51.100.7") is None
    assert locate("203.0.113.7") is None
    assert locate("no address") is None


@pytest.mark.parametrize("content", [b"", b"no database" * 100])
def test_what_is_no_database_of_places_is_refused(tmp_path: Path, content: bytes) -> None:
    """At start, with an error that the configuration reports."""
    (tmp_path / "city.mmdb").write_bytes(content)
    with pytest.raises(ValueError, match=r"city\.mmdb"):
        geoip_locator(tmp_path / "city.mmdb")

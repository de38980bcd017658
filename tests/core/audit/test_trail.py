"""The guard's outcomes, from the request to the log."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jwt_guard import ConfigurationError, Guard, role
from jwt_guard.audit.detect.base import Alert
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.observer import EventName, Occurrence, tell_now
from jwt_guard.audit.reading import entries
from jwt_guard.audit.seal import Seals
from jwt_guard.audit.verifying import verify_file_log
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import arun, run
from jwt_guard.sessions import Client
from tests.core.audit.conftest import MakeGuard, lines, view

RECEIVED: list[dict[str, Any]] = []


def receive(event: dict[str, Any]) -> None:
    """What `python:` names in a test."""
    RECEIVED.append(event)


def token_of(guard: Guard, subject: str = "ada", **claims: Any) -> str:
    """A token of the guard's own."""
    assert guard.issuer is not None
    return guard.issuer.issue(subject, client_id="web", roles=["viewer"], claims=claims or None)


def test_every_outcome_of_a_request_is_on_record(make_guard: MakeGuard, tmp_path: Path) -> None:
    """Verified, refused with the exact reason, denied with the requirement; and it verifies."""
    guard = make_guard()
    token = token_of(guard, sid="sid-1")
    good = run(guard.identify(view(token)))
    with pytest.raises(Refusal):
        guard.permit(good, view(token, path="/admin"), role("admin"))
    run(guard.identify(view(token[:-8] + "AAAAAAAA")))
    nobody = run(guard.identify(view()))
    with pytest.raises(Refusal):
        guard.permit(nobody, view())
    guard.close()
    facts = [entry.fact for entry in entries(tmp_path / "audit.jsonl")]
    told = [(fact.name, fact.reason) for fact in facts if fact.name != "checkpoint"]
    assert told == [
        ("authenticated", None),
        ("denied", "role_missing"),
        ("refused", "signature_invalid"),
        ("refused", "token_missing"),
    ]
    log = tmp_path / "audit.jsonl"
    assert verify_file_log(log, Seals.read(LogFolder(log).public_keys)).good


def test_no_token_nor_a_part_of_it_is_on_record(make_guard: MakeGuard, tmp_path: Path) -> None:
    """Good, forged and misplaced tokens: no segment of any stands in any file of the log."""
    guard = make_guard()
    token = token_of(guard)
    segments = token.split(".")
    for sent in (token, token[:-8] + "AAAAAAAA", f"{token}x", segments[0]):
        run(guard.identify(view(sent, path=f"/reset/{token}", agent=f"agent {token}")))
    guard.close()
    for file in tmp_path.rglob("audit*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(segment.encode() in content for segment in segments)


def test_strangers_write_one_line_each(make_guard: MakeGuard, tmp_path: Path) -> None:
    """No header or path begins a line, ends a string, or grows a record beyond bounds."""
    guard = make_guard()
    evil = '\r\n{"class_uid":3002}\x1b[2J\u2028' + "A" * 60_000
    agent = evil.encode("utf-8").decode("latin-1")
    for n in range(3):
        run(guard.identify(view(f"x.{n}", path=evil, agent=agent, method="GET\n", address=evil)))
    guard.close()
    records = lines(tmp_path / "audit.jsonl")
    assert [record["class_uid"] for record in records] == [3002, 3002, 3002, 1008]
    assert all(len(line) < 4096 for line in (tmp_path / "audit.jsonl").read_bytes().splitlines())


def test_people_are_pseudonyms_by_default(make_guard: MakeGuard, tmp_path: Path) -> None:
    """Subject, session and token id are not in the log, and the address is cut."""
    guard = make_guard()
    run(guard.identify(view(token_of(guard, "ada-lovelace", sid="the-session"))))
    guard.close()
    content = (tmp_path / "audit.jsonl").read_text()
    for plain in ("lovelace", "the-session", "192.0.2.77"):
        assert plain not in content
    assert "192.0.2.0" in content


def test_plain_names_are_a_setting(make_guard: MakeGuard, tmp_path: Path) -> None:
    """For those who may."""
    guard = make_guard(privacy={"subjects": "plain", "ipv4_bits": 32})
    run(guard.identify(view(token_of(guard, "ada"))))
    guard.close()
    record = lines(tmp_path / "audit.jsonl")[0]
    assert record["user"]["uid"] == "ada"
    assert record["src_endpoint"]["ip"] == "192.0.2.77"


def test_occurrences_belong_to_our_issuer_unless_they_say_otherwise(
    make_guard: MakeGuard, tmp_path: Path
) -> None:
    """So that a login and the tokens after it speak of one person."""
    guard = make_guard()
    run(guard.identify(view(token_of(guard, "ada"))))
    tell_now(guard.observers, Occurrence(name=EventName.LOGIN, subject="ada"))
    guard.close()
    first, second = lines(tmp_path / "audit.jsonl")[:2]
    assert first["user"] == second["user"]


async def test_a_lost_record_refuses_the_request_in_strict_mode(
    make_guard: MakeGuard, tmp_path: Path
) -> None:
    """Verified callers, refused ones and denied ones: 503 before any handler runs."""
    guard = make_guard(strict=True, patience=0.3)
    token = token_of(guard)
    assert (await arun(guard.identify(view(token)))).principal is not None
    log = tmp_path / "audit.jsonl"
    log.rename(tmp_path / "moved")
    log.mkdir()
    for sent in (token, "x.y.z"):
        outcome = await arun(guard.identify(view(sent)))
        assert outcome.principal is None
        assert outcome.refusal is not None
        assert outcome.refusal.reason is Reason.AUDIT_UNAVAILABLE
        assert guard.reply(outcome.refusal).status == 503
    principal = guard.verify(token)
    with pytest.raises(Refusal) as caught:
        guard.authorize(principal, role("admin"))
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE


def test_an_alert_is_on_record_and_reaches_the_hook(make_guard: MakeGuard, tmp_path: Path) -> None:
    """A burst of forged tokens."""
    guard = make_guard()
    assert guard.trail is not None
    assert guard.trail.suite is not None
    alerts: list[Alert] = []
    guard.trail.suite.actions.append(alerts.append)
    token = token_of(guard)
    for _ in range(60):
        run(guard.identify(view(token[:-8] + "AAAAAAAA")))
    guard.close()
    assert {alert.rule for alert in alerts} == {"burst_address", "burst_kid", "burst_subject"}
    records = [record for record in lines(tmp_path / "audit.jsonl") if record["class_uid"] == 2004]
    rules = {record["finding_info"]["analytic"]["uid"] for record in records}
    assert rules == {"burst_address", "burst_kid", "burst_subject"}


def test_an_alert_can_end_the_session(make_guard: MakeGuard) -> None:
    """`revoke`: the next request with any token of the session is refused."""
    guard = make_guard(detect={"revoke": ["role_probing"]})
    token = token_of(guard, sid="sid-1")
    outcome = run(guard.identify(view(token)))
    _probe(guard, outcome, token)
    _eventually(lambda: run(guard.identify(view(token))).principal is None)
    refusal = run(guard.identify(view(token))).refusal
    assert refusal is not None
    assert refusal.reason is Reason.TOKEN_REVOKED


def test_a_session_that_is_ended_is_its_owners(make_guard: MakeGuard, tmp_path: Path) -> None:
    """Ended by its `sid` alone: the record names it as those before did, and never plainly."""
    guard = make_guard()
    assert guard.sessions is not None
    assert guard.issuer is not None
    grant = run(guard.sessions.start("ada", client=Client(client_id="web")))
    sid = guard.verify(grant.access_token).session_id
    assert sid is not None
    run(guard.sessions.revoke_session(sid))
    guard.close()
    issued, revoked = lines(tmp_path / "audit.jsonl")[:2]
    assert revoked["unmapped"]["event"] == "revoked"
    assert revoked["user"] == issued["user"]
    assert revoked["session"]["uid"] == issued["session"]["uid"]
    assert sid not in (tmp_path / "audit.jsonl").read_text()


def test_an_alert_can_demand_a_step_up(make_guard: MakeGuard) -> None:
    """`step_up`: 401 with max_age until the token tells of a new authentication (RFC 9470)."""
    guard = make_guard(detect={"step_up": ["role_probing"]})
    token = token_of(guard, auth_time=int(guard.clock()) - 100)
    outcome = run(guard.identify(view(token)))
    _probe(guard, outcome, token)
    _eventually(lambda: run(guard.identify(view(token))).principal is None)
    refusal = run(guard.identify(view(token))).refusal
    assert refusal is not None
    assert refusal.reason is Reason.AUTHENTICATION_TOO_OLD
    assert refusal.max_age is not None
    anew = token_of(guard, auth_time=int(guard.clock()))
    assert run(guard.identify(view(anew))).principal is not None
    assert run(guard.identify(view(token_of(guard, "grace")))).principal is not None


def _probe(guard: Guard, outcome: Any, token: str) -> None:
    for door in range(10):
        with pytest.raises(Refusal):
            guard.permit(outcome, view(token, path=f"/admin/{door}"), role("admin"))


def _eventually(condition: Callable[[], bool]) -> None:
    import time

    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_several_sinks_in_several_formats(
    make_guard: MakeGuard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file in each format, a logger and a function, all from one list."""
    RECEIVED.clear()
    with caplog.at_level(logging.INFO, "audit.test"):
        guard = make_guard(
            sink=[
                str(tmp_path / "audit.jsonl"),
                f"ecs:{tmp_path / 'ecs.jsonl'}",
                "logging:audit.test",
                f"python:{__name__}:receive",
            ]
        )
        run(guard.identify(view("x.y.z")))
        guard.close()
    assert lines(tmp_path / "audit.jsonl")[0]["class_uid"] == 3002
    assert lines(tmp_path / "ecs.jsonl")[0]["event"]["action"] == "refused"
    assert verify_file_log(
        tmp_path / "ecs.jsonl", Seals.read(LogFolder(tmp_path / "ecs.jsonl").public_keys)
    ).good
    assert any('"class_uid":3002' in message for message in caplog.messages)
    assert RECEIVED[0]["unmapped"]["event"] == "refused"


PLAIN = {"subjects": "plain"}


@pytest.mark.parametrize(
    ("audit", "path"),
    [
        ({"sink": "/no/such/folder/audit.jsonl"}, "audit.sink[0]"),
        ({"sink": ["logging:", "python:no.such.module:f"], "privacy": PLAIN}, "audit.sink[1]"),
        ({"sink": "python:json:nothing", "privacy": PLAIN}, "audit.sink[0]"),
        ({"sink": "logging:", "strict": True, "privacy": PLAIN}, "audit.strict"),
        ({"sink": "logging:"}, "audit.privacy.keys"),
        ({"sink": ""}, "audit.sink"),
        ({"when_full": "explode"}, "audit.when_full"),
        ({"sample": 0}, "audit.sample"),
        ({"detect": {"revoke": ["no_such_rule"]}}, "audit.detect.revoke"),
        ({"detect": {"geoip": "no-such-file.mmdb"}}, "audit.detect.geoip"),
        ({"privacy": {"ipv4_bits": 33}}, "audit.privacy.ipv4_bits"),
    ],
)
def test_mistakes_are_refused_at_start(
    make_guard: MakeGuard, audit: dict[str, Any], path: str
) -> None:
    """With the key's path."""
    with pytest.raises(ConfigurationError) as caught:
        make_guard(**audit)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_a_weakened_configuration_is_on_record(make_guard: MakeGuard, tmp_path: Path) -> None:
    """With the setting, when the trail begins; a sound one is not mentioned."""
    with make_guard() as sound:
        run(sound.identify(view("a.b.c")))
    assert "configuration_weakened" not in (tmp_path / "audit.jsonl").read_text()
    config = dataclasses.replace(
        sound.config, store=dataclasses.replace(sound.config.store, fail_open=True)
    )
    with Guard(config) as weak:
        run(weak.identify(view("a.b.c")))
    records = lines(tmp_path / "audit.jsonl")
    told = [record for record in records if record["class_uid"] == 3004]
    assert [record["entity"]["name"] for record in told] == ["store.fail_open"]

"""Events as OCSF and ECS."""

from typing import Any

import msgspec
import pytest

from jwt_guard.audit.chain import unlinked
from jwt_guard.audit.ecs import EcsEncoder
from jwt_guard.audit.facts import Fact, Presented
from jwt_guard.audit.observer import EventName
from jwt_guard.audit.ocsf import OcsfEncoder
from jwt_guard.audit.privacy import PlainNames
from jwt_guard.audit.reading import fact_of
from jwt_guard.audit.shown import OWN, Shower, Showing, own_record
from jwt_guard.audit.sinks import Encoder

NAMES = ["authenticated", "refused", "denied", *(name.value for name in EventName)]
ENCODERS: list[Encoder] = [
    OcsfEncoder(service="api", version="1"),
    EcsEncoder(service="api", version="1"),
]
FULL = Fact(
    time=1_790_000_000.25,
    name="authenticated",
    issuer="https://app.example.test",
    subject="ada",
    tenant="acme",
    client_id="web",
    session="sid-1",
    token="jti-1",
    address="192.0.2.77",
    agent="curl/8",
    method="GET",
    path="/me",
)
# What the schema of OCSF 1.8.0 requires of each class, besides what it requires of all.
REQUIRED = {
    1008: {"log_name"},
    2004: {"finding_info"},
    3002: {"user", "service", "src_endpoint"},
    3004: {"entity"},
    6003: {"actor", "api", "src_endpoint"},
    6008: set[str](),
}
OF_ALL = {
    "activity_id",
    "category_uid",
    "class_uid",
    "metadata",
    "severity_id",
    "time",
    "type_uid",
}


def record(fact: Fact, encoder: Any = ENCODERS[0]) -> dict[str, Any]:
    """A fact as a record of its own."""
    shown = Shower(PlainNames(), Showing()).show(fact)
    parsed: dict[str, Any] = msgspec.json.decode(unlinked(encoder.encode(shown), 7))
    return parsed


def named(name: str, **changes: Any) -> Fact:
    """The full fact by another name."""
    return msgspec.structs.replace(FULL, name=name, **changes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bare", [False, True])
def test_every_event_has_what_ocsf_requires_of_its_class(name: str, bare: bool) -> None:
    """The envelope is complete and consistent, also where nothing but the name is known."""
    event = record(Fact(time=1.0, name=name) if bare else named(name))
    assert event.keys() >= OF_ALL | REQUIRED[event["class_uid"]]
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert event["category_uid"] == event["class_uid"] // 1000
    assert event["metadata"]["version"] == "1.8.0"
    assert event["metadata"]["sequence"] == 7
    assert {"product", "uid", "profiles", "correlation_uid"} <= event["metadata"].keys()
    assert event["status_code"]


@pytest.mark.parametrize("name", sorted(OWN))
def test_the_logs_own_records_are_event_log_activity(name: str) -> None:
    """What befalls the log is told in the class that OCSF has for it."""
    for encoder in ENCODERS:
        line = unlinked(encoder.encode(own_record(name, 1.0, {"part": "x"})), 1)
        assert fact_of(line).name == name
        assert fact_of(line).detail == {"part": "x"}


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_record_tells_again_what_it_was_told(name: str, encoder: Any) -> None:
    """Both formats carry who, what, when, from where and why, and `reading` finds them."""
    told = named(name, reason="role_missing" if name == "denied" else None)
    shown = Shower(PlainNames(), Showing()).show(told)
    fact = fact_of(unlinked(encoder.encode(shown), 1))
    assert (fact.time, fact.name, fact.path) == (told.time, name, "/me")
    assert fact.address == "192.0.2.0"
    assert fact.tenant == (None if name == "refused" else "acme")
    if name == "denied":
        assert fact.reason == "role_missing"
    if name in {"authenticated", "denied", "login", "revoked"}:
        assert (fact.subject, fact.session, fact.token) == ("ada", "sid-1", "jti-1")


def test_a_refused_tokens_claims_are_nobodys() -> None:
    """The user is unverified, there is no session, and what was claimed stands apart."""
    said = Presented("c0ffee", "key-1", "root")
    event = record(Fact(time=1.0, name="refused", reason="signature_invalid", presented=said))
    assert event["user"] == {"uid": "unverified"}
    assert "session" not in event
    assert event["status_code"] == "signature_invalid"
    assert event["unmapped"]["presented"] == {
        "credential": "c0ffee",
        "kid": "key-1",
        "subject": "root",
    }


def test_a_denial_names_actor_operation_and_decision() -> None:
    """API Activity with the requirement that was not met."""
    event = record(named("denied", reason="role_missing", method="DELETE", path="/admin/users/1"))
    assert event["class_uid"] == 6003
    assert event["activity_id"] == 4
    assert event["actor"]["user"]["uid"] == "ada"
    assert event["api"] == {
        "operation": "DELETE /admin/users/1",
        "response": {"code": 403},
        "service": {"name": "api"},
    }
    assert event["authorizations"] == [{"decision": "denied", "policy": {"name": "role_missing"}}]


def test_a_denial_that_asks_to_authenticate_anew_was_answered_401() -> None:
    """RFC 9470: the record tells the status that the caller saw."""
    event = record(named("denied", reason="authentication_too_old"))
    assert event["api"]["response"] == {"code": 401}


@pytest.mark.parametrize(
    ("fact", "leads_to"),
    [
        (named("denied", trace="f" * 32), "f" * 32),
        (named("denied"), "sid-1"),
        (named("issued", session=None), "jti-1"),
        (Fact(time=1.0, name="refused", presented=Presented("c0ffee")), "c0ffee"),
        (Fact(time=1.0, name="login", subject="ada"), "ada"),
    ],
)
def test_what_belongs_together_is_correlated(fact: Fact, leads_to: str) -> None:
    """By trace, session, token, credential or subject, whichever is the narrowest."""
    assert record(fact)["metadata"]["correlation_uid"] == leads_to


def test_a_rotated_keys_thumbprint_is_told() -> None:
    """Our own key ids often are thumbprints, which look like parts of tokens."""
    kid = "_jKMRvKP-itm4JC9ausMs3R6T5lgo_bRzbZFPtclsdk"
    event = record(Fact(time=1.0, name="key_rotated", detail={"kid": kid}))
    assert event["entity"] == {"name": kid, "type": "key"}


def test_reuse_is_an_alert() -> None:
    """High severity, and marked."""
    event = record(named("reuse_detected"))
    assert event["severity_id"] == 4
    assert event["is_alert"] is True


def test_remembered_records_differ_in_id_and_time_alone() -> None:
    """What is remembered of one verified request is never told of another."""
    encoder, shower = ENCODERS[0], Shower(PlainNames(), Showing())
    facts = (FULL, named("authenticated", time=5.0), named("authenticated", path='/"time":0,'))
    first, second, third = (
        msgspec.json.decode(unlinked(encoder.encode(shower.show(fact)), 1)) for fact in facts
    )
    assert second["time"] == 5000
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert third["http_request"]["url"]["path"] == '/"time":0,'
    assert third["time"] == first["time"]


def test_claims_are_written_by_allow_list_alone() -> None:
    """Nothing of the claims unless it is named; what is named is clean and bounded."""
    from jwt_guard.principal import Principal

    payload = b'{"email":"ada@example.test","plan":"gold","big":"' + b"x" * 9000 + b'"}'
    principal = Principal(subject="ada", issuer="i", expires_at=1, payload=payload)
    fact = msgspec.structs.replace(FULL, principal=principal)
    shown = Shower(PlainNames(), Showing(claims=("plan", "big", "absent"))).show(fact)
    event = msgspec.json.decode(unlinked(ENCODERS[0].encode(shown), 1))
    assert event["unmapped"]["claims"]["plan"] == "gold"
    assert len(event["unmapped"]["claims"]["big"]) <= 256
    assert "absent" not in event["unmapped"]["claims"]
    assert "example.test" not in str(record(fact)["unmapped"])


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"null", b'{"metadata":1}', b'{"event":{}}', b"[" * 9999]
)
def test_what_is_no_record_is_said_to_be_none(line: bytes) -> None:
    """A bad line raises what the readers expect and nothing else."""
    from jwt_guard.audit.reading import BadRecord

    with pytest.raises(BadRecord):
        fact_of(line)

"""What is learnt of an issuer's spelling makes answers faster, never other ones."""

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwt_guard import Refusal
from jwt_guard.principal import Principal
from jwt_guard.tokens import layout
from jwt_guard.tokens.claims import ClaimRules
from jwt_guard.tokens.compact import decode_object
from jwt_guard.tokens.form import Form
from jwt_guard.tokens.layout import Learner
from jwt_guard.tokens.presets import PROFILES
from jwt_guard.tokens.profiles import ClaimPath
from tests.support import tokens
from tests.support.differential import mutated_payloads

ODD_CLAIMS: dict[str, Any] = {
    "realm_access": {"roles": ["x"], "n": None},
    "numbers": [1, 2.5],
    "flag": True,
    "count": 5,
    "cnf": {"jkt": "x"},
}


def _rules(profile: str = "rfc9068", **changes: Any) -> ClaimRules:
    chosen = PROFILES[profile]
    usual = {
        "profile": chosen,
        "audiences": frozenset({tokens.AUDIENCE}),
        "max_age": 86_400,
        "roles": tuple(map(ClaimPath, chosen.roles)),
        "scopes": tuple(map(ClaimPath, chosen.scopes)),
        "permissions": tuple(map(ClaimPath, chosen.permissions)),
        "tenant": ClaimPath(chosen.tenant) if chosen.tenant else None,
    }
    return ClaimRules(**{**usual, **changes})


def _payload(**changes: Any) -> bytes:
    return msgspec.json.encode(tokens.claims(**changes))


def _verdict(rules: ClaimRules, payload: bytes) -> Principal | str:
    try:
        known, claims = rules.form.read(payload)
        return rules.principal(known, claims, payload, tokens.NOW)
    except Refusal as refusal:
        return str(refusal)


def _is_quick(form: Form, payload: bytes, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a payload is read without the careful way."""
    careful: list[bytes] = []

    def noted(raw: bytes) -> dict[str, Any]:
        careful.append(raw)
        return decode_object(raw)

    with monkeypatch.context() as patched:
        patched.setattr("jwt_guard.tokens.form.decode_object", noted)
        form.read(payload)
    return not careful


@pytest.mark.parametrize("more", [{}, ODD_CLAIMS], ids=["flat", "nested"])
def test_the_second_token_is_read_quickly(more: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One token is example enough, whatever the values are in others, or are left out."""
    form = _rules().form
    form.read(_payload(**more, roles=["a"], scope="a b", tenant="acme"))
    assert _is_quick(form, _payload(**more, roles=["b", "c"], sub="é"), monkeypatch)
    assert not _is_quick(form, _payload(**more, extra="new"), monkeypatch)
    assert _is_quick(form, _payload(**more, scope="a"), monkeypatch)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(3))
def test_what_was_learnt_changes_no_verdict(profile: str, seed: int) -> None:
    """Of the same payload, rules that have learnt of others say what rules without memory say."""
    rng = random.Random(seed)
    learnt = _rules(profile)
    for payload in mutated_payloads(rng, 300, typ="Bearer", cid="c", azp="c", tid="t"):
        assert _verdict(learnt, payload) == _verdict(_rules(profile), payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = st.sampled_from([*tokens.claims(), "roles", "scope", "cnf", "nbf", "x", "y", 'q"', "é"])


@given(st.lists(st.dictionaries(NAMES, JSON, max_size=4), min_size=2, max_size=6))
def test_no_claims_are_read_in_another_way_for_those_before(changes: list[dict[str, Any]]) -> None:
    """Whatever stands in them."""
    learnt = _rules()
    for each in changes:
        payload = json.dumps({**tokens.claims(), **each}, separators=(",", ":")).encode()
        assert _verdict(learnt, payload) == _verdict(_rules(), payload)


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "a claim twice": lambda good: good[:-1] + b',"sub":"eve"}',
    "a claim twice, first": lambda good: b'{"sub":"eve",' + good[1:],
    "the other issuer first": lambda good: b'{"iss":"https://evil.example.test",' + good[1:],
    "a member within twice": lambda good: good.replace(b'"n":null', b'"n":null,"n":null'),
    "a long integer within": lambda good: good.replace(b'"n":null', b'"n":' + b"9" * 30),
    "a long time": lambda good: good.replace(b'"exp":', b'"exp":' + b"9" * 30),
    "deep nesting within": lambda good: good.replace(b'"n":null', b'"n":' + b"[" * 40 + b"]" * 40),
    "bytes that are no UTF-8": lambda good: good.replace(b"ada", b"\xffda"),
    "half a surrogate": lambda good: good.replace(b"ada", b"\\ud800"),
    "text behind": lambda good: good + b"{}",
    "nothing": lambda good: b"",
    "no object": lambda good: b"[" + good + b"]",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_layout_lets_nothing_malformed_pass(kind: str) -> None:
    """What follows the layout but for one flaw is refused as by rules without memory."""
    rules, good = _rules(), _payload(**ODD_CLAIMS)
    assert isinstance(_verdict(rules, good), Principal)
    assert isinstance(_verdict(rules, good), Principal)
    bad = MALFORMED[kind](good)
    assert bad != good
    assert _verdict(rules, bad) == _verdict(_rules(), bad)
    assert isinstance(_verdict(rules, bad), str)


def test_a_claim_of_null_binds_too() -> None:
    """`cnf` counts as soon as it is there, quickly or not."""
    rules = _rules()
    for value in (tokens.ABSENT, tokens.ABSENT, None, None, {"jkt": "x"}, {"jkt": "x"}):
        caller = _verdict(rules, _payload(cnf=value))
        assert isinstance(caller, Principal)
        assert caller.is_bound is (value is not tokens.ABSENT)


def test_learning_ends() -> None:
    """An issuer that knows no order costs a few attempts, and then none."""
    learner = Learner({})
    for number in range(20):
        claims = {f"claim-{number}": number}
        learner.learn(claims, msgspec.json.encode(claims))
    assert learner.layout is not None
    assert "claim-7" in learner.layout.names
    assert "claim-8" not in learner.layout.names


def test_what_cannot_be_a_layout_is_none() -> None:
    """Names that have to be escaped, too many names, text spelt in another way than ours."""
    many = {f"claim-{number}": 1 for number in range(65)}
    for claims in ({'"': 1}, many):
        learner = Learner({})
        learner.learn(claims, msgspec.json.encode(claims))
        assert learner.layout is None
    learner = Learner({})
    learner.learn({"a": 1}, b'{"a": 1}')
    assert learner.layout is None


def test_layouts_do_not_grow_with_what_is_left_out() -> None:
    """Names of earlier tokens are kept only while there are few."""
    learner = Learner({})
    for number in range(3):
        claims = {f"claim-{number}-{at}": at for at in range(40)}
        learner.learn(claims, msgspec.json.encode(claims))
    assert learner.layout is not None
    assert len(learner.layout.names) <= layout.MOST_NAMES

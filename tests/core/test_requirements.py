"""What a route asks of its caller, alone and combined."""

import itertools
import json
from typing import Any

import pytest

from jwt_guard import (
    Principal,
    Reason,
    Refusal,
    Requirement,
    acr,
    authenticated,
    claim,
    fresh,
    permission,
    role,
    scope,
    tenant,
)
from jwt_guard.requirements import Context, RoleHierarchy

NOW = 1_000_000.0
HIERARCHY = RoleHierarchy({"admin": ["analyst"], "analyst": ["viewer"], "a": ["b"], "b": ["a"]})
YES = authenticated()
NO = Requirement(lambda context: Refusal(Reason.ROLE_MISSING), "no()")


def _caller(*, claims: dict[str, Any] | None = None, **facts: Any) -> Principal:
    payload = json.dumps(claims or {}).encode()
    return Principal(
        **{"subject": "ada", "issuer": "i", "expires_at": NOW + 60, "payload": payload, **facts}
    )


def _check(
    requirement: Requirement, path_params: dict[str, Any] | None = None, **facts: Any
) -> Reason | None:
    context = Context(_caller(**facts), HIERARCHY, path_params or {}, NOW)
    refusal = requirement.check(context)
    return None if refusal is None else refusal.reason


def _roles(*names: str) -> dict[str, Any]:
    return {"roles": frozenset(names)}


@pytest.mark.parametrize(
    ("held", "wanted", "met"),
    [
        (["admin"], "admin", True),
        (["admin"], "analyst", True),
        (["admin"], "viewer", True),
        (["viewer"], "admin", False),
        (["analyst"], "admin", False),
        (["Admin"], "admin", False),
        (["admin "], "admin", False),
        (["adm"], "admin", False),
        ([], "viewer", False),
        (["a"], "b", True),
        (["b"], "a", True),
        (["a"], "viewer", False),
    ],
)
def test_F12_roles_are_held_or_implied(held: list[str], wanted: str, met: bool) -> None:
    """Implication is transitive, goes one way, survives circles, and compares whole names."""
    assert _check(role(wanted), **_roles(*held)) == (None if met else Reason.ROLE_MISSING)


def test_one_of_several_roles_is_enough() -> None:
    """`role(a, b)` means either."""
    assert _check(role("x", "viewer"), **_roles("viewer")) is None
    assert _check(role("x", "y"), **_roles("viewer")) is Reason.ROLE_MISSING


def test_all_scopes_and_permissions_are_needed() -> None:
    """Each of those named; the challenge tells which scopes."""
    assert _check(scope("a", "b"), scopes=frozenset("abc")) is None
    assert _check(scope("a", "b"), scopes=frozenset("a")) is Reason.SCOPE_MISSING
    assert _check(permission("a"), permissions=frozenset("a")) is None
    assert _check(permission("a", "b"), permissions=frozenset("a")) is Reason.PERMISSION_MISSING
    refusal = scope("b", "a").check(Context(_caller()))
    assert refusal is not None
    assert (refusal.scope, refusal.status, refusal.error) == ("b a", 403, "insufficient_scope")


@pytest.mark.parametrize(
    ("requirement", "claims", "met"),
    [
        (claim("x"), {"x": None}, True),
        (claim("x"), {}, False),
        (claim("x", 1), {"x": 1}, True),
        (claim("x", 1), {"x": 1.0}, True),
        (claim("x", 1), {"x": True}, False),
        (claim("x", True), {"x": 1}, False),
        (claim("x", False), {"x": 0}, False),
        (claim("x", "1"), {"x": 1}, False),
        (claim("x", "a", "b"), {"x": "b"}, True),
        (claim("x", "a"), {"x": ["a"]}, False),
        (claim("x", None), {"x": None}, True),
        (claim("x", None), {}, False),
        (claim("x", [1]), {"x": [1]}, True),
        (claim("x", [1]), {"x": [True]}, False),
        (claim("x", {"y": [0]}), {"x": {"y": [False]}}, False),
    ],
)
def test_claims_compare_by_type_and_value(
    requirement: Requirement, claims: dict[str, Any], met: bool
) -> None:
    """As JSON does, at every depth."""
    assert _check(requirement, claims=claims) == (None if met else Reason.CLAIM_MISMATCH)


@pytest.mark.parametrize(
    ("requirement", "own", "path", "met"),
    [
        (tenant(path="t"), "acme", {"t": "acme"}, True),
        (tenant(path="t"), "acme", {"t": "globex"}, False),
        (tenant(path="t"), "acme", {"t": "ACME"}, False),
        (tenant(path="t"), "acme", {}, False),
        (tenant(path="t"), None, {}, False),
        (tenant(path="t"), None, {"t": None}, False),
        (tenant("acme", "globex"), "globex", {}, True),
        (tenant("acme"), "globex", {"acme": "globex"}, False),
        (tenant("acme"), None, {}, False),
    ],
)
def test_F13_the_tenant_is_that_of_the_path(
    requirement: Requirement, own: str | None, path: dict[str, Any], met: bool
) -> None:
    """No tenant matches no path, and a missing parameter matches nobody."""
    assert _check(requirement, path, tenant=own) == (None if met else Reason.TENANT_MISMATCH)


def test_a_route_without_the_parameter_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """For whoever mistyped it; callers are refused all the same."""
    wanted = tenant(path="tennant")
    for _ in range(2):
        assert _check(wanted, {"tenant": "acme"}, tenant="acme") is Reason.TENANT_MISMATCH
    assert caplog.text.count("no parameter 'tennant'") == 1


@pytest.mark.parametrize(
    ("age", "met"), [(0, True), (299.9, True), (300, True), (300.1, False), (None, False)]
)
def test_freshness_is_exact(age: float | None, met: bool) -> None:
    """Up to the limit, from `auth_time` alone; else the step-up challenge of RFC 9470."""
    at = None if age is None else NOW - age
    reason = _check(fresh(minutes=4, seconds=60), authenticated_at=at)
    assert reason == (None if met else Reason.AUTHENTICATION_TOO_OLD)
    refusal = fresh(minutes=5).check(Context(_caller()))
    assert refusal is not None
    assert (refusal.max_age, refusal.status) == (300, 401)


def test_the_authentication_context_is_one_of_those_named() -> None:
    """Else the challenge names them."""
    assert _check(acr("mfa", "phr"), acr="phr") is None
    assert _check(acr("mfa"), acr="pwd") is Reason.AUTHENTICATION_TOO_WEAK
    assert _check(acr("mfa")) is Reason.AUTHENTICATION_TOO_WEAK
    refusal = acr("mfa", "phr").check(Context(_caller()))
    assert refusal is not None
    assert (refusal.acr_values, refusal.error) == ("mfa phr", "insufficient_user_authentication")


@pytest.mark.parametrize(("left", "right"), list(itertools.product([True, False], repeat=2)))
def test_the_algebra_is_boolean(left: bool, right: bool) -> None:
    """And, or, not, and both laws of De Morgan."""
    a, b = (YES if left else NO), (YES if right else NO)

    def met(requirement: Requirement) -> bool:
        return _check(requirement) is None

    assert met(a & b) is (left and right)
    assert met(a | b) is (left or right)
    assert met(~a) is (not left)
    assert met(~~a) is left
    assert met(~(a & b)) is met(~a | ~b)
    assert met(~(a | b)) is met(~a & ~b)


def test_the_first_refusal_is_told() -> None:
    """Of `&` the first that fails, of `|` the one that was written first."""
    assert _check(scope("x") & role("y")) is Reason.SCOPE_MISSING
    assert _check(role("y") & scope("x")) is Reason.ROLE_MISSING
    assert _check(role("y") | scope("x")) is Reason.ROLE_MISSING
    assert _check(~authenticated()) is Reason.REQUIREMENT_FAILED


def test_a_requirement_reads_as_it_was_written() -> None:
    """For logs and tests."""
    requirement = role("a") & ~scope("b", "c") | tenant(path="t")
    assert str(requirement) == repr(requirement)
    assert str(requirement) == "((role('a') & ~scope('b', 'c')) | tenant(path='t'))"
    assert str(fresh(minutes=1)) == "fresh(seconds=60)"
    assert str(claim("x", 1)) == "claim('x', 1)"


@pytest.mark.parametrize(
    "wrong",
    [
        role,
        lambda: scope(""),
        lambda: permission(5),  # type: ignore[arg-type]
        acr,
        tenant,
        lambda: tenant("a", path="t"),
        lambda: bool(role("a")),
        lambda: role("a") and scope("b"),
    ],
)
def test_a_requirement_that_asks_nothing_is_a_mistake(wrong: Any) -> None:
    """It is found where it is written, not where it is checked."""
    with pytest.raises(TypeError):
        wrong()


@pytest.mark.parametrize("limit", [0, -1])
def test_no_time_is_no_freshness(limit: float) -> None:
    """A limit of zero would refuse everybody."""
    with pytest.raises(ValueError, match="above zero"):
        fresh(minutes=limit)

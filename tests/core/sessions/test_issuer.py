"""What the issuer of access tokens adds for sessions: authentication, policies, further claims."""

from collections.abc import Mapping
from typing import Any

import pytest

from jwt_guard.flow import run
from jwt_guard.sessions import Authentication, User
from jwt_guard.tokens.lifetimes import LifetimePolicy, LifetimeRules, Lifetimes
from tests.core.sessions.conftest import WEB, App


def test_access_tokens_say_how_the_user_authenticated(app: App) -> None:
    """`auth_time`, `acr` and `amr` (RFC 9068 section 2.2.1), the same after each refresh."""
    how = Authentication(time=app.clock() - 60.5, acr="aal2", amr=["pwd", "otp"])
    grant = run(app.sessions.start("ada", client=WEB, authentication=how))
    app.clock.now += 3600
    grant = app.refresh(grant.refresh_token)
    caller = app.guard.verify(grant.access_token)
    assert caller.authenticated_at == int(app.clock() - 3660.5)
    assert caller.acr == "aal2"
    assert caller.claims["amr"] == ["pwd", "otp"]


def test_each_access_token_has_a_jti_of_its_own(app: App) -> None:
    """Also those that a race draws from one refresh token."""
    grant = app.login()
    drawn = [app.refresh(grant.refresh_token) for _ in range(3)]
    assert len({app.guard.verify(each.access_token).token_id for each in drawn}) == 3


def test_further_claims_come_with_the_user_or_by_a_hook(app: App) -> None:
    """The hook sees what is decided, and adds to it."""

    def more(claims: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"shard": f"{claims['tenant']}-1"}

    assert app.guard.issuer is not None
    app.guard.issuer.more_claims = more
    grant = run(
        app.sessions.start("ada", client=WEB, user=User(tenant="acme", claims={"plan": "gold"}))
    )
    claims = app.guard.verify(grant.access_token).claims
    assert (claims["plan"], claims["shard"]) == ("gold", "acme-1")


@pytest.mark.parametrize("name", ["sub", "exp", "sid", "roles", "tenant", "auth_time"])
def test_a_hook_changes_nothing_that_is_decided(app: App, name: str) -> None:
    """It is the application's mistake, and says so."""
    assert app.guard.issuer is not None
    app.guard.issuer.more_claims = lambda claims: {name: "mine"}
    with pytest.raises(ValueError, match=name):
        run(app.sessions.start("ada", client=WEB, user=User(roles=["admin"], tenant="acme")))


def test_a_policy_may_be_longer_than_what_is_usual() -> None:
    """Of those that apply the shortest counts, and only of those."""
    rules = LifetimeRules(
        Lifetimes(access=300, idle=1000, absolute=5000),
        [
            LifetimePolicy(clients=frozenset({"phone"}), access=900),
            LifetimePolicy(roles=frozenset({"admin"}), access=60, idle=500),
            LifetimePolicy(tenants=frozenset({"acme"}), absolute=9000),
        ],
    )
    assert rules.of("web", [], None) == Lifetimes(access=300, idle=1000, absolute=5000)
    assert rules.of("phone", [], "acme") == Lifetimes(access=900, idle=1000, absolute=9000)
    assert rules.of("phone", ["admin"], None) == Lifetimes(access=60, idle=500, absolute=5000)
    assert rules.longest() == Lifetimes(access=900, idle=1000, absolute=9000)

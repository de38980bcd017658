"""Group G where it needs no login route: what is revoked or over is refused on the next request."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jwt_guard.flow import run
from tests.conformance.clients.base import Client
from tests.conformance.conftest import MAKERS, Api
from tests.conformance.expect import INVALID_REQUEST, refused, served
from tests.support.tokens import ISSUER, NOW, Clock, claims, forge, key, mint

HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "ES256-main"}


@pytest.fixture(params=[(name, size) for name in MAKERS for size in (1000, 0)], ids=str)
def client(
    request: pytest.FixtureRequest, make_client: Callable[..., Client], clock: Clock
) -> Iterator[Client]:
    """Every framework, with the cache on and off, each with a store of its own."""
    name, size = request.param
    made = make_client(name, "all", size)
    with made.in_force():
        yield made


def revoke(client: Client, what: str, *names: Any, **more: Any) -> None:
    """Revoke something of the tests' issuer."""
    run(getattr(client.application.guard.revocations, what)(*names, **more))


def test_G3_a_subject_cut_off(client: Client, clock: Clock) -> None:
    """After a change of password all older tokens of the subject end, younger ones are good."""
    api, token, other = Api(client), mint(sub="changed"), mint(sub="unchanged")
    served(api.get("/me", token), "changed")
    revoke(client, "revoke_subject", "changed", issuer=ISSUER)
    refused(api.get("/me", token))
    served(api.get("/me", other), "unchanged")
    clock.now = NOW + 60
    served(api.get("/me", mint(sub="changed", iat=NOW + 60, exp=NOW + 300)), "changed")


def test_G9_cached_then_revoked(client: Client) -> None:
    """A token that was served many times is refused on the request after it was revoked."""
    api, token = Api(client), mint(jti="to be revoked")
    for _ in range(3):
        served(api.get("/me", token))
    revoke(client, "revoke_token", "to be revoked", expires_at=NOW + 600, issuer=ISSUER)
    refused(api.get("/me", token))


def test_G10_cached_past_its_expiry(client: Client, clock: Clock) -> None:
    """A remembered token is no longer good than it says."""
    api, token = Api(client), mint(exp=NOW + 100)
    served(api.get("/me", token))
    clock.now = NOW + 106
    refused(api.get("/me", token))


def test_G11_every_token_has_its_own_claims(client: Client) -> None:
    """However alike two tokens are, nobody gets another's principal."""
    api = Api(client)
    for _ in range(2):
        for number in range(50):
            served(api.get("/me", mint(sub=f"s{number}")), f"s{number}")


def test_G12_a_revoked_token_spelled_anew(client: Client) -> None:
    """A revoked token is known by what it says, not by its text."""
    api = Api(client)
    body = claims(jti="spelled anew", sub="ada")
    first, second = (forge(HEADER, body, signing_key=key("ES256")) for _ in range(2))
    assert first != second
    served(api.get("/me", first))
    revoke(client, "revoke_token", "spelled anew", expires_at=NOW + 600, issuer=ISSUER)
    for token in (first, second):
        refused(api.get("/me", token))
    for spelling in (f"{first}=", f"{first}.", f" {first}"):
        refused(api.get("/me", spelling))
    refused(api.get("/me", f"{first},{second}"), INVALID_REQUEST)


def test_G13_of_two_cut_offs_the_later_wins(client: Client, clock: Clock) -> None:
    """A narrow cut-off after a wide one counts, and neither makes the other earlier."""
    api = Api(client)
    old = mint(sub="both", tenant="levels")
    clock.now = NOW + 60
    revoke(client, "revoke_tenant", "levels")
    between = mint(sub="both", tenant="levels", iat=NOW + 90, exp=NOW + 900)
    clock.now = NOW + 90
    refused(api.get("/me", old))
    served(api.get("/me", between), "both")
    clock.now = NOW + 120
    revoke(client, "revoke_subject", "both", issuer=ISSUER)
    refused(api.get("/me", between))
    clock.now = NOW + 180
    young = mint(sub="both", tenant="levels", iat=NOW + 180, exp=NOW + 900)
    served(api.get("/me", young), "both")

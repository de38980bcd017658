"""C, D and J of the playbook where keys come over the network: the same verdicts everywhere.

Each framework has a guard of its own here, which trusts a server that fails on command.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jwt_guard import Guard
from tests.conformance.clients.base import Client, Loop, Response
from tests.conformance.conftest import MAKERS
from tests.conformance.expect import refused, served
from tests.conformance.routes import Application
from tests.support import faults
from tests.support.faulty import DISCOVERY, JWKS, Fault, FaultyServer, faulty_server
from tests.support.tokens import ABSENT, AUDIENCE, ISSUER, configuration, jwk, jwks, mint, segment

__all__ = ["faulty_server"]

Ask = Callable[[str], Response]


class World:
    """A provider on loopback, a guard that trusts it, and one framework around that."""

    def __init__(self, name: str, server: FaultyServer, loop: Loop) -> None:
        self.server = server
        self._maker = MAKERS[name]
        self._loop = loop
        self._client: Client | None = None
        server.jwks = jwks("ES256", "RS256")
        self.trust()

    def trust(self, **changes: Any) -> None:
        """Start anew, with a table for the issuer that differs so."""
        entry = {
            "issuer": ISSUER,
            "keys": self.server.jwks_uri,
            "algorithms": ["ES256", "RS256"],
            "allow_http": True,
            "timeout": 1,
        }
        issuers = [entry | changes]
        self.guard = Guard.from_config({"audience": AUDIENCE, "issuers": issuers})
        other = Guard.from_config(configuration(realm="internal", routes={"protect": "marked"}))
        self._client = self._maker(Application(self.guard, other), self._loop)

    def get(self, token: str) -> Response:
        """The response to a request with this token."""
        assert self._client is not None
        with self._client.in_force():
            return self._client.request("GET", "/me", [("Authorization", f"Bearer {token}")])


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """The event loop of the asynchronous frameworks."""
    made = Loop()
    yield made
    made.close()


@pytest.fixture(params=list(MAKERS))
def world(request: pytest.FixtureRequest, faulty_server: FaultyServer, loop: Loop) -> World:
    """The same world in one framework after the other."""
    return World(request.param, faulty_server, loop)


def _unavailable(response: Response) -> None:
    """An outage: 503, a time to come back, and nothing that blames the token."""
    assert response.status == 503
    assert not response.reached
    assert response.header("content-type") == "application/problem+json"
    assert response.header("cache-control") == "no-store"
    assert response.header("www-authenticate") is None
    assert 1 <= int(response.header("retry-after") or 0) <= 300


def test_keys_are_fetched_once_for_many_requests(world: World) -> None:
    """At first use, by discovery or without."""
    for _ in range(3):
        served(world.get(mint()))
        served(world.get(mint(algorithm="RS256")))
    assert world.server.count() == 1
    world.trust(issuer=world.server.issuer, keys="discover")
    served(world.get(mint(iss=world.server.issuer)))


def test_a_request_that_meets_a_rotation_is_served(world: World) -> None:
    """The first one with the new key, and the last ones with the old."""
    served(world.get(mint()))
    world.server.jwks = {"keys": [jwk(), jwk(name="next")]}
    served(world.get(mint(name="next")))
    served(world.get(mint()))


def test_C9_a_withdrawn_key(world: World) -> None:
    """Refused, although its token was served before."""
    token = mint()
    served(world.get(token))
    world.server.jwks = {"keys": [jwk(name="next")]}
    world.guard.reload_keys()
    refused(world.get(token))


def test_D7_untrusted_issuers_cause_no_fetch(world: World) -> None:
    """Neither discovery nor keys, even on the very host that is trusted."""
    world.trust(issuer=world.server.issuer, keys="discover")
    for issuer in (
        "https://attacker.example.test",
        f"{world.server.origin}/other",
        f"{world.server.origin}/",
        world.server.origin.upper(),
        f"{world.server.origin}@attacker.example.test",
    ):
        refused(world.get(mint(iss=issuer)))
    assert world.server.hits == []


def test_D2_D4_D17_urls_in_a_token_are_never_asked(world: World) -> None:
    """Whatever names them, header or claims."""
    url = f"{world.server.origin}/attacker"
    header: dict[str, str] = dict.fromkeys(("jku", "x5u", "kid", "iss", "jwks_uri"), url)
    claims: dict[str, str] = dict.fromkeys(("jku", "jwks_uri", "azp", "iss_url", "sub"), url)
    refused(world.get(mint(claims, header=header, client_id=url)))
    assert {hit.path for hit in world.server.hits} <= {JWKS}


def test_D8_only_https_is_asked(world: World) -> None:
    """Metadata cannot point to a file, another scheme or an inner address."""
    for uri in ("file:///etc/passwd", "ftp://a.test/x", "data:,{}", "https://169.254.169.254/"):
        world.server.documents[DISCOVERY] = {
            **world.server.documents[DISCOVERY],
            "jwks_uri": uri,
        }
        world.trust(issuer=world.server.issuer, keys="discover")
        _unavailable(world.get(mint(iss=world.server.issuer)))


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_D9_redirects_are_not_followed(world: World, code: int) -> None:
    """Wherever they lead."""
    world.server.documents["/elsewhere"] = jwks()
    world.server.at(JWKS, faults.redirect("/elsewhere", code))
    _unavailable(world.get(mint()))
    assert world.server.count("/elsewhere") == 0


def test_J6_a_flood_of_random_kids(world: World) -> None:
    """At most two fetches, each of them refused, and valid requests never notice."""
    served(world.get(mint()))
    before = world.server.count()
    for number in range(40):
        refused(world.get(mint(header={"kid": f"random-{number}"})))
        served(world.get(mint()))
    assert world.server.count() - before <= 2


def test_J6_a_flood_while_the_provider_is_down(world: World) -> None:
    """Whether there is such a key cannot be told, so it is an outage; valid ones are served."""
    served(world.get(mint()))
    world.server.refuse()
    before = world.guard.key_stats()[ISSUER].loads
    for number in range(40):
        _unavailable(world.get(mint(header={"kid": f"random-{number}"})))
        served(world.get(mint()))
    assert world.guard.key_stats()[ISSUER].loads - before <= 2


@pytest.mark.parametrize(
    "bad",
    [
        {"kty": "RSA", "n": "AQ", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "unknown"},
        "no key",
    ],
)
def test_J7_one_malformed_key(world: World, bad: Any) -> None:
    """Skipped; the others serve."""
    world.server.at(JWKS, faults.one_bad_key(bad))
    served(world.get(mint()))


def test_J8_an_oversized_key(world: World) -> None:
    """Not used, in bounded time; the others serve."""
    modulus = segment((2**65536 + 1).to_bytes(8193, "big"))
    huge = {"kty": "RSA", "n": modulus, "e": "AQAB", "kid": "huge", "alg": "RS256"}
    world.server.at(JWKS, faults.one_bad_key(huge))
    served(world.get(mint()))
    refused(world.get(mint(algorithm="RS256", header={"kid": "huge"})))


@pytest.mark.parametrize(
    "fault",
    [
        faults.hanging,
        faults.dribbling(0.01),
        faults.huge(),
        faults.empty_keys,
        faults.html,
        faults.truncated,
        faults.bomb(),
        faults.status(500),
    ],
    ids=lambda fault: getattr(fault, "__qualname__", "fault"),
)
def test_J9_the_last_good_keys_are_kept(world: World, fault: Fault) -> None:
    """Whatever the provider sends instead."""
    served(world.get(mint()))
    world.server.at(JWKS, fault)
    assert not any(world.guard.reload_keys().values())
    served(world.get(mint()))


def test_J10_down_at_start(world: World) -> None:
    """503 with Retry-After, and well again without a restart."""
    world.server.refuse()
    _unavailable(world.get(mint()))
    world.server.accept()
    assert all(world.guard.reload_keys().values())
    served(world.get(mint()))


def test_bad_tokens_are_bad_during_an_outage_too(world: World) -> None:
    """What is wrong without any key is 401."""
    served(world.get(mint()))
    world.server.refuse()
    refused(world.get(mint(exp=1)))
    refused(world.get(mint(aud="somebody-else")))
    refused(world.get(mint(iss=ABSENT)))
    refused(world.get("nonsense"))

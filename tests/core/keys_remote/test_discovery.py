"""Keys by way of an issuer's metadata, and the issuers of a real provider."""

import asyncio
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

import pytest

from jwt_guard import ConfigurationError, Guard
from jwt_guard.flow import run
from jwt_guard.keys.discovery import Discovery
from jwt_guard.keys.documents import KeysNotLoaded
from jwt_guard.keys.reach import Reach
from tests.core.keys_remote.support import averdict, until, verdict
from tests.support import faults
from tests.support.faulty import DISCOVERY, JWKS, OAUTH_METADATA, FaultyServer
from tests.support.oidc import OIDCProvider, resource
from tests.support.tokens import AUDIENCE, configuration, jwk, jwks, mint

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA")


def _guard(issuer: str, **changes: Any) -> Guard:
    entry = {"issuer": issuer, "keys": "discover", "algorithms": ["ES256"], "allow_http": True}
    return Guard.from_config({"audience": AUDIENCE, "issuers": [entry | changes]})


@pytest.fixture
def server(faulty_server: FaultyServer) -> FaultyServer:
    """A server with good metadata and a good key."""
    faulty_server.jwks = jwks()
    return faulty_server


def _with(server: FaultyServer, path: str = DISCOVERY, **changes: Any) -> None:
    document = {**server.documents[path], **changes}
    server.documents[path] = {k: v for k, v in document.items() if v is not None}


def test_keys_are_found_by_the_metadata(server: FaultyServer) -> None:
    """The metadata are read once, the keys behind them every time."""
    guard = _guard(server.issuer)
    token = mint(iss=server.issuer)
    assert verdict(guard, token) == "ada"
    server.jwks = {"keys": [jwk(), jwk(name="next")]}
    assert verdict(guard, mint(iss=server.issuer, name="next")) == "ada"
    assert [hit.path for hit in server.hits] == [DISCOVERY, JWKS, JWKS]


async def test_keys_are_found_on_the_loop_too(server: FaultyServer) -> None:
    """The same by the other driver."""
    assert await averdict(_guard(server.issuer), mint(iss=server.issuer)) == "ada"


def test_oauth_metadata_serve_where_there_are_no_openid_ones(server: FaultyServer) -> None:
    """RFC 8414 says where they stand."""
    server.at(DISCOVERY, faults.status(404))
    assert verdict(_guard(server.issuer), mint(iss=server.issuer)) == "ada"
    assert [hit.path for hit in server.hits] == [DISCOVERY, OAUTH_METADATA, JWKS]


def test_oauth_metadata_of_an_issuer_with_a_path_stand_before_it(server: FaultyServer) -> None:
    """`/.well-known/...` comes between host and path (RFC 8414 section 3.1)."""
    issuer = f"{server.origin}/tenant/one"
    server.documents[f"{OAUTH_METADATA}/tenant/one"] = {
        **server.documents[OAUTH_METADATA],
        "issuer": issuer,
    }
    assert verdict(_guard(issuer), mint(iss=issuer)) == "ada"


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://attacker.example.test"},
        {"issuer": None},
        {"issuer": 5},
        {"jwks_uri": None},
        {"jwks_uri": ["https://a"]},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://issuer.example.test/jwks"},
        {"jwks_uri": "https://169.254.169.254/jwks"},
        {"jwks_uri": "https://user@issuer.example.test/jwks"},
    ],
)
def test_metadata_that_are_not_to_be_believed(
    server: FaultyServer, changes: dict[str, Any]
) -> None:
    """Another issuer, no key set, or one that may not be asked: an outage, and no other fetch."""
    _with(server, **changes)
    assert verdict(_guard(server.issuer), mint(iss=server.issuer)) == "keys_unavailable"
    assert [hit.path for hit in server.hits] == [DISCOVERY]


def test_the_issuer_is_compared_exactly(server: FaultyServer) -> None:
    """A slash more is another issuer."""
    _with(server, issuer=server.issuer + "/")
    assert verdict(_guard(server.issuer), mint(iss=server.issuer)) == "keys_unavailable"


@pytest.mark.parametrize(
    "fault",
    [faults.html, faults.not_an_object, faults.deeply_nested, faults.wrong_issuer()],
)
def test_metadata_that_are_none(server: FaultyServer, fault: Any) -> None:
    """Whatever stands there instead is an outage."""
    server.at(DISCOVERY, fault)
    assert verdict(_guard(server.issuer), mint(iss=server.issuer)) == "keys_unavailable"
    assert server.count(JWKS) == 0


def test_metadata_are_read_again_after_a_failure(server: FaultyServer) -> None:
    """Keys that have moved are found."""
    guard = _guard(server.issuer)
    assert verdict(guard, mint(iss=server.issuer)) == "ada"
    server.documents["/moved"] = server.documents.pop(JWKS)
    _with(server, jwks_uri=f"{server.origin}/moved")
    assert list(guard.reload_keys().values()) == [False]
    assert list(guard.reload_keys().values()) == [True]
    assert server.count("/moved") == 1


class _Metadata(Discovery):
    """Metadata that need no network."""

    def __init__(self, issuer: str, document: Any) -> None:
        super().__init__(issuer, reach=Reach())
        self.body = json.dumps(document).encode()

    def _get(self, url: str, deadline: float) -> Any:
        return self.body
        yield


GOOD = {
    "issuer": "https://issuer.example.test",
    "jwks_uri": "https://issuer.example.test/jwks",
    "authorization_endpoint": "http://insecure.example.test/",
    "scopes_supported": 5,
}


def test_members_that_we_do_not_use_are_not_ours_to_judge() -> None:
    """A provider with a flaw elsewhere in its metadata still verifies."""
    found = run(_Metadata("https://issuer.example.test", GOOD).jwks_uri(time.monotonic() + 1))
    assert found == GOOD["jwks_uri"]


def test_an_issuer_with_a_query_is_none() -> None:
    """Authlib's model of RFC 8414 section 2 says so."""
    issuer = "https://issuer.example.test?x=1"
    with pytest.raises(KeysNotLoaded, match="issuer"):
        run(_Metadata(issuer, {**GOOD, "issuer": issuer}).jwks_uri(time.monotonic() + 1))


# A real provider


def _trusting(provider: OIDCProvider, **changes: Any) -> Guard:
    entry = {
        "issuer": provider.issuer,
        "keys": "discover",
        "algorithms": ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
        "allow_http": True,
    }
    audience = [resource(algorithm) for algorithm in (*ALGORITHMS, "Ed25519")]
    return Guard.from_config({"audience": audience, "issuers": [entry | changes]})


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "Ed25519"])
def test_a_real_providers_tokens_are_verified(oidc_provider: OIDCProvider, algorithm: str) -> None:
    """Every algorithm that it signs with, by discovery."""
    guard = _trusting(oidc_provider)
    token = oidc_provider.access_token(algorithm)
    assert guard.verify(token).issuer == oidc_provider.issuer


class _Askers:
    """Three threads and an event loop that verify any of these tokens, over and over."""

    def __init__(self, guard: Guard, tokens: list[str]) -> None:
        self.outcomes: set[str] = set()
        self._guard = guard
        self._tokens = tokens
        self._done = threading.Event()
        works = [self._ask] * 3 + [lambda: asyncio.run(self._aask())]
        self._threads = [threading.Thread(target=work) for work in works]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while not self._done.is_set():
            self.outcomes.add(verdict(self._guard, random.choice(self._tokens)))
            time.sleep(0.001)

    async def _aask(self) -> None:
        while not self._done.is_set():
            self.outcomes.add(await averdict(self._guard, random.choice(self._tokens)))
            await asyncio.sleep(0.001)

    def stop(self) -> None:
        """End, and have ended."""
        self._done.set()
        for thread in self._threads:
            thread.join()


def test_a_real_provider_rotates_while_requests_run(fresh_oidc_provider: OIDCProvider) -> None:
    """Not one request with a good token is refused, old or new, of six algorithms, by any driver.

    Both rotations come within the half minute in which two fetches are allowed.
    """
    provider = fresh_oidc_provider
    guard = _trusting(provider)
    tokens = [provider.access_token(algorithm) for algorithm in ALGORITHMS]
    askers = _Askers(guard, tokens)
    for _ in range(2):
        time.sleep(1.1)
        for algorithm in ALGORITHMS:
            provider.rotate(algorithm)
        tokens += [provider.access_token(algorithm) for algorithm in ALGORITHMS]
    time.sleep(0.5)
    askers.stop()
    assert askers.outcomes == {"service"}
    assert provider.count("jwks") == 3


def test_a_real_provider_goes_down_and_comes_back(fresh_oidc_provider: OIDCProvider) -> None:
    """Good tokens never notice, unknown keys are 503, and the return needs no restart."""
    provider = fresh_oidc_provider
    guard = _trusting(provider)
    token = provider.access_token()
    subject = guard.verify(token).subject
    provider.rotate()
    rotated = provider.access_token()
    provider.close()
    assert verdict(guard, rotated) == "keys_unavailable"
    assert verdict(guard, token) == subject
    provider.open()
    assert list(guard.reload_keys().values()) == [True]
    assert verdict(guard, rotated) == subject


async def test_a_slow_real_provider_is_asked_once_by_many(
    fresh_oidc_provider: OIDCProvider,
) -> None:
    """Twenty at once at a cold start."""
    provider = fresh_oidc_provider
    token = provider.access_token()
    provider.fault("jwks", delay=0.5)
    guard = _trusting(provider)
    verdicts = await asyncio.gather(*(averdict(guard, token) for _ in range(20)))
    assert len(set(verdicts)) == 1
    assert "_" not in verdicts[0]
    assert provider.count("jwks") == 1


# Which issuers


def _tenanted(server: FaultyServer, *tenants: str) -> dict[str, Any]:
    entry = {
        "issuer": f"{server.origin}/{{tenant}}/v2",
        "keys": f"{server.origin}/{{tenant}}/keys",
        "tenants": list(tenants),
        "algorithms": ["ES256"],
        "allow_http": True,
    }
    return {"audience": AUDIENCE, "issuers": [entry]}


def test_a_template_makes_an_issuer_of_each_tenant_and_of_nobody_else(
    server: FaultyServer,
) -> None:
    """Each has its own keys; a stranger's name causes no fetch, whatever it looks like."""
    server.documents["/acme/keys"] = {"keys": [jwk(name="acme")]}
    server.documents["/globex/keys"] = {"keys": [jwk(name="globex")]}
    guard = Guard.from_config(_tenanted(server, "acme", "globex"))
    for tenant in ("acme", "globex"):
        token = mint(name=tenant, iss=f"{server.origin}/{tenant}/v2")
        assert verdict(guard, token) == "ada"
    crossed = mint(name="acme", iss=f"{server.origin}/globex/v2")
    assert verdict(guard, crossed) == "key_unknown"
    asked = len(server.hits)
    for name in ("initech", "{tenant}", "acme/../globex", "ACME", ""):
        stranger = mint(iss=f"{server.origin}/{name}/v2")
        assert verdict(guard, stranger) == "issuer_unknown"
    assert len(server.hits) == asked


@pytest.mark.parametrize(
    "tenants",
    [[], ["a/b"], [".."], ["a..b"], ["a?x"], ["a@b"], ["{tenant}"], ["acme", "acme"], [""]],
)
def test_a_template_takes_only_names_of_tenants(server: FaultyServer, tenants: list[str]) -> None:
    """What could point anywhere else is refused at start."""
    with pytest.raises(ConfigurationError):
        Guard.from_config(_tenanted(server, *tenants))


def test_tenants_need_a_template(server: FaultyServer) -> None:
    """A list of tenants that nothing uses is a mistake."""
    config = _tenanted(server, "acme")
    config["issuers"][0]["issuer"] = server.issuer
    with pytest.raises(ConfigurationError, match="tenants"):
        Guard.from_config(config)


def test_issuers_are_resolved_in_code(server: FaultyServer) -> None:
    """The resolver is the list; whom it takes off is refused on the very next request."""
    asked: list[str] = []
    known = {f"{server.origin}/acme": {"algorithms": ["ES256"], "allow_http": True}}
    entry = known[f"{server.origin}/acme"]
    entry["keys"] = server.jwks_uri

    def resolve(issuer: str) -> dict[str, Any] | None:
        asked.append(issuer)
        return known.get(issuer)

    guard = Guard.from_config({"audience": AUDIENCE, "issuers_in_code": True}, issuers=resolve)
    token = mint(iss=f"{server.origin}/acme")
    assert verdict(guard, mint(iss="https://stranger.example.test")) == "issuer_unknown"
    assert server.hits == []
    for _ in range(3):
        assert verdict(guard, token) == "ada"
    assert server.count() == 1
    assert asked == ["https://stranger.example.test", *[f"{server.origin}/acme"] * len(asked[1:])]
    assert list(guard.reload_keys()) == [f"{server.origin}/acme"]
    known.clear()
    assert verdict(guard, token) == "issuer_unknown"
    assert guard.reload_keys() == {}


def test_resolved_issuers_take_bounded_memory(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest are forgotten, and built again when they come back."""
    monkeypatch.setattr("jwt_guard.tokens.directory.MAX_RESOLVED", 2)
    entry = {"keys": jwks(), "algorithms": ["ES256"]}
    guard = Guard.from_config(
        {"audience": AUDIENCE, "issuers_in_code": True}, issuers=lambda issuer: entry
    )
    for name in ("one", "two", "three", "one"):
        assert verdict(guard, mint(iss=name)) == "ada"
    assert [each.issuer for each in guard.issuers] == ["three", "one"]


def test_many_at_once_build_an_issuer_once(server: FaultyServer) -> None:
    """And fetch its keys once."""
    entry = {"keys": server.jwks_uri, "algorithms": ["ES256"], "allow_http": True}
    guard = Guard.from_config(
        {"audience": AUDIENCE, "issuers_in_code": True}, issuers=lambda issuer: dict(entry)
    )
    with ThreadPoolExecutor(20) as pool:
        verdicts = list(pool.map(lambda _: verdict(guard, mint(iss="one")), range(20)))
    assert verdicts == ["ada"] * 20
    assert server.count() == 1


def test_a_changed_entry_is_built_anew(server: FaultyServer) -> None:
    """New algorithms or keys count at once."""
    entry = {"keys": server.jwks_uri, "algorithms": ["ES256"], "allow_http": True}
    guard = Guard.from_config(
        {"audience": AUDIENCE, "issuers_in_code": True}, issuers=lambda issuer: dict(entry)
    )
    token = mint(iss="https://acme.example.test")
    assert verdict(guard, token) == "ada"
    entry["algorithms"] = ["RS256"]
    assert verdict(guard, token) == "algorithm_not_allowed"


@pytest.mark.parametrize("kind", [dict, MappingProxyType])
def test_an_entry_that_is_changed_in_place_is_built_anew(kind: Any) -> None:
    """A key that an application takes out of its own mapping verifies nothing from then on."""
    held: dict[str, Any] = {"keys": jwks(), "algorithms": ["ES256", "RS256"]}
    guard = Guard.from_config(
        {"audience": AUDIENCE, "issuers_in_code": True}, issuers=lambda issuer: kind(held)
    )
    assert [verdict(guard, mint()) for _ in range(2)] == ["ada"] * 2
    held["keys"]["keys"][:] = [jwk("ES256", "other")]
    assert verdict(guard, mint()) == "key_unknown"
    held["keys"]["keys"].append(jwk("ES256"))
    assert verdict(guard, mint()) == "ada"
    held["keys"]["keys"].append(jwk("RS256"))
    held["algorithms"].remove("ES256")
    assert verdict(guard, mint()) == "algorithm_not_allowed"


def test_F15_one_time_tokens_of_a_resolved_issuer() -> None:
    """They are good for one request as those of a named one are, and no more when that changes."""
    entry = {"keys": jwks(), "algorithms": ["ES256"], "one_time": True}
    guard = Guard.from_config(
        {"audience": AUDIENCE, "issuers_in_code": True}, issuers=lambda issuer: dict(entry)
    )
    token = mint()
    assert [verdict(guard, token) for _ in range(2)] == ["ada", "token_replayed"]
    entry["one_time"] = False
    assert verdict(guard, token) == "ada"


@pytest.mark.parametrize("answer", [{}, {"keys": 5}, {"issuer": "https://other.test"}, 5])
def test_a_resolver_that_fails_is_an_outage(answer: Any) -> None:
    """Its mistakes are not the caller's: 503, and the reason in the log."""
    guard = Guard.from_config(
        {"audience": AUDIENCE, "issuers_in_code": True}, issuers=lambda issuer: answer
    )
    assert verdict(guard, mint()) == "keys_unavailable"


def test_a_resolver_is_announced_in_the_configuration() -> None:
    """One without the other is a mistake."""
    with pytest.raises(ConfigurationError, match="issuers_in_code"):
        Guard.from_config({"audience": AUDIENCE, "issuers_in_code": True})
    with pytest.raises(ConfigurationError, match="issuers_in_code"):
        Guard.from_config(configuration(), issuers=lambda issuer: None)


def test_an_asynchronous_resolver_is_a_mistake() -> None:
    """It would hold up every request, and a plain driver could not ask it at all."""

    async def resolve(issuer: str) -> dict[str, Any] | None:
        return None

    config = {"audience": AUDIENCE, "issuers_in_code": True}
    with pytest.raises(ConfigurationError, match="plain function"):
        Guard.from_config(config, issuers=resolve)  # type: ignore[arg-type]


def test_background_loads_end() -> None:
    """No thread is left behind by any of these tests."""
    assert until(lambda: not any(t.name == "jwt-guard-keys" for t in threading.enumerate()))

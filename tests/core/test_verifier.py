"""From a token to its caller, or to the one reason why not; with and without the cache."""

import copy
import json
import pickle
from hashlib import sha256
from typing import Any

import pytest

from jwt_guard import Guard, Reason, Refusal
from jwt_guard.flow import run
from jwt_guard.tokens.cache import CacheEntry, TokenCache
from tests.support import tokens
from tests.support.tokens import ABSENT, NOW, Clock, configuration, forge, mint
from tests.support.verdicts import refused


@pytest.fixture(params=[0, 10_000], ids=["uncached", "cached"])
def cache_size(request: pytest.FixtureRequest) -> int:
    """Every verdict is the same with and without the cache."""
    size: int = request.param
    return size


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def make_guard(cache_size: int, clock: Clock) -> Any:
    """A guard for the ES256 issuer, changed as a test wishes."""

    def make(*algorithms: str, issuer: Any = None, **changes: Any) -> Guard:
        raw = configuration(*algorithms, cache={"size": cache_size}, **changes)
        raw["issuers"][0] |= issuer or {}
        return Guard.from_config(raw, clock=clock)

    return make


@pytest.fixture
def guard(make_guard: Any) -> Guard:
    """A guard for the ES256 issuer."""
    made: Guard = make_guard()
    return made


def test_a_good_token_gives_its_caller(guard: Guard) -> None:
    """Every claim has its place."""
    token = mint(
        roles=["admin"],
        scope="a b  a",
        permissions=["p"],
        tenant="acme",
        sid="s",
        auth_time=NOW - 5,
        acr="high",
        nested={"list": [1, {"x": 2}]},
    )
    for _ in range(2):
        caller = guard.verify(token)
        assert (caller.subject, caller.issuer) == ("ada", tokens.ISSUER)
        assert caller.identity == f"{tokens.ISSUER}#ada"
        assert caller.roles == {"admin"}
        assert caller.scopes == {"a", "b"}
        assert caller.permissions == {"p"}
        assert (caller.tenant, caller.client_id) == ("acme", "client-1")
        assert (caller.token_id, caller.session_id, caller.acr) == ("token-1", "s", "high")
        assert (caller.issued_at, caller.expires_at) == (NOW - 10, NOW + 3600)
        assert caller.authenticated_at == NOW - 5
        assert caller.claims["nested"] == {"list": [1, {"x": 2}]}
        assert caller.is_authenticated
        assert not caller.is_anonymous
        assert caller.display_name == "ada"


async def test_the_asynchronous_way_is_the_same(guard: Guard) -> None:
    """`averify` gives the same caller and the same refusal."""
    assert await guard.averify(mint()) == guard.verify(mint())
    with pytest.raises(Refusal) as caught:
        await guard.averify(mint(exp=NOW))
    assert caught.value.reason is Reason.TOKEN_EXPIRED


def test_bytes_are_as_good_as_text(guard: Guard) -> None:
    """A token may come as either."""
    token = mint()
    assert guard.verify(token.encode()) == guard.verify(token)


def test_the_caller_is_read_only(guard: Guard) -> None:
    """Neither the principal nor anything in its claims can be changed."""
    caller = guard.verify(mint(roles=["a"], deep={"list": [1]}))
    with pytest.raises(AttributeError):
        caller.subject = "eve"  # type: ignore[misc]
    claims: Any = caller.claims
    attempts: list[Any] = [
        lambda: claims.__setitem__("sub", "eve"),
        lambda: claims.__delitem__("sub"),
        lambda: claims.update(sub="eve"),
        lambda: claims.pop("sub"),
        claims.popitem,
        claims.clear,
        lambda: claims.setdefault("x", 1),
        lambda: claims.__ior__({"sub": "eve"}),
        lambda: claims["deep"].update(list=[]),
        lambda: claims["roles"].append("admin"),
        lambda: claims["roles"].extend(["admin"]),
        lambda: claims["roles"].insert(0, "admin"),
        lambda: claims["roles"].__setitem__(0, "admin"),
        lambda: claims["roles"].__iadd__(["admin"]),
        lambda: claims["roles"].__imul__(2),
        claims["roles"].sort,
        claims["deep"]["list"].clear,
    ]
    for attempt in attempts:
        with pytest.raises(TypeError, match="read-only"):
            attempt()
    assert guard.verify(mint(roles=["a"], deep={"list": [1]})).claims["roles"] == ["a"]


def test_copies_are_equal_and_as_read_only(guard: Guard) -> None:
    """Copying, deep copying and pickling keep the claims what they are."""
    caller = guard.verify(mint(deep={"list": [1, {"x": [2]}]}))
    for copied in (copy.copy(caller), copy.deepcopy(caller), pickle.loads(pickle.dumps(caller))):
        assert copied == caller
        assert hash(copied) == hash(caller)
        with pytest.raises(TypeError):
            copied.claims["deep"]["list"][1]["x"].append(3)


def test_copies_of_claims_are_equal_and_as_read_only(guard: Guard) -> None:
    """The same for an object or an array taken out of them."""
    claims: Any = guard.verify(mint(deep={"list": [1, {"x": [2]}]})).claims
    for part in (claims, claims["deep"], claims["deep"]["list"]):
        for copied in (copy.copy(part), copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
            assert copied == part
            with pytest.raises(TypeError):
                copied.clear()


def test_no_repr_shows_claims(guard: Guard) -> None:
    """A principal in a log names its caller and no more."""
    caller = guard.verify(mint(email="ada@example.test"))
    assert repr(caller) == f"Principal(subject='ada', issuer='{tokens.ISSUER}')"
    assert "keys" not in repr(guard)


@pytest.mark.parametrize("leeway", [0, 5])
@pytest.mark.parametrize(
    ("claim", "reason"),
    [("exp", Reason.TOKEN_EXPIRED), ("nbf", Reason.TOKEN_NOT_YET_VALID)],
)
def test_F6_the_bounds_are_exact(
    make_guard: Any, clock: Clock, leeway: int, claim: str, reason: Reason
) -> None:
    """Valid from nbf on, and before exp, each moved by the leeway and by nothing else."""
    guard = make_guard(leeway=leeway)
    token = mint({"exp": NOW + 1000, claim: NOW + 100})
    edge = NOW + 100 + leeway if claim == "exp" else NOW + 100 - leeway
    good, bad = (edge - 0.001, edge) if claim == "exp" else (edge, edge - 0.001)
    for _ in range(2):
        clock.now = good
        assert guard.verify(token).subject == "ada"
        clock.now = bad
        assert refused(guard, token) == (reason, claim)


@pytest.mark.parametrize("claim", ["iat", "auth_time"])
def test_F5_a_token_of_the_future_is_refused(make_guard: Any, clock: Clock, claim: str) -> None:
    """What will be issued, or authenticated, is not yet."""
    guard = make_guard(leeway=5)
    assert guard.verify(mint({claim: NOW + 5})).subject == "ada"
    assert refused(guard, mint({claim: NOW + 6})) == (Reason.TOKEN_NOT_YET_VALID, claim)


def test_F5_a_stale_token_is_refused_cached_or_not(make_guard: Any, clock: Clock) -> None:
    """`max_token_age` counts from iat on every request, whatever exp says."""
    guard = make_guard(max_token_age=60)
    token = mint(iat=NOW)
    clock.now = NOW + 59.9
    caller = guard.verify(token)
    run(guard.recheck(caller))
    clock.now = NOW + 60
    assert refused(guard, token) == (Reason.TOKEN_TOO_OLD, "iat")
    with pytest.raises(Refusal) as caught:
        run(guard.recheck(caller))
    assert caught.value.reason is Reason.TOKEN_TOO_OLD


def test_F5_without_iat_no_age_is_young_enough(make_guard: Any) -> None:
    """A legacy token without iat is refused where an age is set."""
    guard = make_guard(max_token_age=60, issuer={"profile": "legacy"})
    assert refused(guard, mint(iat=ABSENT)) == (Reason.TOKEN_TOO_OLD, "iat")


def test_G10_a_cached_token_expires_too(make_guard: Any, clock: Clock) -> None:
    """Times are checked on every request."""
    guard = make_guard()
    token = mint(exp=NOW + 1)
    assert guard.verify(token).subject == "ada"
    clock.now = NOW + 1
    assert refused(guard, token) == (Reason.TOKEN_EXPIRED, "exp")


def test_recheck_asks_expiry_and_trust(guard: Guard, clock: Clock) -> None:
    """A connection that lives on is asked again."""
    caller = guard.verify(mint(exp=NOW + 10))
    run(guard.recheck(caller))
    clock.now = NOW + 10
    with pytest.raises(Refusal) as caught:
        run(guard.recheck(caller))
    assert caught.value.reason is Reason.TOKEN_EXPIRED
    guard.verifier.issuers = {}
    with pytest.raises(Refusal) as caught:
        run(guard.recheck(caller))
    assert caught.value.reason is Reason.ISSUER_UNKNOWN


@pytest.mark.parametrize("claim", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
def test_F2_F7_F8_F10_required_claims_are_required(guard: Guard, claim: str) -> None:
    """RFC 9068, 2.2: none of the seven may be missing."""
    assert refused(guard, mint({claim: ABSENT})) == (Reason.CLAIM_MISSING, claim)


@pytest.mark.parametrize("value", [None, True, "", "1", "1795494350", [], {}, [NOW]])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat", "auth_time"])
def test_F3_times_are_numbers(guard: Guard, claim: str, value: Any) -> None:
    """Neither booleans nor digits in quotes are."""
    assert refused(guard, mint({claim: value})) == (Reason.CLAIM_INVALID, claim)


@pytest.mark.parametrize(
    "raw", [b"1e400", b"NaN", b"Infinity", b"9" * 400, b"18446744073709551616"]
)
@pytest.mark.parametrize("claim", ["exp", "iat", "other"])
def test_F3_J13_numbers_beyond_their_type_are_refused(guard: Guard, claim: str, raw: bytes) -> None:
    """No infinity, no integer that another reader could not hold."""
    body = json.dumps(tokens.claims({claim: 77_777_777})).encode().replace(b"77777777", raw)
    token = forge({"alg": "ES256", "typ": "at+jwt"}, body, signing_key=tokens.key())
    assert refused(guard, token) == (Reason.TOKEN_MALFORMED, None)


@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["ada"]])
@pytest.mark.parametrize(
    "claim", ["sub", "jti", "client_id", "azp", "sid", "acr", "token_type", "typ"]
)
def test_E10_names_are_text(guard: Guard, claim: str, value: Any) -> None:
    """A claim that is text elsewhere is text here."""
    assert refused(guard, mint({claim: value})) == (Reason.CLAIM_INVALID, claim)


@pytest.mark.parametrize("value", [None, 1, True, [], {}, [tokens.ISSUER]])
def test_F7_the_issuer_is_text(guard: Guard, value: Any) -> None:
    """An issuer in a list is none."""
    assert refused(guard, mint(iss=value)) == (Reason.CLAIM_INVALID, "iss")


@pytest.mark.parametrize(
    "value",
    ["", "https://issuer.example.test/", "https://issuer.example", "HTTPS://ISSUER.EXAMPLE.TEST"],
)
def test_F7_the_issuer_is_exact(guard: Guard, value: str) -> None:
    """Neither a part of the name nor another spelling will do (CVE-2024-53861)."""
    assert refused(guard, mint(iss=value)) == (Reason.ISSUER_UNKNOWN, "iss")


@pytest.mark.parametrize(
    ("audience", "reason"),
    [
        ("https://other.example.test", Reason.AUDIENCE_MISMATCH),
        ("https://api.example.test/", Reason.AUDIENCE_MISMATCH),
        ("https://api.example.tes", Reason.AUDIENCE_MISMATCH),
        ("", Reason.AUDIENCE_MISMATCH),
        ([], Reason.AUDIENCE_MISMATCH),
        (["x", "y"], Reason.AUDIENCE_MISMATCH),
        (None, Reason.CLAIM_INVALID),
        (5, Reason.CLAIM_INVALID),
        ({}, Reason.CLAIM_INVALID),
        ([tokens.AUDIENCE, 5], Reason.CLAIM_INVALID),
        ([[tokens.AUDIENCE]], Reason.CLAIM_INVALID),
        ([tokens.AUDIENCE, None], Reason.CLAIM_INVALID),
    ],
)
def test_F9_the_audience_is_one_of_ours(guard: Guard, audience: Any, reason: Reason) -> None:
    """Compared whole, and nothing but text or a list of text is compared."""
    assert refused(guard, mint(aud=audience)) == (reason, "aud")


@pytest.mark.parametrize("audience", [tokens.AUDIENCE, [tokens.AUDIENCE], ["x", tokens.AUDIENCE]])
def test_one_audience_of_several_is_enough(guard: Guard, audience: Any) -> None:
    """RFC 7519, 4.1.3."""
    assert guard.verify(mint(aud=audience)).subject == "ada"


def test_an_issuer_may_have_an_audience_of_its_own(make_guard: Any) -> None:
    """Then the common one is not enough."""
    guard = make_guard(issuer={"audience": "own"})
    assert guard.verify(mint(aud="own")).subject == "ada"
    assert refused(guard, mint())[0] is Reason.AUDIENCE_MISMATCH


def test_F10_the_subject_is_somebody(make_guard: Any) -> None:
    """Not empty; and not the client itself, where that is not wanted."""
    assert refused(make_guard(), mint(sub="")) == (Reason.CLAIM_INVALID, "sub")
    assert make_guard().verify(mint(sub="client-1")).subject == "client-1"
    strict = make_guard(issuer={"client_subjects": False})
    assert refused(strict, mint(sub="client-1")) == (Reason.CLAIM_INVALID, "sub")
    assert strict.verify(mint()).subject == "ada"


@pytest.mark.parametrize("claim", ["jti", "client_id"])
def test_identifiers_identify_something(make_guard: Any, claim: str) -> None:
    """An empty one could be anybody's."""
    assert refused(make_guard(), mint({claim: ""})) == (Reason.CLAIM_INVALID, claim)


def test_F16_the_client_is_one_of_those_named(make_guard: Any) -> None:
    """By `client_id` or `azp`, which must agree."""
    guard = make_guard(issuer={"clients": ["client-1"], "profile": "legacy"})
    assert guard.verify(mint(azp="client-1")).client_id == "client-1"
    assert guard.verify(mint(azp="client-1", client_id=ABSENT)).client_id == "client-1"
    assert refused(guard, mint(client_id="other")) == (Reason.CLIENT_NOT_ALLOWED, "client_id")
    assert refused(guard, mint(client_id=ABSENT)) == (Reason.CLIENT_NOT_ALLOWED, "client_id")
    assert refused(guard, mint(azp="other")) == (Reason.CLAIM_INVALID, "azp")


@pytest.mark.parametrize("typ", [ABSENT, "JWT", "jwt", "dpop+jwt", "logout+jwt", "rt+jwt", "at"])
def test_E5_the_type_is_that_of_access_tokens(guard: Guard, typ: Any) -> None:
    """RFC 9068, 4: `at+jwt`, with or without its prefix, and nothing else."""
    assert refused(guard, mint(header={"typ": typ})) == (Reason.TOKEN_TYPE_INVALID, "typ")


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_the_type_may_be_spelled_as_a_media_type(guard: Guard, typ: str) -> None:
    """Media types have no case (RFC 8725bis, 3.11)."""
    assert guard.verify(mint(header={"typ": typ})).subject == "ada"


@pytest.mark.parametrize("claim", ["events", "htm", "htu", "at_hash", "c_hash", "s_hash"])
def test_E5_marks_of_other_tokens_are_refused(guard: Guard, claim: str) -> None:
    """Logout tokens, DPoP proofs and ID tokens are not access tokens."""
    assert refused(guard, mint({claim: "x"})) == (Reason.TOKEN_TYPE_INVALID, claim)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("typ", "ID"),
        ("typ", "Refresh"),
        ("token_use", "id"),
        ("token_use", ["access"]),
        ("token_use", {}),
        ("token_type", "refresh"),
        ("type", "refresh"),
        ("type", []),
        ("type", None),
        ("type", {"access": 1}),
        ("nonce", "n"),
    ],
)
def test_E5_a_legacy_token_of_another_kind_is_refused(
    make_guard: Any, claim: str, value: Any
) -> None:
    """Without `at+jwt` other marks tell, whatever their type."""
    guard = make_guard(issuer={"profile": "legacy"})
    assert refused(guard, mint({claim: value})) == (Reason.TOKEN_TYPE_INVALID, claim)


@pytest.mark.parametrize("typ", [ABSENT, "JWT", "at+jwt"])
@pytest.mark.parametrize(
    "mark", [{}, {"typ": "Bearer"}, {"token_use": "access"}, {"type": "access"}]
)
def test_a_legacy_access_token_is_taken(make_guard: Any, typ: Any, mark: dict[str, str]) -> None:
    """The named profile for providers without `at+jwt`."""
    guard = make_guard(issuer={"profile": "legacy"})
    token = mint(mark, header={"typ": typ}, jti=ABSENT, client_id=ABSENT, iat=ABSENT)
    assert guard.verify(token).client_id is None


@pytest.mark.parametrize(
    ("roles", "held"),
    [
        (["a", "b"], {"a", "b"}),
        *[(roles, set()) for roles in ([], "admin", "a b", {}, {"admin": 1}, ["admin", ["x"]])],
    ],
)
def test_F12_roles_are_a_list(guard: Guard, roles: Any, held: set[str]) -> None:
    """Text where a list belongs gives no role, nor does what is nested."""
    assert guard.verify(mint(roles=roles)).roles == held


@pytest.mark.parametrize("roles", [None, 5, True, [5], [None]])
def test_F12_roles_of_another_type_are_refused(guard: Guard, roles: Any) -> None:
    """Nothing is guessed from what is no name and holds none."""
    assert refused(guard, mint(roles=roles)) == (Reason.CLAIM_INVALID, "roles")


@pytest.mark.parametrize("tenant", [None, "", 5, [], ["acme"], {}])
def test_F13_the_tenant_is_text(guard: Guard, tenant: Any) -> None:
    """A tenant of any other type is no tenant."""
    assert refused(guard, mint(tenant=tenant)) == (Reason.CLAIM_INVALID, "tenant")


def test_claims_may_stand_elsewhere(make_guard: Any) -> None:
    """By a name with dots, a path with dots, or a list of names; several places are joined."""
    guard = make_guard(
        roles={"claims": ["realm_access.roles", "https://x.test/roles", ["a.b", "c"]]},
        tenants={"claim": "org.id"},
    )
    caller = guard.verify(
        mint(
            {
                "realm_access": {"roles": ["one"]},
                "https://x.test/roles": ["two"],
                "a.b": {"c": ["three"]},
                "org": {"id": "acme"},
                "roles": ["nowhere"],
            }
        )
    )
    assert caller.roles == {"one", "two", "three"}
    assert caller.tenant == "acme"
    assert guard.verify(mint(realm_access=[], org="x")).roles == set()


def test_A2_an_edited_payload_is_refused(guard: Guard) -> None:
    """The signature is over the payload as it was."""
    header, _, signature = mint().split(".")
    edited = f"{header}.{tokens.segment(tokens.claims(sub='eve'))}.{signature}"
    assert refused(guard, edited) == (Reason.SIGNATURE_INVALID, None)


def test_an_algorithm_that_is_not_allowed_is_refused(guard: Guard) -> None:
    """Whatever key there is."""
    assert refused(guard, mint(algorithm="ES384")) == (Reason.ALGORITHM_NOT_ALLOWED, "alg")


def test_D16_each_issuer_has_its_own_keys(cache_size: int) -> None:
    """A token of one issuer under the key of another is refused, whatever its kid."""
    one, two = configuration("ES256")["issuers"][0], configuration("RS256")["issuers"][0]
    raw = configuration(issuers=[one, {**two, "issuer": "b"}], cache={"size": cache_size})
    guard = Guard.from_config(raw)
    assert guard.verify(mint(algorithm="RS256", iss="b")).issuer == "b"
    assert refused(guard, mint(iss="b"))[0] is Reason.ALGORITHM_NOT_ALLOWED
    assert refused(guard, mint(algorithm="RS256"))[0] is Reason.ALGORITHM_NOT_ALLOWED


@pytest.mark.parametrize("size", [256, 16_384])
def test_J1_a_token_beyond_the_limit_is_not_looked_at(make_guard: Any, size: int) -> None:
    """The bound counts the whole token, and the bound itself is good."""
    guard = make_guard(max_token_size=size)
    assert refused(guard, "a" * (size + 1)) == (Reason.TOKEN_TOO_LARGE, None)
    assert refused(guard, b"a" * (size + 1)) == (Reason.TOKEN_TOO_LARGE, None)
    assert refused(guard, "a" * size) == (Reason.TOKEN_MALFORMED, None)


def test_text_that_is_not_ascii_is_no_token(guard: Guard) -> None:
    """Nor are bytes that are not."""
    assert refused(guard, "é.é.é") == (Reason.TOKEN_MALFORMED, None)
    assert refused(guard, "\ud800") == (Reason.TOKEN_MALFORMED, None)
    assert refused(guard, b"\xff.\xff.\xff") == (Reason.TOKEN_MALFORMED, None)


@pytest.mark.parametrize("odd", [None, 7, [46, 46], {}, object])
def test_what_is_no_text_is_no_token(guard: Guard, odd: Any) -> None:
    """As a header that is missing would be, where somebody passes it on unseen."""
    assert refused(guard, odd) == (Reason.TOKEN_MALFORMED, None)


def test_one_header_leads_each_issuer_to_its_own_key(clock: Clock, cache_size: int) -> None:
    """Though both name their key alike: nobody's key speaks for another."""
    raw = configuration(cache={"size": cache_size})
    key = tokens.jwk("ES256", "other") | {"kid": "ES256-main"}
    raw["issuers"].append({"issuer": "b", "keys": {"keys": [key]}, "algorithms": ["ES256"]})
    guard, header = Guard.from_config(raw, clock=clock), {"kid": "ES256-main"}
    for number in range(3):
        ours, theirs = {"jti": f"a{number}"}, {"jti": f"b{number}", "iss": "b"}
        assert guard.verify(mint(ours, header=header)).issuer == tokens.ISSUER
        assert guard.verify(mint(theirs, name="other", header=header)).issuer == "b"
        assert refused(guard, mint(ours, name="other", header=header))[0] == "signature_invalid"
        assert refused(guard, mint(theirs, header=header))[0] == "signature_invalid"


def test_what_tokens_share_is_judged_by_the_rules_of_each_issuer(clock: Clock) -> None:
    """The same client and audience, good for one issuer and not for the next."""
    raw = configuration()
    there = {"keys": tokens.jwks("ES256"), "algorithms": ["ES256"]}
    raw["issuers"] += [
        there | {"issuer": "b", "clients": ["another"]},
        there | {"issuer": "c", "audience": ["another"]},
    ]
    guard = Guard.from_config(raw, clock=clock)
    for _ in range(2):
        assert guard.verify(mint()).client_id == "client-1"
        assert refused(guard, mint(iss="b"))[0] is Reason.CLIENT_NOT_ALLOWED
        assert refused(guard, mint(iss="c"))[0] is Reason.AUDIENCE_MISMATCH


# The cache


def _entry(guard: Guard) -> CacheEntry:
    return CacheEntry(guard.verify(mint()), 0, 1, object(), object())


def _digest(token: bytes) -> bytes:
    return sha256(token).digest()


@pytest.mark.parametrize("size", [1, 2, 3, 10, 11])
def test_the_cache_never_holds_more_than_its_size(size: int) -> None:
    """And always finds what was put last."""
    cache, entry = TokenCache(size), _entry(Guard.from_config(configuration()))
    for number in range(50):
        digest = _digest(str(number).encode())
        cache.put(digest, entry)
        assert cache.get(digest) is entry
        assert len(cache) <= size
    assert repr(cache) == f"TokenCache(size={size}, entries={len(cache)})"


def test_what_is_used_stays_and_what_is_not_goes() -> None:
    """The half that was not used is forgotten first."""
    cache, entry = TokenCache(4), _entry(Guard.from_config(configuration()))
    used = _digest(b"used")
    cache.put(used, entry)
    for number in range(20):
        cache.put(_digest(str(number).encode()), entry)
        assert cache.get(used) is entry
    assert cache.get(_digest(b"0")) is None


def test_the_cache_remembers_what_was_verified_and_nothing_else(clock: Clock) -> None:
    """Refused tokens leave no entry."""
    guard = Guard.from_config(configuration(), clock=clock)
    assert guard.verifier.cache is not None
    refused(guard, mint(exp=NOW))
    refused(guard, mint(name="other"))
    assert len(guard.verifier.cache) == 0
    first = guard.verify(mint())
    assert len(guard.verifier.cache) == 0 + 1
    assert guard.verify(mint()) == first


def test_a_hit_is_the_same_object(clock: Clock) -> None:
    """The caller of a remembered token is not built again."""
    guard = Guard.from_config(configuration(), clock=clock)
    token = mint()
    assert guard.verify(token) is guard.verify(token)


def test_G11_one_signature_does_not_answer_for_another(clock: Clock) -> None:
    """A cached token with one byte changed anywhere is another token."""
    guard = Guard.from_config(configuration(), clock=clock)
    token = mint()
    guard.verify(token)
    refused(guard, token[:-1])
    refused(guard, token + "A")
    refused(guard, token.upper())


def test_an_entry_holds_only_under_its_keys_and_rules(clock: Clock) -> None:
    """New keys, new rules, or an issuer trusted no more: verified again in full."""
    guard = Guard.from_config(configuration(), clock=clock)
    token = mint()
    first = guard.verify(token)
    other = Guard.from_config(configuration(), clock=clock)
    guard.verifier.issuers = other.verifier.issuers
    second = guard.verify(token)
    assert second is not first
    assert second == first
    guard.verifier.issuers = {}
    assert refused(guard, token) == (Reason.ISSUER_UNKNOWN, "iss")


def test_a_key_set_in_renewal_holds_no_entry(clock: Clock) -> None:
    """A source that answers another generation, or none, is asked in full."""
    guard = Guard.from_config(configuration(), clock=clock)
    token = mint()
    guard.verify(token)
    trusted: Any = guard.verifier.issuers.get(tokens.ISSUER)
    for algorithm, expected in (("ES256", None), ("ES384", Reason.KEY_UNKNOWN)):
        other: Any = Guard.from_config(configuration(algorithm)).verifier.issuers
        trusted.keys._keys = other.get(tokens.ISSUER).keys.current()
        if expected is None:
            assert guard.verify(token).subject == "ada"
        else:
            assert refused(guard, token)[0] is expected


def test_headers_of_strangers_are_not_remembered(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only rightly signed headers are, and not more than a bounded number."""
    monkeypatch.setattr("jwt_guard.tokens.verifier._HEADERS_REMEMBERED", 3)
    guard = Guard.from_config(configuration(), clock=clock)
    verifier: Any = guard.verifier
    for number in range(10):
        refused(guard, mint(name="stranger", header={"n": number, "kid": "ES256-main"}))
    assert len(verifier._headers) == 0
    for number in range(10):
        guard.verify(mint(header={"n": number}))
        assert 0 < len(verifier._headers) <= 3


def test_a_token_is_good_for_a_day_at_most(make_guard: Any) -> None:
    """F5: where nothing else is said, a token issued more than a day ago is too old."""
    guard = make_guard()
    assert guard.verify(mint(iat=NOW - 86_399)).subject == "ada"
    assert refused(guard, mint(iat=NOW - 86_400)) == ("token_too_old", "iat")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "\x00"])
def test_claims_may_have_any_name(make_guard: Any, name: str) -> None:
    """Also one that JSON escapes."""
    guard = make_guard(issuer={"role_claims": [[name]]})
    assert guard.verify(mint({name: ["admin"]})).roles == {"admin"}
    assert guard.verify(mint({name: [["admin"]]})).roles == set()

"""Whatever comes in, the answer is a caller or a refusal, a guard or a configuration error.

How hard is tried is said by the environment variable `JWT_GUARD_HYPOTHESIS`: `ci` or `thorough`.
"""

# ruff: noqa: PT017 - whether anything is raised is open; what it is, is asserted

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jwt_guard import ConfigurationError, Guard, Principal, Reason, Refusal, role, scope
from jwt_guard.config import (
    CacheConfig,
    Config,
    IssuerConfig,
    RolesConfig,
    RoutesConfig,
    TenantsConfig,
)
from jwt_guard.flow import run
from jwt_guard.http import AsgiView, WsgiView, cookies_of
from jwt_guard.keys.loading import UnusableKeys, load_jwks, load_pem, load_secret, load_text
from jwt_guard.keys.signing import SigningKeys
from tests.support import tokens
from tests.support.tokens import ALL_ALGORITHMS, claims, configuration, forge, key, mint

GUARD = Guard.from_config(configuration("ES256", cache={"size": 8}))
LEGACY = Guard.from_config(
    {
        "audience": tokens.AUDIENCE,
        "max_token_age": 3600,
        "leeway": 0.5,
        "issuers": [
            {
                "issuer": tokens.ISSUER,
                "keys": tokens.jwks("ES256"),
                "algorithms": ["ES256"],
                "profile": "legacy",
                "clients": ["client-1"],
            }
        ],
        "roles": {"claims": ["realm_access.roles", ["a", "b"]]},
    }
)
TOKEN = mint(roles=["admin"], scope="a b")
CALLER = GUARD.verify(TOKEN)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            tokens.ISSUER,
            tokens.AUDIENCE,
            "at+jwt",
            "ES256",
            "ES256-main",
            "none",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
HEADER_NAMES = st.sampled_from(
    [
        "alg",
        "kid",
        "typ",
        "cty",
        "crit",
        "b64",
        "zip",
        "jku",
        "jwk",
        "x5u",
        "x5c",
        "x5t",
        "x5t#S256",
        "enc",
        "epk",
        "p2c",
        "p2s",
        "apu",
        "tag",
    ]
) | st.text(max_size=5)
CLAIM_NAMES = st.sampled_from(
    [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "client_id",
        "azp",
        "sid",
        "acr",
        "auth_time",
        "scope",
        "roles",
        "permissions",
        "tenant",
        "token_type",
        "typ",
        "token_use",
        "type",
        "nonce",
        "events",
        "htm",
        "cnf",
        "realm_access",
        "a",
    ]
) | st.text(max_size=5)


def _verdict(guard: Guard, token: str | bytes) -> Principal | Reason:
    """The caller, or why there is none; anything else that is raised fails the test."""
    try:
        return guard.verify(token)
    except Refusal as refusal:
        assert 400 <= refusal.status < 500
        guard.reply(refusal)
        return refusal.reason


# The bytes of a token


@given(place=st.integers(0, len(TOKEN) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_refused(place: int, byte: int) -> None:
    """Whichever byte becomes whichever other."""
    raw = TOKEN.encode()
    changed = raw[:place] + bytes([byte]) + raw[place + 1 :]
    verdict = _verdict(GUARD, changed)
    assert (verdict == CALLER) is (changed == raw)
    assert isinstance(verdict, Principal | Reason)


def test_every_changed_byte_is_refused() -> None:
    """Each byte of the token, once: the exhaustive little sister of the property above."""
    raw = TOKEN.encode()
    for place, byte in enumerate(raw):
        for other in {byte ^ 1, byte ^ 4, byte ^ 32, 46, 61, 0}:
            changed = raw[:place] + bytes([other]) + raw[place + 1 :]
            assert changed == raw or isinstance(_verdict(GUARD, changed), Reason)


@given(place=st.integers(0, len(TOKEN)), inserted=st.binary(min_size=1, max_size=4))
def test_inserted_bytes_are_refused(place: int, inserted: bytes) -> None:
    """Wherever, whatever."""
    raw = TOKEN.encode()
    assert isinstance(_verdict(GUARD, raw[:place] + inserted + raw[place:]), Reason)


@given(place=st.integers(0, len(TOKEN) - 1), length=st.integers(1, 8))
def test_deleted_bytes_are_refused(place: int, length: int) -> None:
    """Wherever, however many."""
    raw = TOKEN.encode()
    assert isinstance(_verdict(GUARD, raw[:place] + raw[place + length :]), Reason)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_or_text_are_refused(token: bytes | str) -> None:
    """As a whole token."""
    assert isinstance(_verdict(GUARD, token), Reason)


@given(st.lists(st.binary(max_size=60).map(tokens.segment) | st.text(max_size=20), max_size=5))
def test_any_segments_are_refused(segments: list[str]) -> None:
    """Well encoded or not."""
    assert isinstance(_verdict(GUARD, ".".join(segments)), Reason)


# What it says


@given(name=HEADER_NAMES, value=JSON)
def test_any_header_parameter_is_taken_or_refused(name: str, value: Any) -> None:
    """Rightly signed; where it is taken, the caller is the same."""
    token = mint(roles=["admin"], scope="a b", header={name: value})
    verdict = _verdict(GUARD, token)
    assert verdict == CALLER or isinstance(verdict, Reason)


@given(st.dictionaries(HEADER_NAMES, JSON, max_size=4) | JSON)
def test_any_header_is_taken_or_refused(header: Any) -> None:
    """Of any shape, rightly signed."""
    verdict = _verdict(GUARD, forge(header, claims(), signing_key=key()))
    assert isinstance(verdict, Reason) or header["alg"] == "ES256"


@pytest.mark.parametrize("guard", [GUARD, LEGACY], ids=["rfc9068", "legacy"])
@given(name=CLAIM_NAMES, value=JSON)
@example(name="type", value=[])
@example(name="token_use", value={})
@example(name="exp", value=10**400)
def test_any_claim_is_taken_or_refused(guard: Guard, name: str, value: Any) -> None:
    """Rightly signed, of any type; what is taken says what was sent and can be asked."""
    _check_claims(guard, claims({name: value}))


@pytest.mark.parametrize("guard", [GUARD, LEGACY], ids=["rfc9068", "legacy"])
@given(st.dictionaries(CLAIM_NAMES, JSON, max_size=6))
def test_any_claims_are_taken_or_refused(guard: Guard, changes: dict[str, Any]) -> None:
    """Several at once."""
    _check_claims(guard, claims(changes))


def _check_claims(guard: Guard, body: dict[str, Any]) -> None:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "ES256-main"}
    verdict = _verdict(guard, forge(header, body, signing_key=key()))
    if isinstance(verdict, Reason):
        return
    assert verdict.claims == body
    assert (verdict.subject, verdict.issuer) == (body["sub"], tokens.ISSUER)
    for requirement in (role("admin"), scope("a"), ~role("admin")):
        try:
            guard.authorize(verdict, requirement)
        except Refusal as refusal:
            assert refusal.status == 403


@given(JSON | st.binary(max_size=200))
def test_any_payload_is_taken_or_refused(payload: Any) -> None:
    """Arrays, scalars and bytes that are no JSON, rightly signed."""
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "ES256-main"}
    assert isinstance(_verdict(GUARD, forge(header, payload, signing_key=key())), Reason)


# What stands around it

LATIN = st.text(st.characters(max_codepoint=255), max_size=60)
AUTHORIZATION = (
    LATIN
    | LATIN.map("Bearer {}".format)
    | LATIN.map(f"Bearer {TOKEN}{{}}".format)
    | LATIN.map(f"{{}}Bearer {TOKEN}".format)
)


@given(
    authorization=st.lists(AUTHORIZATION, max_size=3),
    cookies=st.lists(LATIN, max_size=2),
    query=LATIN,
    path=st.text(max_size=30),
)
def test_any_request_is_an_outcome(
    authorization: list[str], cookies: list[str], query: str, path: str
) -> None:
    """Any headers, query and path, and the same outcome under ASGI and WSGI."""
    headers = [(b"authorization", value.encode("latin-1")) for value in authorization]
    headers += [(b"cookie", value.encode("latin-1")) for value in cookies]
    scope = {"type": "http", "path": path, "query_string": query.encode("latin-1")}
    asgi = AsgiView({**scope, "headers": headers})
    environ: dict[str, Any] = {
        "PATH_INFO": path.encode("utf-8", "surrogatepass").decode("latin-1"),
        "QUERY_STRING": query,
    }
    if authorization:
        environ["HTTP_AUTHORIZATION"] = ",".join(authorization)
    if cookies:
        environ["HTTP_COOKIE"] = "; ".join(cookies)
    wsgi = WsgiView(environ)
    one, two = run(GUARD.identify(asgi)), run(GUARD.identify(wsgi))
    assert one.principal == two.principal
    assert one.principal in (None, CALLER)
    assert str(one.refusal) == str(two.refusal)
    assert (asgi.path in GUARD.public_paths) == (wsgi.path in GUARD.public_paths)
    assert cookies_of(asgi) == cookies_of(wsgi)


# Configurations

WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.binary(max_size=4)
    | st.sampled_from(["ES256", "HS256", "discover", "env:X", "https://x.test", "http://[", "/*"])
    | st.sampled_from([tokens.jwks(), tokens.private_jwk(), tokens.public_pem().decode()]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


def _table(*kinds: type[Any], **nested: Any) -> st.SearchStrategy[dict[Any, Any]]:
    names = st.sampled_from([f.name for kind in kinds for f in fields(kind)])
    return st.dictionaries(names | st.text(max_size=5), WILD, max_size=5)


GOOD_ISSUER = configuration()["issuers"][0]
ISSUER = _table(IssuerConfig).map(lambda changes: {**GOOD_ISSUER, **changes})
CONFIGURATION = st.fixed_dictionaries(
    {},
    optional={
        "audience": WILD | st.just("x"),
        "issuers": WILD | st.lists(ISSUER, max_size=2),
        "roles": WILD | _table(RolesConfig),
        "tenants": WILD | _table(TenantsConfig),
        "routes": WILD | _table(RoutesConfig),
        "cache": WILD | _table(CacheConfig),
        "tokens": WILD,
    },
)


def _guard_or_error(source: Mapping[Any, Any]) -> None:
    """A guard, or a configuration error that names at least one place."""
    try:
        Guard.from_config(source)
    except ConfigurationError as error:
        assert error.problems
        assert all(problem.path and problem.message for problem in error.problems)


@given(CONFIGURATION | _table(Config) | st.dictionaries(st.text(max_size=5), WILD))
def test_any_mapping_is_a_guard_or_a_configuration_error(raw: Mapping[Any, Any]) -> None:
    """Of the right names or others, with any values."""
    _guard_or_error(raw)


@given(_table(Config))
def test_any_change_of_a_good_configuration_is_one_or_the_other(changes: dict[Any, Any]) -> None:
    """One good configuration, some of its settings replaced."""
    _guard_or_error({**configuration(), **changes})


@given(ISSUER)
def test_any_issuer_is_taken_or_a_configuration_error(issuer: dict[Any, Any]) -> None:
    """One good issuer, some of its settings replaced."""
    _guard_or_error(configuration(issuers=[issuer]))


@given(st.text(max_size=60))
def test_any_toml_file_is_a_guard_or_a_configuration_error(content: str) -> None:
    """Text that mostly is no TOML."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.toml"
        file.write_text(content, encoding="utf-8", errors="replace")
        with pytest.raises(ConfigurationError):
            Guard.from_config(file)


JWK = st.dictionaries(
    st.sampled_from(
        ["kty", "crv", "x", "y", "n", "e", "k", "d", "use", "key_ops", "alg", "kid", "x5c", "x5t"]
    )
    | st.text(max_size=4),
    WILD,
    max_size=6,
)
ANY_JWK = (
    WILD
    | JWK
    | st.builds(
        lambda algorithm, changes: {**tokens.private_jwk(algorithm), **changes},
        st.sampled_from(["ES256", "HS256", "Ed25519", "RS256"]),
        JWK,
    )
)


@given(document=ANY_JWK | st.fixed_dictionaries({"keys": st.lists(ANY_JWK, max_size=3) | WILD}))
def test_any_key_set_is_taken_or_unusable(document: Any) -> None:
    """As a published set, as our own file, and as our signing keys."""
    for load in (
        lambda: load_jwks(document, ALL_ALGORITHMS),
        lambda: load_jwks(document, ALL_ALGORITHMS, symmetric=True),
        lambda: SigningKeys.from_jwks(document),
    ):
        try:
            load()
        except UnusableKeys as error:
            assert error.reasons


@given(st.text(max_size=60) | st.text(max_size=60).map("-----BEGIN PUBLIC KEY-----\n{}".format))
def test_any_text_is_keys_or_unusable(text: str) -> None:
    """As a file of keys, as PEM, and as a secret."""
    loads: list[Callable[[], object]] = [
        lambda: load_text(text, ["ES256"]),
        lambda: load_pem(text, ["ES256"]),
        lambda: load_secret(text.encode("utf-8", "replace"), ["HS256"]),
    ]
    for load in loads:
        try:
            load()
        except UnusableKeys as error:
            assert error.reasons

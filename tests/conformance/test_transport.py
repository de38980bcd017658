"""Group H: where a token travels, and under which path and method."""

import logging

import pytest

from tests.conformance.conftest import Api
from tests.conformance.expect import INVALID_REQUEST, INVALID_TOKEN, NO_TOKEN, refused, served
from tests.support.tokens import ABSENT, NOW, claims, mint, segment

TOKEN = mint()
BEARER = ("Authorization", f"Bearer {TOKEN}")
OTHER = ("Authorization", f"Bearer {mint(sub='eve')}")


@pytest.mark.parametrize(
    "query", [f"access_token={TOKEN}", "access_token=", "a=b&access_token=x"], ids=lambda _: "query"
)
def test_H1_a_token_in_two_places(api: Api, query: str) -> None:
    """One method only (RFC 6750, 2)."""
    refused(api.request("GET", f"/me?{query}", [BEARER]), INVALID_REQUEST)


@pytest.mark.parametrize(
    "second",
    [OTHER, BEARER, ("Authorization", "Basic YTpi"), ("authorization", "Bearer x")],
    ids=["other", "same", "basic", "lower"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_H2_two_authorization_headers(api: Api, second: tuple[str, str], turned: bool) -> None:
    """Whichever comes first, and though both are good or equal."""
    headers = [second, BEARER] if turned else [BEARER, second]
    refused(api.request("GET", "/me", headers), INVALID_REQUEST)


@pytest.mark.parametrize(
    "value",
    [f"Bearer {TOKEN}, Bearer {TOKEN}", f"Bearer {TOKEN},", f",Bearer {TOKEN}"],
    ids=["two", "after", "before"],
)
def test_H2_two_credentials_in_one_header(api: Api, value: str) -> None:
    """As a proxy would join them."""
    refused(api.request("GET", "/me", [("Authorization", value)]), INVALID_REQUEST)


@pytest.mark.parametrize("parameter", ["access_token", "token", "jwt", "bearer", "Authorization"])
def test_H3_a_token_in_the_query(api: Api, parameter: str) -> None:
    """Is not looked at."""
    refused(api.get(f"/me?{parameter}={TOKEN}"), NO_TOKEN)


@pytest.mark.parametrize(
    "name", ["X-Access-Token", "X-Authorization", "Proxy-Authorization", "Token"]
)
def test_H3_a_token_in_another_header(api: Api, name: str) -> None:
    """Is not looked at."""
    refused(api.request("GET", "/me", [(name, f"Bearer {TOKEN}")]), NO_TOKEN)


def test_H3_a_token_in_a_cookie(api: Api) -> None:
    """Is not looked at while cookies are off."""
    for name in ("access_token", "token", "jwt", "__Host-access"):
        refused(api.request("GET", "/me", [("Cookie", f"{name}={TOKEN}")]), NO_TOKEN)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
def test_H4_the_scheme_has_no_case(api: Api, scheme: str) -> None:
    """RFC 9110, 11.1."""
    served(api.request("GET", "/me", [("Authorization", f"{scheme} {TOKEN}")]))


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        f"Bearer  {TOKEN}",
        f"Bearer\t{TOKEN}",
        f"Bearer:{TOKEN}",
        f"Bearer: {TOKEN}",
        f"Bearer={TOKEN}",
        f"Bearer {TOKEN} x",
        f'Bearer "{TOKEN}"',
        f"Bearer token={TOKEN}",
        f"Bearer Bearer {TOKEN}",
        f"BearerX {TOKEN}",
        f"Bearer\u00a0{TOKEN}",
        f"Bearer{TOKEN}",
    ],
    ids=lambda value: "value",
)
def test_H4_odd_spellings_of_the_scheme(api: Api, value: str) -> None:
    """Whoever says Bearer says the rest right."""
    refused(api.request("GET", "/me", [("Authorization", value)]), INVALID_TOKEN)


@pytest.mark.parametrize(
    "value",
    ["", " ", TOKEN, "Basic YTpi", f"Token {TOKEN}", f"JWT {TOKEN}", "Negotiate", f"Beare {TOKEN}"],
    ids=lambda value: "value",
)
def test_H4_other_schemes_bear_no_token(api: Api, value: str) -> None:
    """They are somebody else's, so there is none of ours."""
    refused(api.request("GET", "/me", [("Authorization", value)]), NO_TOKEN)


def test_H7_head_has_the_policy_of_get(api: Api) -> None:
    """The same status and header fields, and no body."""
    answers = [(None, None), (TOKEN, None), (mint(name="stranger"), None)]
    for token, _ in answers:
        headers = [] if token is None else [("Authorization", f"Bearer {token}")]
        get = api.request("GET", "/me", headers)
        head = api.request("HEAD", "/me", headers)
        assert head.body == b""
        assert (head.status, head.principal) == (get.status, get.principal)
        if get.refused:
            assert head.headers == get.headers


@pytest.mark.parametrize("path", ["/plain", "/me", "/reports", "/acts", "/unknown"])
@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "PATCH", "CONNECT", "PROPFIND"])
def test_H7_other_methods_have_the_same_policy(strict: Api, method: str, path: str) -> None:
    """Nobody without a token learns which methods there are."""
    refused(strict.request(method, path), NO_TOKEN)
    refused(strict.request(method, path, [("Authorization", "Bearer x")]))
    response = strict.request(method, path, [("Authorization", f"Bearer {mint(roles=['admin'])}")])
    assert not response.refused
    assert not response.reached


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "get", "Get"])
def test_H7_other_methods_reach_no_marked_handler(alone: Api, method: str) -> None:
    """Where only marked routes are protected; the frameworks differ in how they say so."""
    assert not alone.request(method, "/me").reached
    assert not alone.request(method, "/me", [("Authorization", "Bearer x")]).reached


@pytest.mark.parametrize("path", ["/plain", "/me", "/reports", "/acts", "/unknown"])
@pytest.mark.parametrize("token", [None, "x"], ids=["none", "bad"])
def test_H7_a_strangers_preflight_reaches_no_handler(
    strict_alone: Api, path: str, token: str | None
) -> None:
    """It is refused, or gets an answer of the framework's own that holds nothing."""
    headers = [("Origin", "https://page.example"), ("Access-Control-Request-Method", "GET")]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token}"))
    response = strict_alone.request("OPTIONS", path, headers)
    assert not response.reached
    if response.refused:
        refused(response, NO_TOKEN if token is None else INVALID_TOKEN)
    else:
        assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize(
    "name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"]
)
def test_H7_method_overrides_are_not_looked_at(api: Api, name: str) -> None:
    """A POST stays a POST, for policy and router alike."""
    for method, override in (("POST", "GET"), ("GET", "POST")):
        headers = [(name, override), ("Authorization", f"Bearer {mint(roles=['analyst'])}")]
        with_it = api.request(method, "/reports", headers)
        without = api.request(method, "/reports", headers[1:])
        assert with_it == without
    refused(api.request("POST", "/reports", [(name, "GET")]), NO_TOKEN)


ODD_PATHS = [
    "//me",
    "/me//",
    "/me/",
    "/./me",
    "/x/../me",
    "/%6de",
    "/me%2f",
    "/%2fme",
    "/%2e/me",
    "/x/%2e%2e/me",
    "/me%00",
    "/me;x",
    "/me.json",
    "/ME",
    "/me%20",
    "/me/.",
    "/me%3f",
    "/me%ff",
    "/%e6%97%a5",
    "/health/../me",
    "/static/../me",
    "/static/%2e%2e/me",
    "/static/..%2fme",
    "/static/%252e%252e/me",
    "/static//me",
    "/static/..;/me",
    "/static/..\\me",
    "/health/",
    "//health",
    "/%2fhealth",
    "/health%00",
    "/HEALTH",
    "/healthz",
]


@pytest.mark.parametrize("path", ODD_PATHS)
def test_H8_odd_paths_are_protected(strict: Api, path: str) -> None:
    """However a path is spelled, nobody without a token gets further."""
    refused(strict.get(path), NO_TOKEN)
    refused(strict.get(path, "x"))


@pytest.mark.parametrize("path", ODD_PATHS)
def test_H8_odd_paths_open_no_marked_route(alone: Api, path: str) -> None:
    """Where a router takes them at all, it is not to a handler that asks for a caller."""
    response = alone.get(path)
    assert not (response.reached and b'"/me"' in response.body)


def test_H8_an_escaped_letter_is_that_letter(api: Api) -> None:
    """Router and policy see the same decoded path."""
    served(api.get("/%6de", TOKEN))
    refused(api.get("/%6de"), NO_TOKEN)
    served(api.get("/he%61lth"), None)


@pytest.mark.parametrize(
    "name",
    [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X-Forwarded-Path",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "Script-Name",
        "Path-Info",
        "Request-Method",
    ],
)
def test_H8_spoofed_paths_are_not_looked_at(api: Api, name: str) -> None:
    """Neither do they open a closed route, nor lead to another handler."""
    for value in ("/health", "/public", "/static/x"):
        refused(api.request("GET", "/me", [(name, value)]), NO_TOKEN)
    response = api.request("GET", "/public", [(name, "/me")])
    served(response, None)
    assert b'"/public"' in response.body


def test_H9_bad_tokens_cannot_be_told_apart(api: Api) -> None:
    """One answer for all reasons, byte for byte."""
    header, payload, signature = TOKEN.split(".")
    bad = [
        "x",
        f"{header}.{payload}.",
        f"{header}.{segment(claims(sub='eve'))}.{signature}",
        mint(exp=NOW - 9),
        mint(nbf=NOW + 99),
        mint(iss="https://unknown.test"),
        mint(aud="x"),
        mint(sub=ABSENT),
        mint(name="stranger"),
        mint(algorithm="ES512"),
        mint(header={"typ": "JWT"}),
        mint(header={"kid": "unknown"}),
        "a" * 9000,
    ]
    answers = {api.get("/me", token).verdict() for token in bad}
    assert len(answers) == 1


def test_H10_no_token_in_logs_and_no_reply_is_stored(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level, of any logger, for good and bad tokens, in header and query."""
    caplog.set_level(logging.DEBUG)
    stranger = mint(name="stranger")
    for token in (TOKEN, stranger, mint(exp=NOW - 9), mint(roles=[])):
        for path in ("/me", "/reports", f"/me?token={token}"):
            response = api.get(path, token)
            if response.refused:
                assert response.header("cache-control") == "no-store"
    for record in caplog.records:
        text = record.getMessage() + str(record.exc_text) + str(record.__dict__.get("reason"))
        assert all(part not in text for token in (TOKEN, stranger) for part in token.split(".")[1:])

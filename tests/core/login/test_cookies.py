"""Tokens in cookies: what they look like, and that a request with one must be meant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwt_guard import ConfigurationError, Guard, Reason, Refusal
from jwt_guard.credentials.csrf import CsrfRule, Proof
from jwt_guard.credentials.sealing import Sealer
from jwt_guard.flow import run
from jwt_guard.guard import Outcome
from jwt_guard.http import Reply, WsgiView
from tests.core.login.caller import Caller, Cookies, bearer, body_of, made

SECRET = bytes(range(32))


@pytest.fixture
def caller() -> Caller:
    """An application."""
    return made()


def identified(caller: Caller, method: str = "POST", **environ: str) -> Outcome:
    """What the guard makes of a request."""
    base = {
        "REQUEST_METHOD": method,
        "HTTP_HOST": "app.example.test",
        "wsgi.url_scheme": "https",
    }
    return run(caller.guard.identify(WsgiView(base | environ)))


def test_cookies_have_every_attribute(caller: Caller) -> None:
    """H5: prefixes, Secure, HttpOnly, SameSite, narrow path, a bounded life."""
    reply = caller.call("login", {"username": "ada", "password": "ada-demo", "cookies": True})
    fields = sorted(value for name, value in reply.headers if name == "Set-Cookie")
    shapes = [field.partition("=")[0] + ";" + field.partition(";")[2] for field in fields]
    assert shapes == [
        "__Host-access; Path=/; Max-Age=300; Secure; HttpOnly; SameSite=Lax",
        "__Host-csrf; Path=/; Max-Age=1209600; Secure; SameSite=Strict",
        "__Secure-refresh; Path=/auth; Max-Age=1209600; Secure; HttpOnly; SameSite=Strict",
    ]


def test_no_token_in_the_body_and_nothing_readable_in_cookies(caller: Caller) -> None:
    """NIST 5.1.1: the body has no token, and no cookie shows personal data or a JWT."""
    reply = caller.call("login", {"username": "ada", "password": "ada-demo", "cookies": True})
    assert set(body_of(reply)) == {"token_type", "expires_in", "scope", "csrf_token"}
    cookies = Cookies.of(reply)
    assert "." not in cookies.access
    assert "eyJ" not in cookies.header


def test_a_cookie_names_the_caller(caller: Caller) -> None:
    """A safe request needs nothing but the cookie."""
    cookies = caller.cookies()
    for method in ("GET", "HEAD", "OPTIONS"):
        outcome = identified(caller, method, HTTP_COOKIE=cookies.header)
        assert outcome.principal is not None
        assert outcome.principal.subject == "ada"


def test_header_and_cookie_together_are_ambiguous(caller: Caller) -> None:
    """H1: a token in two places is refused, whatever the tokens are."""
    token = caller.log_in()["access_token"]
    outcome = identified(
        caller, "GET", HTTP_COOKIE=caller.cookies().header, HTTP_AUTHORIZATION=bearer(token)
    )
    assert outcome.refusal is not None
    assert outcome.refusal.reason is Reason.CREDENTIALS_AMBIGUOUS


def test_two_cookies_of_one_name_are_ambiguous(caller: Caller) -> None:
    """A cookie tossed in by a subdomain does not win over the real one."""
    cookies = caller.cookies()
    header = f"{cookies.header}; __Host-access={cookies.access}"
    outcome = identified(caller, "GET", HTTP_COOKIE=header)
    assert outcome.refusal is not None
    assert outcome.refusal.status == 400


@pytest.mark.parametrize(
    ("headers", "meant"),
    [
        ({}, False),
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, True),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, False),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, False),
        ({"HTTP_SEC_FETCH_SITE": "none"}, False),
        ({"HTTP_ORIGIN": "https://app.example.test"}, True),
        ({"HTTP_ORIGIN": "http://app.example.test"}, False),
        ({"HTTP_ORIGIN": "https://app.example.test:8443"}, False),
        ({"HTTP_ORIGIN": "https://app.example.test.evil.example"}, False),
        ({"HTTP_ORIGIN": "null"}, False),
        ({"HTTP_ORIGIN": "https://[app.example.test"}, False),
        (
            {"HTTP_ORIGIN": "https://app.example.test", "HTTP_SEC_FETCH_SITE": "cross-site"},
            False,
        ),
        ({"HTTP_ORIGIN": "https://evil.example", "HTTP_SEC_FETCH_SITE": "same-origin"}, False),
        ({"HTTP_ORIGIN": "https://app.example.test", "HTTP_HOST": "app.example.test/@x"}, False),
        ({"HTTP_X_CSRF_TOKEN": "wrong"}, False),
        ({"HTTP_X_CSRF_TOKEN": "wrong", "HTTP_SEC_FETCH_SITE": "same-origin"}, False),
        ({"HTTP_X_CSRF_TOKEN": "\u00ff\u00ff"}, False),
    ],
)
def test_what_shows_that_a_request_was_meant(
    caller: Caller, headers: dict[str, str], meant: bool
) -> None:
    """H6: only what a foreign page cannot send lets a changing request with a cookie pass."""
    outcome = identified(caller, HTTP_COOKIE=caller.cookies().header, **headers)
    assert (outcome.principal is not None) is meant
    if not meant:
        assert outcome.refusal is not None
        assert outcome.refusal.reason is Reason.CSRF_FAILED
        assert outcome.refusal.status == 403


def test_the_token_is_the_fallback_and_bound_to_the_session(caller: Caller) -> None:
    """H6: without fetch metadata the session's own token shows it, another session's does not."""
    mine, other = caller.cookies(), caller.cookies("eve")
    right = identified(caller, HTTP_COOKIE=mine.header, HTTP_X_CSRF_TOKEN=mine.csrf)
    wrong = identified(caller, HTTP_COOKIE=mine.header, HTTP_X_CSRF_TOKEN=other.csrf)
    cross = identified(
        caller,
        HTTP_COOKIE=mine.header,
        HTTP_X_CSRF_TOKEN=mine.csrf,
        HTTP_SEC_FETCH_SITE="cross-site",
    )
    assert right.principal is not None
    assert right.proof is Proof.GIVEN
    assert wrong.refusal is not None
    assert cross.refusal is not None


def test_a_bearer_needs_no_proof(caller: Caller) -> None:
    """No browser sends an Authorization header by itself."""
    outcome = identified(caller, HTTP_AUTHORIZATION=bearer(caller.log_in()["access_token"]))
    assert outcome.principal is not None
    assert outcome.proof is None


def test_a_framework_may_demand_its_own_proof(caller: Caller) -> None:
    """Where the framework checks itself, a missing proof is told; a contradiction is refused."""
    cookies = caller.cookies()
    view = {"REQUEST_METHOD": "POST", "HTTP_HOST": "app.example.test"}
    missing = WsgiView({**view, "HTTP_COOKIE": cookies.header})
    crossed = WsgiView({**view, "HTTP_COOKIE": cookies.header, "HTTP_SEC_FETCH_SITE": "cross-site"})
    assert run(caller.guard.identify(missing, own_csrf=True)).proof is Proof.MISSING
    assert run(caller.guard.identify(crossed, own_csrf=True)).refusal is not None


@pytest.mark.parametrize(
    "how",
    [
        {"wsgi.url_scheme": "wss"},
        {"wsgi.url_scheme": "https", "HTTP_UPGRADE": "websocket"},
        {"wsgi.url_scheme": "https", "HTTP_UPGRADE": "h2c, WebSocket"},
    ],
    ids=["scheme", "header", "among others"],
)
def test_H6_a_handshake_with_a_cookie_must_be_meant(how: dict[str, str]) -> None:
    """A foreign page can open a WebSocket with our cookies, so its origin counts."""
    rule = CsrfRule([SECRET])
    view = {"REQUEST_METHOD": "GET", "HTTP_HOST": "app.example.test", **how}
    foreign = {**view, "HTTP_ORIGIN": "https://evil.example"}
    own = {**view, "HTTP_ORIGIN": "https://app.example.test"}
    assert rule.proof(WsgiView(view), "sid") is Proof.MISSING
    assert rule.proof(WsgiView(foreign), "sid") is Proof.CONTRADICTED
    assert rule.proof(WsgiView(own), "sid") is Proof.GIVEN


def test_trusted_origins_may_send() -> None:
    """An origin that the configuration trusts passes, though the browser calls it cross-site."""
    rule = CsrfRule([SECRET], ["https://spa.example"])
    view = WsgiView(
        {
            "REQUEST_METHOD": "POST",
            "HTTP_HOST": "api.example",
            "HTTP_ORIGIN": "https://spa.example",
            "HTTP_SEC_FETCH_SITE": "cross-site",
        }
    )
    assert rule.proof(view, "sid") is Proof.GIVEN


def test_refresh_by_cookie(caller: Caller) -> None:
    """The refresh cookie refreshes, if the request was meant; new cookies come with the answer."""
    cookies = caller.cookies()
    unmeant = caller.call("refresh", cookie=cookies.header)
    meant = caller.call("refresh", cookie=cookies.header, sec_fetch_site="same-origin")
    assert unmeant.status == 403
    assert meant.status == 200
    assert Cookies.of(meant).refresh != cookies.refresh
    assert Cookies.of(meant).csrf == cookies.csrf


def test_the_loser_keeps_the_winners_cookies(caller: Caller) -> None:
    """A refused refresh sets no cookie, so it cannot clear what another tab has just got."""
    cookies = caller.cookies()
    body_of(caller.call("refresh", cookie=cookies.header, sec_fetch_site="same-origin"))
    again = caller.call("refresh", cookie=cookies.header, sec_fetch_site="same-origin")
    assert again.status == 200
    caller.clock.now += 10**8
    late = caller.call("refresh", cookie=cookies.header, sec_fetch_site="same-origin")
    assert late.status == 400
    assert "Set-Cookie" not in dict(late.headers)


def test_a_token_in_body_and_cookie_is_malformed(caller: Caller) -> None:
    """One refresh token at a time; and none at all is no request."""
    cookies = caller.cookies()
    both = caller.call(
        "refresh",
        {"refresh_token": cookies.refresh},
        cookie=cookies.header,
        sec_fetch_site="same-origin",
    )
    assert body_of(both) == {"error": "invalid_request"}
    assert body_of(caller.call("refresh")) == {"error": "invalid_request"}
    odd = caller.call("refresh", cookie="__Secure-refresh=x", sec_fetch_site="same-origin")
    assert body_of(odd) == {"error": "invalid_grant"}


def test_logout_takes_the_cookies_away(caller: Caller) -> None:
    """Logging out with cookies empties them; without, none is mentioned."""
    cookies = caller.cookies()
    reply = caller.call("logout", cookie=cookies.header, sec_fetch_site="same-origin")
    emptied = [value for name, value in reply.headers if name == "Set-Cookie"]
    assert reply.status == 204
    assert len(emptied) == 3
    assert all("Max-Age=0" in field for field in emptied)
    token = caller.log_in()["access_token"]
    assert "Set-Cookie" not in dict(caller.call("logout", authorization=bearer(token)).headers)


@pytest.mark.parametrize("name", ["refresh", "logout"])
def test_a_planted_refresh_cookie_is_refused(caller: Caller, name: str) -> None:
    """A sibling domain can set `__Secure-refresh` for us all, but no cookie named `__Host-`.

    Else the page's next silent refresh would log its user in as somebody else.
    """
    planted, own = caller.cookies("eve"), caller.cookies("ada")
    for beside in ("", f"; __Host-csrf={own.csrf}", f"; __Host-csrf={planted.csrf[:-1]}"):
        header = f"__Secure-refresh={planted.refresh}{beside}"
        reply = caller.call(name, cookie=header, sec_fetch_site="same-origin")
        assert (reply.status, dict(reply.headers).get("Set-Cookie")) == (403, None)
    twice = f"__Secure-refresh={planted.refresh}; __Host-csrf={own.csrf}; __Host-csrf={own.csrf}"
    assert caller.call(name, cookie=twice, sec_fetch_site="same-origin").status == 400


def test_logout_by_refresh_cookie_alone(caller: Caller) -> None:
    """When the access cookie has run out, the refresh cookie still ends its session."""
    cookies = caller.cookies()
    header = f"__Secure-refresh={cookies.refresh}; __Host-csrf={cookies.csrf}"
    assert caller.call("logout", cookie=header).status == 403
    assert caller.call("logout", cookie=header, sec_fetch_site="same-origin").status == 204
    refreshed = caller.call("refresh", cookie=header, sec_fetch_site="same-origin")
    assert refreshed.status == 400


def test_logout_of_a_session_that_is_gone_takes_the_cookies_away(caller: Caller) -> None:
    """A browser is never left with cookies that nothing can end."""
    cookies = caller.cookies()
    caller.clock.now += 10**8
    run(caller.guard.store.purge(now=2**52, limit=100))
    header = f"__Secure-refresh={cookies.refresh}; __Host-csrf={cookies.csrf}"
    assert caller.call("logout", cookie=header).status == 403
    reply = caller.call("logout", cookie=header, sec_fetch_site="same-origin")
    assert reply.status == 204
    assert sum("Max-Age=0" in value for _, value in reply.headers) == 3


def test_login_from_a_foreign_page_is_refused(caller: Caller) -> None:
    """A foreign page cannot log its visitor in as somebody else."""
    body = {"username": "eve", "password": "eve-demo", "cookies": True}
    reply = caller.call("login", body, sec_fetch_site="cross-site", origin="https://evil.example")
    assert reply.status == 403
    assert "Set-Cookie" not in dict(reply.headers)


def test_a_new_login_takes_the_place_of_the_session_in_the_browser(caller: Caller) -> None:
    """ASVS V7.2.4: no session is left behind; a failed login, or odd cookies, end none."""
    ada = {"username": "ada", "password": "ada-demo", "cookies": True}
    other, former = caller.cookies(), caller.cookies()

    def sent(name: str, body: Any = None) -> Reply:
        return caller.call(name, body, cookie=former.header, sec_fetch_site="same-origin")

    two = f"{former.header}; __Secure-refresh={other.refresh}"
    forged = f"__Secure-refresh={former.refresh[:-4]}AAAA"
    assert sent("login", {**ada, "password": "guess"}).status == 400
    for cookie in (two, forged, "__Secure-refresh=x"):
        assert caller.call("login", ada, cookie=cookie).status == 200
    assert sent("login", {**ada, "cookies": False}).status == 200
    assert identified(caller, "GET", HTTP_COOKIE=former.header).principal is not None
    now = Cookies.of(sent("login", ada))
    ended = identified(caller, "GET", HTTP_COOKIE=former.header)
    assert ended.refusal is not None
    assert ended.refusal.reason is Reason.TOKEN_REVOKED
    assert body_of(sent("refresh")) == {"error": "invalid_grant"}
    for cookies in (now, other):
        assert identified(caller, "GET", HTTP_COOKIE=cookies.header).principal is not None


@pytest.mark.parametrize(("length", "dropped"), [(1500, False), (3000, True)])
def test_a_cookie_that_browsers_drop_is_told(
    caller: Caller, caplog: pytest.LogCaptureFixture, length: int, dropped: bool
) -> None:
    """Nothing else would tell why nobody stays logged in."""
    assert caller.guard.issuer is not None
    caller.guard.issuer.more_claims = lambda claims: {"groups": "g" * length}
    caller.cookies()
    assert ("__Host-access is too large" in caplog.text) is dropped


def test_cookies_only_where_enabled() -> None:
    """Without the setting no cookie is given, and none is looked at."""
    caller, other = made(cookies=False), made()
    refused = caller.call("login", {"username": "ada", "password": "ada-demo", "cookies": True})
    assert body_of(refused) == {"error": "invalid_request"}
    outcome = identified(caller, "GET", HTTP_COOKIE=other.cookies().header)
    assert outcome.refusal is not None
    assert outcome.refusal.reason is Reason.TOKEN_MISSING


def test_cookies_need_tokens_of_our_own() -> None:
    """A guard that only verifies has nothing to put into cookies."""
    with pytest.raises(ConfigurationError, match=r"cookies\.enabled"):
        Guard.from_config({"audience": "a", "issuers": [], "cookies": {"enabled": True}})


def test_sealed_values_open_only_as_they_were() -> None:
    """A value opens under its name and with a known secret, and in no other case."""
    old, new = Sealer([SECRET]), Sealer([SECRET[::-1], SECRET])
    value = old.seal("token", "a")
    assert old.open(value, "a") == b"token"
    assert new.open(value, "a") == b"token"
    assert old.seal("token", "a") != value
    for sealer, changed, name in [
        (old, value, "b"),
        (Sealer([SECRET[::-1]]), value, "a"),
        (old, value[:-2], "a"),
        (old, "", "a"),
        (old, "é", "a"),
        (old, "AAAA", "a"),
    ]:
        with pytest.raises(Refusal):
            sealer.open(changed, name)
    assert "token" not in repr(old)


@given(st.text(max_size=120))
def test_any_refresh_cookie_is_no_obstacle_to_a_login(cookie: str) -> None:
    """Whatever a browser still has: it is replaced."""
    ada = {"username": "ada", "password": "ada-demo", "cookies": True}
    assert SHARED.call("login", ada, cookie=f"__Secure-refresh={cookie}").status == 200


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_cookie_and_any_token_is_judged(cookie: str, token: str) -> None:
    """Any text in the Cookie and CSRF headers: an outcome, never anything else."""
    outcome = identified(SHARED, HTTP_COOKIE=f"__Host-access={cookie}", HTTP_X_CSRF_TOKEN=token)
    assert outcome.principal is None


SHARED = made()

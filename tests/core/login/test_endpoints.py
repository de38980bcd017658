"""The endpoints of first-party login, with tokens in the body."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwt_guard.audit.observer import EventName
from jwt_guard.flow import arun, run
from jwt_guard.http import WsgiView
from jwt_guard.login import Identity, login_endpoints
from tests.core.login.caller import Caller, bearer, body_of, made


@pytest.fixture
def caller() -> Caller:
    """An application."""
    return made()


def test_login_answers_as_rfc_6749(caller: Caller) -> None:
    """A right login answers the members of RFC 6749 section 5.1, never to be stored."""
    reply = caller.call("login", {"username": "ada", "password": "ada-demo"})
    body = body_of(reply)
    assert reply.status == 200
    assert ("Cache-Control", "no-store") in reply.headers
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 300
    assert body["scope"] == "a b"
    principal = caller.guard.verify(body["access_token"])
    assert (principal.subject, principal.tenant) == ("ada", "acme")
    assert principal.roles == {"admin"}
    assert principal.claims["amr"] == ["pwd"]
    assert principal.authenticated_at == caller.clock.now


def test_wrong_password_and_unknown_name_are_alike(caller: Caller) -> None:
    """Nothing tells whether there is such a user; the log knows the name that was tried."""
    wrong = caller.call("login", {"username": "ada", "password": "guess"})
    unknown = caller.call("login", {"username": "nobody", "password": "guess"})
    assert wrong == unknown
    assert wrong.status == 400
    assert body_of(wrong) == {"error": "invalid_grant"}
    failed = [o for o in caller.listener.occurrences if o.name is EventName.LOGIN_FAILED]
    assert [occurrence.subject for occurrence in failed] == ["ada", "nobody"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "ada"},
        {"username": "ada", "password": ""},
        {"username": 1, "password": "x"},
        {"username": "ada", "password": ["ada-demo"]},
        {"username": "a" * 2000, "password": "x"},
        {"username": "ada", "password": "ada-demo", "cookies": "yes"},
        {"username": "ada", "password": "ada-demo", "client_id": ""},
        [],
        "text",
    ],
)
def test_malformed_login_is_invalid_request(caller: Caller, body: object) -> None:
    """What is no login is RFC 6749's invalid_request, whatever else it is."""
    if body == {"username": "ada", "password": "ada-demo", "client_id": ""}:
        assert caller.call("login", body).status == 200  # an empty name is a name like another
        return
    reply = caller.call("login", body)
    assert (reply.status, body_of(reply)) == (400, {"error": "invalid_request"})


def test_login_takes_a_form_too(caller: Caller) -> None:
    """A form says the same as JSON; a field given twice says nothing."""
    form = "application/x-www-form-urlencoded"
    good = caller.call("login", raw=b"username=ada&password=ada-demo", kind=form)
    twice = caller.call("login", raw=b"username=ada&username=eve&password=x", kind=form)
    odd = caller.call("login", raw=b"username=%ff&password=x", kind=form)
    plain = caller.call("login", raw=b"username=ada&password=ada-demo", kind="text/plain")
    assert good.status == 200
    assert [twice.status, odd.status, plain.status] == [400, 400, 400]


def test_refresh_gives_the_successor(caller: Caller) -> None:
    """A refresh token gives new tokens, and scopes may be fewer but never more."""
    first = caller.log_in()
    reply = caller.refresh(first["refresh_token"], scope="a")
    second = body_of(reply)
    assert reply.status == 200
    assert second["scope"] == "a"
    assert second["refresh_token"] != first["refresh_token"]
    assert caller.guard.verify(second["access_token"]).scopes == {"a"}
    wider = caller.refresh(second["refresh_token"], scope="a b c")
    assert (wider.status, body_of(wider)) == (400, {"error": "invalid_scope"})


def test_what_is_no_refresh_token_is_invalid_grant(caller: Caller) -> None:
    """An access token, a part, another client's, another's device: one answer for all."""
    first = caller.log_in()
    token = first["refresh_token"]
    bound = caller.log_in(device="phone")["refresh_token"]
    replies = [
        caller.refresh(first["access_token"]),
        caller.refresh(token[:-4]),
        caller.refresh(token[:-4] + "AAAA"),
        caller.refresh(""),
        caller.refresh(token, client_id="another"),
        caller.refresh(bound, device="laptop"),
    ]
    assert {reply.status for reply in replies} == {400}
    assert {reply.body for reply in replies} == {b'{"error":"invalid_grant"}'}
    reasons = [o.reason for o in caller.listener.occurrences if o.reason is not None]
    assert len(reasons) == len(replies)


def test_reuse_ends_the_session(caller: Caller) -> None:
    """G4, G6: an old refresh token after the window ends the session and its access tokens."""
    first = caller.log_in()
    second = body_of(caller.refresh(first["refresh_token"]))
    third = body_of(caller.refresh(second["refresh_token"]))
    caller.clock.now += 60
    assert caller.refresh(first["refresh_token"]).status == 400
    assert caller.refresh(third["refresh_token"]).status == 400
    sessions = caller.call("sessions", authorization=bearer(third["access_token"]))
    assert sessions.status == 401
    assert EventName.REUSE_DETECTED in {o.name for o in caller.listener.occurrences}


def test_other_grant_types_are_unsupported(caller: Caller) -> None:
    """Only refresh tokens are taken here."""
    reply = caller.call("refresh", {"grant_type": "password", "refresh_token": "x"})
    assert (reply.status, body_of(reply)) == (400, {"error": "unsupported_grant_type"})


def test_logout_ends_the_session_at_once(caller: Caller) -> None:
    """G1: after logout neither token is of use, whether it was cached or not."""
    tokens = caller.log_in()
    header = bearer(tokens["access_token"])
    assert caller.call("sessions", authorization=header).status == 200
    assert caller.call("logout", authorization=header).status == 204
    assert caller.call("sessions", authorization=header).status == 401
    assert caller.refresh(tokens["refresh_token"]).status == 400


def test_logout_by_refresh_token(caller: Caller) -> None:
    """A client whose access token has expired logs out with its refresh token."""
    tokens = caller.log_in()
    caller.clock.now += 3600
    expired = caller.call("logout", authorization=bearer(tokens["access_token"]))
    by_refresh = caller.call("logout", {"refresh_token": tokens["refresh_token"]})
    assert expired.status == 401
    assert by_refresh.status == 204
    assert caller.refresh(tokens["refresh_token"]).status == 400


def test_logout_needs_somebody(caller: Caller) -> None:
    """Nobody cannot log out."""
    assert caller.call("logout").status == 401
    assert caller.call("logout", {"refresh_token": "jgr_x"}).status == 400


def test_logout_everywhere(caller: Caller) -> None:
    """G2: all of one's sessions end, nobody else's."""
    here, there, other = caller.log_in(), caller.log_in(), caller.log_in("eve")
    reply = caller.call("logout_everywhere", authorization=bearer(here["access_token"]))
    assert reply.status == 204
    for tokens in (here, there):
        header = bearer(tokens["access_token"])
        assert caller.call("sessions", authorization=header).status == 401
        assert caller.refresh(tokens["refresh_token"]).status == 400
    assert caller.call("sessions", authorization=bearer(other["access_token"])).status == 200


def test_sessions_are_listed_and_ended(caller: Caller) -> None:
    """One sees one's own sessions, knows the current one, and can end the others."""
    first = caller.log_in(device="phone")
    caller.clock.now += 1
    second = caller.log_in(device="laptop")
    header = bearer(second["access_token"])
    listed = body_of(caller.call("sessions", authorization=header))["sessions"]
    assert [(s["device"], s["current"]) for s in listed] == [("laptop", True), ("phone", False)]
    assert all(s["place"] == "192.0.2.1" for s in listed)
    other = listed[1]["session_id"]
    assert caller.call("end_session", path={"sid": other}, authorization=header).status == 204
    assert caller.call("sessions", authorization=bearer(first["access_token"])).status == 401
    assert caller.call("sessions", authorization=header).status == 200


def test_nobody_ends_anothers_session(caller: Caller) -> None:
    """Another's session is not found, as one that never was."""
    ada, eve = caller.log_in("ada"), caller.log_in("eve")
    header = bearer(ada["access_token"])
    (session,) = body_of(caller.call("sessions", authorization=header))["sessions"]
    sid = session["session_id"]
    for wanted in (sid, "no-such-session"):
        reply = caller.call(
            "end_session", path={"sid": wanted}, authorization=bearer(eve["access_token"])
        )
        assert reply.status == 404
    assert caller.call("sessions", authorization=header).status == 200


def test_logins_are_throttled_alike(caller: Caller) -> None:
    """Guessing is slowed for real and unknown names alike, and time lifts it."""
    for name in ("ada", "nobody"):
        body = {"username": name, "password": "guess"}
        replies = [caller.call("login", body, address=f"198.51.100.{len(name)}") for _ in range(11)]
        assert [reply.status for reply in replies] == [400] * 10 + [429]
        assert dict(replies[-1].headers)["Retry-After"] == "300"
    right = {"username": "ada", "password": "ada-demo"}
    assert caller.call("login", right, address="198.51.100.3").status == 429
    assert caller.call("login", right, address="203.0.113.1").status == 200
    caller.clock.now += 301
    assert caller.call("login", right, address="198.51.100.3").status == 200


def test_success_begins_the_count_anew(caller: Caller) -> None:
    """Who knows the password is not locked out by slips."""
    for _ in range(5):
        for _ in range(9):
            caller.call("login", {"username": "ada", "password": "slip"})
        caller.log_in()


def test_one_address_cannot_try_everybody(caller: Caller) -> None:
    """One password for many names is slowed by address."""
    statuses = [
        caller.call("login", {"username": f"user{n}", "password": "Summer2026"}).status
        for n in range(101)
    ]
    assert statuses[-2:] == [400, 429]


@pytest.mark.parametrize(
    "names",
    [("ada", "ADA", " ada "), ("Straße", "STRASSE"), ("ﬁona", "fiona"), ("e\u0301va", "Éva")],
)
def test_no_other_spelling_of_a_name_is_another_account(
    caller: Caller, names: tuple[str, ...]
) -> None:
    """An application may take them for the same user, so they are counted together."""
    bodies = [{"username": names[n % len(names)], "password": "guess"} for n in range(11)]
    assert [caller.call("login", body).status for body in bodies] == [400] * 10 + [429]


@pytest.mark.parametrize(
    ("addresses", "together"),
    [
        ("2001:db8::{n:x}", True),
        ("2001:db8:0:{n:x}::1", False),
        ("::ffff:192.0.2.{n}", False),
        ("192.0.2.{n}", False),
    ],
)
def test_a_network_of_version_6_is_one_address(
    caller: Caller, addresses: str, together: bool
) -> None:
    """Who has one of version 6 has 2**64; those of version 4 stay apart, mapped or not."""
    body = {"username": "ada", "password": "guess"}
    replies = [caller.call("login", body, address=addresses.format(n=n)) for n in range(1, 12)]
    assert replies[-1].status == (429 if together else 400)


def test_a_mapped_address_is_the_one_that_it_maps(caller: Caller) -> None:
    """A server that listens to both versions writes the one in the form of the other."""
    body = {"username": "ada", "password": "guess"}
    addresses = ["::ffff:192.0.2.9", "192.0.2.9"] * 6
    replies = [caller.call("login", body, address=address) for address in addresses]
    assert [reply.status for reply in replies[9:]] == [400, 429, 429]


def test_what_is_refused_for_an_account_is_not_counted_for_the_address(caller: Caller) -> None:
    """A program that hammers with an old password locks nobody else out behind its address."""
    for _ in range(200):
        caller.call("login", {"username": "robot", "password": "old"})
    caller.log_in()


def test_one_address_cannot_fill_the_store_with_names(caller: Caller) -> None:
    """Once it is refused, no name that it tries is kept."""
    for n in range(300):
        caller.call("login", {"username": f"user{n}", "password": "guess"})
    kept = run(caller.guard.store.purge(now=10**15, limit=10**6))
    assert kept == 1 + 2 * 100


def test_right_logins_from_one_address_are_not_counted(caller: Caller) -> None:
    """A whole office behind one address logs in, again and again."""
    for _ in range(150):
        caller.log_in()


def test_tokens_of_other_issuers_have_no_sessions_here(caller: Caller) -> None:
    """A token without a session of ours can neither list nor end any."""
    assert caller.guard.issuer is not None
    token = caller.guard.issuer.issue("ada", client_id="x")
    for name in ("sessions", "logout", "logout_everywhere"):
        assert caller.call(name, authorization=bearer(token)).status == 401


def test_checks_may_be_asynchronous() -> None:
    """An `async def` decides under an event loop, and a plain function does too."""
    caller = made()

    async def check(name: str, password: str) -> Identity | None:
        await asyncio.sleep(0)
        return Identity(subject=name) if password == "right" else None

    def plain(name: str, password: str) -> Identity | None:
        return Identity(subject=name) if password == "right" else None

    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "application/json",
        "HTTP_HOST": "app.example.test",
    }
    body = b'{"username":"ada","password":"right"}'
    for function in (check, plain):
        login = login_endpoints(function)[0]
        reply = asyncio.run(arun(login.handle(caller.guard, WsgiView(environ), body)))
        assert reply.status == 200
    with pytest.raises(TypeError, match="async def"):
        run(login_endpoints(check)[0].handle(caller.guard, WsgiView(environ), body))


@given(
    raw=st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from(["username", "password", "cookies", "client_id", "device", "scope"]),
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text())),
        ).map(lambda fields: json.dumps(fields).encode()),
    ),
    kind=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain"]),
    name=st.sampled_from(["login", "refresh", "logout"]),
)
def test_no_body_raises_anything(raw: bytes, kind: str, name: str) -> None:
    """Any bytes, any JSON: an answer below 500."""
    reply = SHARED.call(name, raw=raw, kind=kind)
    assert reply.status in {200, 204, 400, 401, 403, 429}


SHARED = made()

"""What is revoked is refused on the very next request, cached or not, and nothing else is."""

from typing import Any

import pytest

from jwt_guard.audit.observer import EventName
from jwt_guard.errors import ConfigurationError, Reason, Refusal
from jwt_guard.flow import Flow, run
from jwt_guard.guard import Guard
from jwt_guard.http import AsgiView
from jwt_guard.sessions import Client, Grant, SessionInfo
from jwt_guard.sessions.refresh_token import new_sid
from jwt_guard.stores.memory import MemoryStore
from tests.core.sessions.conftest import ISSUER, WEB, App, application
from tests.support import tokens


def is_welcome(app: App, *grants: Grant) -> list[bool]:
    """Whether the access tokens are accepted; where not, refresh tokens are neither."""
    return [_accepted(app, grant) for grant in grants]


def _accepted(app: App, grant: Grant) -> bool:
    try:
        app.guard.verify(grant.access_token)
    except Refusal:
        with pytest.raises(Refusal, match="grant_invalid"):
            app.refresh(grant.refresh_token)
        return False
    app.refresh(grant.refresh_token)
    return True


def test_a_cached_token_is_revoked_with_its_session(app: App) -> None:
    """G1, G9: verified, cached, revoked: refused by every way of asking."""
    grant, other = app.login(), app.login()
    principal = app.guard.verify(grant.access_token)
    run(app.sessions.logout(grant.session_id))
    authorization = f"Bearer {grant.access_token}".encode()
    view = AsgiView({"path": "/", "headers": [(b"authorization", authorization)]})
    refusal = run(app.guard.identify(view)).refusal
    assert refusal is not None
    assert refusal.reason is Reason.TOKEN_REVOKED
    with pytest.raises(Refusal, match="token_revoked"):
        run(app.guard.recheck(principal))
    with pytest.raises(Refusal, match="token_revoked"):
        run(app.guard.judge(grant.access_token))
    assert is_welcome(app, grant, other) == [False, True]
    assert EventName.LOGGED_OUT in app.ears.names()


async def test_the_asynchronous_way_asks_too(app: App) -> None:
    """`averify` is no back door."""
    grant = app.login()
    assert (await app.guard.averify(grant.access_token)).subject == "ada"
    run(app.sessions.revoke_session(grant.session_id))
    with pytest.raises(Refusal, match="token_revoked"):
        await app.guard.averify(grant.access_token)


def test_one_token_is_revoked_by_its_jti(app: App) -> None:
    """However it is written (G12), and no other of its session."""
    grant = app.login()
    again = app.refresh(grant.refresh_token)
    caller = app.guard.verify(grant.access_token)
    assert caller.token_id is not None
    run(app.guard.revocations.revoke_token(caller.token_id, expires_at=caller.expires_at))
    with pytest.raises(Refusal, match="token_revoked"):
        app.guard.verify(grant.access_token)
    app.guard.verify(again.access_token)


def test_logout_everywhere_spares_other_people(app: App) -> None:
    """G2, G3: all that the subject has; and how many there were."""
    ada, too, eve = app.login(), app.login(), app.login("eve")
    assert run(app.sessions.revoke_subject("ada")) == 2
    assert is_welcome(app, ada, too, eve) == [False, False, True]
    assert run(app.sessions.list("ada")) == []


def test_who_logs_in_again_is_welcome_at_once(app: App) -> None:
    """In the same millisecond, again and again; and each time all that was before is refused."""
    before: list[Grant] = []
    for end in (
        lambda: run(app.sessions.revoke_subject("ada")),
        lambda: run(app.sessions.revoke_tenant("acme")),
        lambda: run(app.sessions.revoke_everything()),
        lambda: run(app.sessions.revoke_subject("ada")),
    ):
        before.append(app.login(tenant="acme"))
        app.guard.verify(before[-1].access_token)
        end()
        assert is_welcome(app, *before) == [False] * len(before)
    assert is_welcome(app, app.login(tenant="acme")) == [True]


def test_a_tenant_and_everybody_can_be_cut_off(app: App) -> None:
    """Of several cut-offs the latest counts (G13)."""
    acme, globex, none = app.login(tenant="acme"), app.login(tenant="globex"), app.login()
    run(app.sessions.revoke_tenant("acme"))
    assert is_welcome(app, acme, globex, none) == [False, True, True]
    run(app.sessions.revoke_everything())
    assert is_welcome(app, acme, globex, none) == [False, False, False]
    scopes = [o.detail["scope"] for o in app.ears.heard if o.name is EventName.REVOKED]
    assert scopes == ["tenant", "everything"]


def test_the_others_are_ended_and_this_one_stays(app: App) -> None:
    """As after a change of password (ASVS V7.4.3)."""
    mine, other, third, eve = app.login(), app.login(), app.login(), app.login("eve")
    assert run(app.sessions.end_others("ada", keep=mine.session_id)) == 2
    assert is_welcome(app, mine, other, third, eve) == [True, False, False, True]


def test_sessions_are_listed_with_device_place_and_times(app: App) -> None:
    """The living ones; cleaned of what a terminal or a database could not take."""
    phone = Client(client_id="web", device="phone\x00\x1b[2J", agent="B" * 999, place="192.0.2.1")
    first = app.login(client=phone, tenant="acme")
    begun = app.clock()
    app.clock.now += 60
    second = app.login()
    run(app.sessions.logout(app.login().session_id))
    app.clock.now += 60
    app.refresh(first.refresh_token, Client(client_id="web", device=phone.device, place="::1"))
    youngest, oldest = run(app.sessions.list("ada"))
    assert youngest.session_id == second.session_id
    assert oldest == SessionInfo(
        session_id=first.session_id,
        client_id="web",
        tenant="acme",
        device="phone[2J",
        agent="B" * 255,
        place="::1",
        created_at=begun,
        used_at=begun + 120,
        expires_at=begun + 120 + 14 * 86_400,
    )
    app.clock.now += 14 * 86_400
    assert run(app.sessions.list("ada")) == []


def test_a_refresh_token_tells_which_session_to_end(app: App) -> None:
    """Without being used up; also when its session has moved on, but not for another client."""
    grant = app.login()
    moved = app.refresh(grant.refresh_token)
    for token in (grant.refresh_token, moved.refresh_token):
        assert run(app.sessions.owner_of(token, client=WEB)).sid == grant.session_id
    with pytest.raises(Refusal, match="grant_invalid"):
        run(app.sessions.owner_of(moved.refresh_token, client=Client(client_id="other")))
    with pytest.raises(Refusal, match="grant_invalid"):
        run(app.sessions.owner_of(grant.access_token, client=WEB))
    assert is_welcome(app, moved) == [True]


def test_a_refresh_in_the_moment_of_a_revocation_gives_nothing_of_use(app: App) -> None:
    """G7: wherever the revocation falls between the steps of the refresh."""
    for end in (
        lambda grant: run(app.sessions.logout(grant.session_id)),
        lambda grant: run(app.sessions.revoke_subject("ada")),
        lambda grant: run(app.sessions.revoke_everything()),
    ):
        for step in range(6):
            app.clock.now += 5
            grant = app.login()
            given = _refreshed_around(app, grant, end, step)
            assert not given or is_welcome(app, given) == [False]
            assert is_welcome(app, grant) == [False]


def _refreshed_around(app: App, grant: Grant, end: Any, step: int) -> Grant | None:
    """Refresh, and end the session between two of its questions to the store."""
    store = app.sessions.store
    left = step

    class Interrupted(MemoryStore):
        """The store, with something that happens before one of its operations."""

        def __getattribute__(self, name: str) -> Any:
            nonlocal left
            if callable(getattr(store, name)):
                left -= 1
                if left == 0:
                    end(grant)
            return getattr(store, name)

    app.sessions.store = Interrupted()
    try:
        given = app.refresh(grant.refresh_token)
    except Refusal:
        given = None
    finally:
        app.sessions.store = store
    end(grant)
    return given


# Tokens of other issuers


def test_foreign_tokens_are_revoked_by_iat() -> None:
    """By jti, sid, subject; with the name of the issuer, for a subject is its own only there."""
    clock = tokens.Clock()
    guard = Guard.from_config(tokens.configuration(), clock=clock)
    before, after = tokens.mint(sid="s-1"), tokens.mint(iat=tokens.NOW + 5, jti="t-2", sub="eve")
    clock.now += 10
    revocations = guard.revocations

    def refused(flow: Flow[Any], *wanted: bool) -> None:
        run(flow)
        for token, is_refused in zip((before, after), wanted, strict=True):
            if is_refused:
                with pytest.raises(Refusal, match="token_revoked"):
                    guard.verify(token)
            else:
                guard.verify(token)

    issuer = tokens.ISSUER
    refused(revocations.revoke_session("s-1", issuer="https://other.example.test"), False, False)
    refused(revocations.revoke_session("s-1", issuer=issuer), True, False)
    refused(revocations.revoke_subject("eve", issuer="https://other.example.test"), True, False)
    refused(revocations.revoke_token("t-2", expires_at=clock.now + 60, issuer=issuer), True, True)
    with pytest.raises(ValueError, match="name the issuer"):
        run(revocations.revoke_subject("ada"))


@pytest.mark.parametrize("profile", ["rfc9068", "legacy"])
def test_a_foreign_token_does_not_outlive_its_cut_off(profile: str) -> None:
    """Cut-offs are kept as long as tokens of that age are accepted, those of any age for years."""
    clock, year = tokens.Clock(), 365 * 86_400
    issuer = {**tokens.configuration()["issuers"][0], "profile": profile}
    age = {"max_token_age": year} if profile == "rfc9068" else {}
    guard = Guard.from_config(tokens.configuration(issuers=[issuer], **age), clock=clock)
    token = tokens.mint(exp=tokens.NOW + year)
    run(guard.revocations.revoke_subject("ada", issuer=tokens.ISSUER))
    clock.now += year - 60
    assert run(guard.store.purge(now=int(clock.now * 1000), limit=10)) == 0
    with pytest.raises(Refusal, match="token_revoked"):
        guard.verify(token)


@pytest.mark.parametrize("expires_at", [1e15, 1e18, 1e306, 1.7e308])
def test_a_token_that_expires_never_is_revoked_too(expires_at: float) -> None:
    """Whatever number a trusted issuer writes."""
    guard = Guard.from_config(tokens.configuration())
    token = tokens.mint(exp=expires_at)
    run(
        guard.revocations.revoke_token(
            "token-1", expires_at=guard.verify(token).expires_at, issuer=tokens.ISSUER
        )
    )
    with pytest.raises(Refusal, match="token_revoked"):
        guard.verify(token)


def test_a_token_that_is_younger_than_the_cut_off_is_fine() -> None:
    """From the second after; and one without a birth is refused for safety."""
    clock = tokens.Clock()
    guard = Guard.from_config(
        tokens.configuration(
            issuers=[{**tokens.configuration()["issuers"][0], "profile": "legacy"}]
        ),
        clock=clock,
    )
    run(guard.revocations.revoke_subject("ada", issuer=tokens.ISSUER))
    clock.now += 60
    guard.verify(tokens.mint(iat=tokens.NOW + 2))
    for old in ({"iat": tokens.NOW}, {"iat": tokens.ABSENT}):
        with pytest.raises(Refusal, match="token_revoked"):
            guard.verify(tokens.mint(old))


def test_a_foreign_issuer_cannot_pass_for_ours(app: App) -> None:
    """A sid that looks young, or like one of our sessions, means nothing in its tokens."""
    young = new_sid(int(app.clock() * 1000) + 10**9)
    issuers = tokens.configuration()["issuers"]
    app = application(issuers=issuers)
    token = tokens.mint(sid=young)
    app.guard.verify(token)
    run(app.guard.revocations.revoke_subject("ada", issuer=tokens.ISSUER))
    with pytest.raises(Refusal, match="token_revoked"):
        app.guard.verify(token)


@pytest.mark.parametrize("sid", ["my-own", "65f1c0ffee65f1c0ffee65f1"], ids=["short", "like ours"])
def test_a_hand_made_token_of_ours_is_revoked_by_its_own_sid(app: App, sid: str) -> None:
    """Also where the application issues tokens with session names of its own."""
    issuer = app.guard.issuer
    assert issuer is not None
    token = issuer.issue("ada", client_id="web", claims={"sid": sid})
    app.guard.verify(token)
    assert not run(app.sessions.revoke_session(sid))
    with pytest.raises(Refusal, match="token_revoked"):
        app.guard.verify(token)
    assert app.guard.config.tokens is not None
    assert app.guard.config.tokens.issuer == ISSUER


def test_a_sid_that_looks_like_one_of_ours_makes_no_token_young(app: App) -> None:
    """A session that would begin in some thousand years spares no token from a cut-off."""
    issuer = app.guard.issuer
    assert issuer is not None
    token = issuer.issue("ada", client_id="web", claims={"sid": "65f1c0ffee65f1c0ffee65f1"})
    run(app.guard.revocations.revoke_subject("ada"))
    with pytest.raises(Refusal, match="token_revoked"):
        app.guard.verify(token)


@pytest.mark.parametrize("iat", [-1, -1e308, 0.5])
def test_F5_odd_births_are_before_every_cut_off(iat: float) -> None:
    """Whatever number a trusted issuer writes, there is an answer."""
    issuer = {**tokens.configuration()["issuers"][0], "profile": "legacy"}
    guard = Guard.from_config(tokens.configuration(issuers=[issuer]))
    run(guard.revocations.revoke_everything())
    with pytest.raises(Refusal, match="token_revoked"):
        guard.verify(tokens.mint(iat=iat))


# The store is down


DEAD = "valkey://127.0.0.1:1"


def test_without_the_store_nobody_is_let_in(caplog: pytest.LogCaptureFixture) -> None:
    """503 with Retry-After, at login, at refresh, and for every request; never an open door."""
    app, down = application(), application(store={"url": DEAD})
    grant = app.login()
    for ask in (
        lambda: down.guard.verify(grant.access_token),
        lambda: down.refresh(grant.refresh_token),
        down.login,
        lambda: run(down.sessions.revoke_everything()),
    ):
        with pytest.raises(Refusal) as caught:
            ask()
        assert caught.value.reason is Reason.STORE_UNAVAILABLE
        reply = down.guard.reply(caught.value)
        assert reply.status == 503
        assert ("Retry-After", "2") in reply.headers
    assert "store unavailable: ConnectionError" in caplog.text
    down.guard.store.close()


def test_failing_open_is_for_revocations_alone(caplog: pytest.LogCaptureFixture) -> None:
    """By a named setting: callers come in, and the log says so; tokens are not given."""
    app, down = application(), application(store={"url": DEAD, "fail_open": True})
    grant = app.login()
    assert down.guard.verify(grant.access_token).subject == "ada"
    assert "revocation was not looked up" in caplog.text
    with pytest.raises(Refusal, match="store_unavailable"):
        down.refresh(grant.refresh_token)
    with pytest.raises(Refusal, match="store_unavailable"):
        down.login()
    down.guard.store.close()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql:secret",
        "postgresql+nothing://user:secret@host/db",
        "valkey://",
        "nothing",
        "django://default",
        "valkey://[",
        "valkey://host:port/",
    ],
)
def test_a_url_that_opens_no_store_is_refused_at_start(url: str) -> None:
    """With the setting's path, and without the URL, which may hold a password."""
    with pytest.raises(ConfigurationError, match=r"store\.url") as caught:
        application(store={"url": url})
    assert "secret" not in str(caught.value)

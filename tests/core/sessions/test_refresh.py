"""Refresh tokens: rotated, harmless in races, noticed when stolen."""

from dataclasses import replace
from typing import Any

import pytest

from jwt_guard.audit.observer import EventName
from jwt_guard.errors import ConfigurationError, Reason, Refusal
from jwt_guard.flow import arun, run
from jwt_guard.keys.rotation import new_keys, retired, rotated
from jwt_guard.sessions import Client, Grant, User
from jwt_guard.stores.protocol import Session
from tests.core.sessions.conftest import WEB, App, application
from tests.support import tokens

DAY = 86_400


def refused(app: App, token: object, client: Client = WEB, **more: Any) -> Refusal:
    """The refusal of a refresh."""
    with pytest.raises(Refusal) as caught:
        app.refresh(token, client, **more)
    return caught.value


def session_of(app: App, grant: Grant) -> Session:
    """The session as it is kept."""
    kept = run(app.sessions.store.read(grant.session_id))
    assert kept is not None
    return kept


def test_a_login_gives_tokens_of_one_session(app: App) -> None:
    """The access token says who, how and in which session; the refresh token is opaque."""
    grant = app.login(roles=["analyst"], scopes=["reports:write"], tenant="acme")
    caller = app.guard.verify(grant.access_token)
    assert (caller.subject, caller.tenant) == ("ada", "acme")
    assert caller.roles == {"analyst"}
    assert caller.scopes == {"reports:write"}
    assert caller.session_id == grant.session_id
    assert caller.authenticated_at == int(app.clock())
    assert (grant.expires_in, grant.token_type) == (300, "Bearer")
    assert grant.refresh_token.startswith("jgr_")
    assert grant.access_token not in repr(grant)
    assert grant.refresh_token not in repr(grant)


def test_a_refresh_rotates(app: App) -> None:
    """Each refresh gives another refresh token of the same session."""
    first = app.login(roles=["viewer"], scopes=["read"])
    second = app.refresh(first.refresh_token)
    third = app.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert second.session_id == third.session_id == first.session_id
    caller = app.guard.verify(third.access_token)
    assert caller.subject == "ada"
    assert caller.roles == {"viewer"}
    assert caller.scopes == {"read"}
    assert app.ears.names() == [EventName.ISSUED, EventName.REFRESHED, EventName.REFRESHED]


def test_within_the_window_the_answer_is_the_same(app: App) -> None:
    """Two tabs, a retry: one lineage."""
    first = app.login()
    answers = {app.refresh(first.refresh_token).refresh_token}
    app.clock.now += 9.999
    answers.add(app.refresh(first.refresh_token).refresh_token)
    assert len(answers) == 1


def test_after_the_window_a_lost_answer_is_given_again_on_a_branch_of_its_own(app: App) -> None:
    """Whichever branch is used first is the true one; the other one is then theft."""
    first = app.login()
    lost = app.refresh(first.refresh_token).refresh_token
    app.clock.now += 10
    again = app.refresh(first.refresh_token).refresh_token
    assert again != lost
    app.refresh(again)
    assert refused(app, lost).reason is Reason.GRANT_REUSED


def test_the_older_branch_may_be_the_true_one(app: App) -> None:
    """A branch that was opened later takes nothing from one that is used first."""
    first = app.login()
    older = app.refresh(first.refresh_token).refresh_token
    app.clock.now += 60
    younger = app.refresh(first.refresh_token).refresh_token
    app.refresh(older)
    assert refused(app, younger).reason is Reason.GRANT_REUSED


def test_an_old_token_ends_the_session_and_its_access_tokens(app: App) -> None:
    """G4, G6: a grandparent is theft, whoever presents it, however soon."""
    first = app.login()
    second = app.refresh(first.refresh_token)
    third = app.refresh(second.refresh_token)
    refusal = refused(app, first.refresh_token)
    assert (refusal.status, refusal.error) == (400, "invalid_grant")
    assert refusal.reason is Reason.GRANT_REUSED
    assert app.ears.names()[-1] is EventName.REUSE_DETECTED
    assert app.ears.heard[-1].session_id == first.session_id
    assert refused(app, third.refresh_token).reason is Reason.GRANT_INVALID
    for grant in (first, second, third):
        with pytest.raises(Refusal) as caught:
            app.guard.verify(grant.access_token)
        assert caught.value.reason is Reason.TOKEN_REVOKED
    assert session_of(app, first).end_reason == "reuse"


def test_a_thief_who_keeps_step_with_the_owner_is_found_at_the_next_generation(app: App) -> None:
    """Both present the same token, a window apart, and each gets a branch; one use settles it."""
    stolen = app.refresh(app.login().refresh_token).refresh_token
    owner = app.refresh(stolen).refresh_token
    app.clock.now += 11
    thief = app.refresh(stolen).refresh_token
    assert owner != thief
    app.clock.now += 300
    app.refresh(owner)
    assert refused(app, thief).reason is Reason.GRANT_REUSED


def test_without_a_window_each_presentation_gets_a_branch() -> None:
    """With a window of 0, no two answers are the same, and only one of them is of use."""
    app = application(tokens_table={"refresh_window": 0})
    first = app.login().refresh_token
    one, other = app.refresh(first).refresh_token, app.refresh(first).refresh_token
    assert one != other
    app.refresh(one)
    assert refused(app, other).reason is Reason.GRANT_REUSED


def test_a_store_that_lost_its_last_writes_is_brought_forward(app: App) -> None:
    """A genuine token of a later generation than the kept one proves what was acknowledged."""
    first = app.login()
    before = session_of(app, first)
    third = app.refresh(app.refresh(first.refresh_token).refresh_token)
    run(app.sessions.store.change(session_of(app, first), replace(before, version=7)))
    app.refresh(third.refresh_token)
    assert session_of(app, first).generation == 2
    assert refused(app, first.refresh_token).reason is Reason.GRANT_REUSED


def test_an_unused_session_ends_at_the_very_moment(app: App) -> None:
    """Idle lifetime: exact to the millisecond, and counted from the last use."""
    grant = app.login()
    app.clock.now += 14 * DAY - 0.001
    grant = app.refresh(grant.refresh_token)
    app.clock.now += 14 * DAY
    assert refused(app, grant.refresh_token).reason is Reason.GRANT_INVALID
    assert app.ears.heard[-1].detail == {"why": "expired"}


def test_no_session_outlives_the_absolute_lifetime(app: App) -> None:
    """However much it is used; and no access token outlives its session."""
    grant = app.login()
    for _ in range(8):
        app.clock.now += 11 * DAY
        grant = app.refresh(grant.refresh_token)
    app.clock.now += 2 * DAY - 100
    last = app.refresh(grant.refresh_token)
    assert (last.expires_in, last.session_expires_in) == (100, 100)
    app.clock.now += 100
    assert refused(app, last.refresh_token).reason is Reason.GRANT_INVALID


def test_lifetimes_depend_on_client_role_and_tenant() -> None:
    """Of the policies that apply, the shortest time counts; who meets none has the usual."""
    app = application(
        tokens_table={
            "policies": [
                {"clients": ["kiosk"], "access_lifetime": 60, "refresh_idle": 900},
                {"roles": ["admin"], "access_lifetime": 30, "refresh_absolute": 3600},
                {"clients": ["phone"], "tenants": ["acme"], "refresh_idle": 200 * DAY},
            ]
        }
    )
    kiosk = Client(client_id="kiosk")
    phone = Client(client_id="phone")
    assert app.login().expires_in == 300
    assert app.login(client=kiosk).expires_in == 60
    admin = app.login(client=kiosk, roles=["admin", "viewer"])
    assert (admin.expires_in, admin.session_expires_in) == (30, 900)
    assert app.login(client=phone).session_expires_in == 14 * DAY
    assert app.login(client=phone, tenant="acme").session_expires_in == 90 * DAY
    app.clock.now += 899
    admin = app.refresh(admin.refresh_token, kiosk)
    assert (admin.expires_in, admin.session_expires_in) == (30, 900)


def test_scopes_can_be_narrowed_and_never_widened(app: App) -> None:
    """Less for one access token is fine; more than was granted is refused."""
    grant = app.login(scopes=["read", "write"])
    narrow = app.refresh(grant.refresh_token, scopes=["read"])
    assert narrow.scope == "read"
    assert app.guard.verify(narrow.access_token).scopes == {"read"}
    assert app.refresh(narrow.refresh_token).scope == "read write"
    wider = refused(app, narrow.refresh_token, scopes=["read", "admin"])
    assert (wider.reason, wider.error) == (Reason.GRANT_EXCEEDED, "invalid_scope")
    assert app.refresh(narrow.refresh_token).scope == "read write"


@pytest.mark.parametrize(
    "stranger",
    [
        Client(client_id="other", device="phone-1", thumbprint="jkt-1"),
        Client(client_id="web", device="phone-2", thumbprint="jkt-1"),
        Client(client_id="web", thumbprint="jkt-1"),
        Client(client_id="web", device="phone-1", thumbprint="jkt-2"),
        Client(client_id="web", device="phone-1"),
    ],
)
def test_another_client_device_or_key_is_refused_with_an_alert(app: App, stranger: Client) -> None:
    """G15: and the owner keeps the session, for the thief got nothing."""
    owner = Client(client_id="web", device="phone-1", thumbprint="jkt-1")
    grant = app.login(client=owner)
    assert grant.token_type == "DPoP"
    assert app.guard.verify(grant.access_token).claims["cnf"] == {"jkt": "jkt-1"}
    assert refused(app, grant.refresh_token, stranger).error == "invalid_grant"
    assert EventName.ALERT in app.ears.names()
    assert app.refresh(grant.refresh_token, owner).session_id == grant.session_id


def test_what_is_no_refresh_token_is_refused_alike(app: App) -> None:
    """G8: access tokens, parts, other spellings, other types: uniform, logged with the reason."""
    grant = app.login()
    good = grant.refresh_token
    unknown = app.login().refresh_token
    run(app.sessions.store.purge(now=2**52, limit=100))
    bad: list[Any] = [
        "",
        grant.access_token,
        good[:-1],
        good + "=",
        good + "A",
        " " + good,
        good + chr(10),
    ]
    bad += [
        good + chr(10),
        good.replace("jgr_", ""),
        good.upper(),
        unknown,
        None,
        5,
        good.encode(),
        [good],
        {},
    ]
    replies = {app.guard.reply(refused(app, token)) for token in bad}
    assert len(replies) == 1
    assert {occurrence.reason for occurrence in app.ears.heard[2:]} == {Reason.GRANT_INVALID}
    assert len(app.ears.heard) == 2 + len(bad)


def test_no_changed_bit_is_accepted(app: App) -> None:
    """Every character of a token counts, and none has a second spelling."""
    good = app.login().refresh_token
    for place in range(4, len(good)):
        for character in "AZaz09-_":
            if character != good[place]:
                forged = good[:place] + character + good[place + 1 :]
                assert refused(app, forged).reason is Reason.GRANT_INVALID
    app.refresh(good)


def test_a_refresh_token_is_no_access_token(app: App) -> None:
    """E5: nor does it verify as one."""
    with pytest.raises(Refusal) as caught:
        app.guard.verify(app.login().refresh_token)
    assert caught.value.reason is Reason.TOKEN_MALFORMED


def test_nothing_that_is_kept_can_be_presented(app: App) -> None:
    """A leaked row holds no token and nothing that a token can be made of without the key."""
    grant = app.refresh(app.login().refresh_token)
    kept = repr(app.sessions.store.__dict__ if hasattr(app.sessions.store, "__dict__") else "")
    kept += repr(session_of(app, grant)) + session_of(app, grant).salt
    assert grant.refresh_token[4:] not in kept
    assert grant.refresh_token[-43:] not in kept
    assert session_of(app, grant).salt not in repr(session_of(app, grant))


# The hook


def test_the_application_is_asked_at_each_refresh(app: App) -> None:
    """Changed roles take effect; the session itself stays as granted."""
    asked: list[Session] = []
    answers: list[Any] = [True, User(roles=["viewer"], scopes=["read", "more"], claims={"x": 1})]

    def still_valid(session: Session) -> Any:
        asked.append(session)
        return answers[len(asked) - 1]

    app.sessions.still_valid = still_valid
    grant = app.login(roles=["admin"], scopes=["read", "write"])
    grant = app.refresh(grant.refresh_token)
    assert app.guard.verify(grant.access_token).roles == {"admin"}
    grant = app.refresh(grant.refresh_token)
    caller = app.guard.verify(grant.access_token)
    assert caller.roles == {"viewer"}
    assert caller.scopes == {"read"}
    assert caller.claims["x"] == 1
    assert [session.subject for session in asked] == ["ada", "ada"]


@pytest.mark.parametrize("answer", [False, None, 1, "yes", User(tenant="globex")])
def test_who_is_not_welcome_any_more_loses_the_session(app: App, answer: Any) -> None:
    """G3: a disabled or moved user; only True and a `User` mean yes."""
    grant = app.login(tenant="acme")
    app.sessions.still_valid = lambda session: answer
    assert refused(app, grant.refresh_token).reason is Reason.GRANT_INVALID
    app.sessions.still_valid = None
    assert refused(app, grant.refresh_token).reason is Reason.GRANT_INVALID
    with pytest.raises(Refusal, match="token_revoked"):
        app.guard.verify(grant.access_token)


def test_a_hook_that_fails_is_an_outage_and_changes_nothing(app: App) -> None:
    """503, never a door; the same token serves when the application is well again."""
    grant = app.login()

    def fails(session: Session) -> bool:
        raise OSError("database gone")

    app.sessions.still_valid = fails
    refusal = refused(app, grant.refresh_token)
    assert (refusal.reason, refusal.status) == (Reason.STORE_UNAVAILABLE, 503)
    app.sessions.still_valid = None
    app.refresh(grant.refresh_token)


async def test_an_asynchronous_hook_is_awaited(app: App) -> None:
    """And a plain one is asked in a thread; both answers count."""

    async def no(session: Session) -> bool:
        return False

    grant = app.login()
    app.sessions.still_valid = lambda session: User(roles=["viewer"])
    second = await arun(app.sessions.refresh(grant.refresh_token, client=WEB))
    assert app.guard.verify(second.access_token).roles == {"viewer"}
    app.sessions.still_valid = no
    with pytest.raises(Refusal, match="grant_invalid"):
        await arun(app.sessions.refresh(second.refresh_token, client=WEB))


def test_an_asynchronous_hook_in_a_blocking_application_is_an_outage(app: App) -> None:
    """A coroutine is true; it is not taken for a yes."""

    async def yes(session: Session) -> bool:
        return True

    grant = app.login()
    app.sessions.still_valid = yes
    assert refused(app, grant.refresh_token).reason is Reason.STORE_UNAVAILABLE


# Secrets


def test_secrets_rotate_without_logging_anybody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first makes, all are accepted; a token of a secret that is gone is forged."""
    monkeypatch.setenv("OLD", "o" * 32)
    monkeypatch.setenv("NEW", "n" * 32)
    old = application(tokens_table={"refresh_secret": "env:OLD"})
    both = application(tokens_table={"refresh_secret": ["env:NEW", "env:OLD"]})
    new = application(tokens_table={"refresh_secret": ["env:NEW"]})
    both.sessions.store = new.sessions.store = old.sessions.store
    first = old.login()
    assert refused(new, first.refresh_token).reason is Reason.GRANT_INVALID
    second = both.refresh(first.refresh_token)
    assert refused(old, second.refresh_token).reason is Reason.GRANT_INVALID
    new.refresh(second.refresh_token)


def test_signing_keys_rotate_without_logging_anybody_out() -> None:
    """Without a secret of their own, refresh tokens are derived from each of the signing keys."""
    first, second = tokens.private_jwk("ES256"), tokens.private_jwk("RS256")
    old = application(tokens_table={"signing_keys": {"keys": [first]}})
    new = application(tokens_table={"signing_keys": {"keys": [second, first]}})
    new.sessions.store = old.sessions.store
    new.refresh(old.login().refresh_token)


def test_sessions_outlive_the_signing_keys() -> None:
    """The file of the keys has a secret of its own, which stays whatever becomes of the keys."""
    document = new_keys("ES256", tokens.NOW)
    table = {"signing_keys": document}
    grant = (before := application(tokens_table=table)).login()
    for _ in range(3):
        document = rotated(document, tokens.NOW, overlap=0)
    document = retired(document, document["keys"][0]["kid"], tokens.NOW)
    after = application(tokens_table={"signing_keys": document})
    after.sessions.store = before.sessions.store
    assert after.refresh(grant.refresh_token).session_id == grant.session_id
    assert after.guard.signing_keys is not None
    assert document["refresh_secret"] not in repr(after.guard.signing_keys.public_jwks())


def test_a_short_secret_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the path of the setting, and without the secret."""
    monkeypatch.setenv("SHORT", "s" * 31)
    with pytest.raises(ConfigurationError, match=r"tokens\.refresh_secret") as caught:
        application(tokens_table={"refresh_secret": "env:SHORT"})
    assert "sss" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="UNSET_SECRET"):
        application(tokens_table={"refresh_secret": "env:UNSET_SECRET"})

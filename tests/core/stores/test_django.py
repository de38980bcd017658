"""What only Django's store has: settings, migrations, an admin that looks, a purging command."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin import site
from django.core.management import call_command
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings

from jwt_guard.errors import ConfigurationError
from jwt_guard.flow import run
from jwt_guard.sessions import Client
from jwt_guard_django import get_guard
from jwt_guard_django.admin import SessionAdmin
from jwt_guard_django.models import CutOff, Session
from jwt_guard_django.store import DjangoStore

WEB = Client(client_id="web")


@pytest.fixture
def stored(settings: Settings, db: None) -> None:
    """The project keeps its sessions in its database."""
    del settings.JWT_GUARDS
    settings.JWT_GUARD = {**settings.JWT_GUARD, "store": {"url": "django://default"}}


def test_the_settings_name_the_database(stored: None) -> None:
    """By its alias; sessions begin, are refreshed, and end there."""
    guard = get_guard()
    assert isinstance(guard.store, DjangoStore)
    assert guard.sessions is not None
    grant = run(guard.sessions.start("ada", client=WEB))
    run(guard.sessions.refresh(grant.refresh_token, client=WEB))
    run(guard.sessions.logout(grant.session_id))
    kept = Session.objects.get()
    assert (kept.subject, kept.end_reason, kept.version) == ("ada", "logout", 2)
    assert CutOff.objects.count() == 1
    assert str(kept) == f"{grant.session_id} of ada"


def test_an_unknown_alias_is_refused_at_start(stored: None, settings: Settings) -> None:
    """With the setting's place."""
    settings.JWT_GUARD = {**settings.JWT_GUARD, "store": {"url": "django://nowhere"}}
    with pytest.raises(ConfigurationError, match=r"JWT_GUARD\.store\.url: is no database"):
        get_guard()


@pytest.mark.django_db
def test_the_migrations_are_complete() -> None:
    """`makemigrations --check` has nothing to add."""
    call_command("makemigrations", "jwt_guard", check_changes=True, dry_run=True, verbosity=0)


def test_the_command_purges_what_has_expired(stored: None) -> None:
    """In batches, and says how much."""
    sessions = get_guard().sessions
    assert sessions is not None
    for subject in ("ada", "grace", "linus", "eve"):
        run(sessions.start(subject, client=WEB))
    Session.objects.exclude(subject="eve").update(idle_expires_at=1)
    out = StringIO()
    call_command("jwt_guard_purge", batch=2, stdout=out)
    assert out.getvalue() == "3 purged\n"
    assert Session.objects.get().subject == "eve"


@pytest.mark.parametrize(
    ("arguments", "status", "said", "living"),
    [
        (["list", "ada"], 0, "  web\n", 1),
        (["list", "--json", "nobody"], 0, "", 1),
        (["revoke", "--subject", "ada"], 0, "revoked\n", 0),
        (["revoke", "--session", "none"], 1, "no such living session\n", 1),
        (["revoke"], 2, "", 1),
        (["purge", "--batch", "2"], 0, "0 purged\n", 1),
    ],
)
def test_the_command_lists_revokes_and_purges(
    stored: None,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    said: str,
    living: int,
) -> None:
    """As `jwt-guard sessions`, with the guard of the settings; the connection stays open."""
    sessions = get_guard().sessions
    assert sessions is not None
    run(sessions.start("ada", client=WEB))
    with pytest.raises(SystemExit) as ended:
        call_command("jwt_guard_sessions", *arguments)
    assert ended.value.code == status
    assert capsys.readouterr().out.endswith(said)
    assert Session.objects.filter(ended_at=None).count() == living


def test_the_admin_shows_and_changes_nothing(stored: None, rf: RequestFactory) -> None:
    """Nobody may add, change or delete; the salt is not shown; times can be read."""
    sessions = get_guard().sessions
    assert sessions is not None
    run(sessions.start("ada", client=WEB))
    admin, kept = SessionAdmin(Session, site), Session.objects.get()
    request: HttpRequest = rf.get("/")
    permissions: list[Callable[..., Any]] = [
        admin.has_add_permission,
        admin.has_change_permission,
        admin.has_delete_permission,
    ]
    assert not any(may(request) for may in permissions)
    assert "salt" not in admin.get_fields(request, kept)
    begun = admin.begun(kept)
    assert begun is not None
    assert begun.timestamp() * 1000 == pytest.approx(kept.created_at)
    assert (admin.used(kept), admin.ended(kept)) == (begun, None)
    assert admin.ends(kept) is not None
    assert Session in site._registry

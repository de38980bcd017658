"""The log in Django's database, in a project of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROJECT = """
    import os, sys
    from pathlib import Path
    import django
    from django.conf import settings
    folder = Path(sys.argv[1])
    settings.configure(
        INSTALLED_APPS=[
            "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
            "django.contrib.messages", "django.contrib.sessions", "jwt_guard_django.audit",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]},
        }],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db"}},
        ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["testserver"], USE_TZ=True,
    )
    django.setup()
    from django.contrib import admin
    from django.core.management import call_command
    from django.urls import path
    urlpatterns = [path("admin/", admin.site.urls)]
    call_command("migrate", verbosity=0)

    from jwt_guard import Guard
    from jwt_guard.audit.rows import verify_rows
    from jwt_guard.audit.seal import Seals
    from jwt_guard.flow import run
    from jwt_guard.keys.signing import generate_key
    from jwt_guard_django.audit import tables
    from jwt_guard_django.audit.models import Record
    from tests.core.audit.conftest import view

    def guard(**audit):
        return Guard.from_config({
            "audience": "https://api.example.test",
            "tokens": {"issuer": "https://app.example.test",
                       "signing_keys": {"keys": [generate_key("ES256")]}},
            "audit": {"sink": "python:jwt_guard_django.audit:tables",
                      "privacy": {"keys": str(folder / "subjects")},
                      "file": {"seal_key": str(folder / "seal.json")}, **audit},
        })

    def report():
        return verify_rows("django", tables, Seals.read(folder / "seal.json"))
"""


def run_in_project(folder: Path, code: str) -> str:
    """What some code prints in the project."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROJECT) + textwrap.dedent(code), str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("strict", [False, True])
def test_outcomes_become_rows_that_verify(tmp_path: Path, strict: bool) -> None:
    """Written by the ORM, chained, sealed, and found out when changed."""
    code = f"""
        with guard(strict={strict}) as made:
            token = made.issuer.issue("ada", client_id="web")
            run(made.identify(view(token)))
            run(made.identify(view("a.b.c")))
        print(list(Record.objects.order_by("sequence").values_list("name", "reason")))
        print(report().good)
        Record.objects.filter(sequence=2).update(record="")
        print(report().good)
    """
    rows, before, after = run_in_project(tmp_path, code).splitlines()
    assert rows == "[('authenticated', None), ('refused', 'token_malformed')]"
    assert (before, after) == ("True", "False")


def test_the_admin_shows_records_and_changes_none(tmp_path: Path) -> None:
    """A superuser reads; there is no way to add, change or delete."""
    code = """
        with guard() as made:
            run(made.identify(view("a.b.c")))
        from django.contrib.auth.models import User
        from django.test import Client
        User.objects.create_superuser("root", password="x")
        client = Client()
        client.login(username="root", password="x")
        base = "/admin/jwt_guard_audit/record/"
        print(client.get(base).status_code, b"token_malformed" in client.get(base).content)
        print(client.get(f"{base}1/change/").status_code)
        print(client.post(f"{base}1/change/", {"name": "x"}).status_code)
        print(client.get(f"{base}add/").status_code, client.post(f"{base}1/delete/").status_code)
    """
    assert run_in_project(tmp_path, code).splitlines() == ["200 True", "200", "403", "403 403"]


def test_the_migrations_are_complete(tmp_path: Path) -> None:
    """`makemigrations --check` finds nothing to do."""
    assert "No changes" in run_in_project(tmp_path, 'call_command("makemigrations", check=True)')

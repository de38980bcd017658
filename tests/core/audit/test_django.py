"""The log in Django's database, in a project of its own."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.servers import postgresql_server, postgresql_url

__all__ = ["postgresql_server", "postgresql_url"]

PROJECT = """
    import json, os, sys
    from pathlib import Path
    import django
    from django.conf import settings
    folder = Path(sys.argv[1])
    settings.configure(
        INSTALLED_APPS=[
            "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
            "django.contrib.messages", "django.contrib.sessions", "jwt_guard_django",
            "jwt_guard_django.audit",
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
        DATABASES={"default": json.loads(sys.argv[2])},
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

    def config(**audit):
        return {
            "audience": "https://api.example.test",
            "tokens": {"issuer": "https://app.example.test",
                       "signing_keys": {"keys": [generate_key("ES256")]}},
            "audit": {"sink": "python:jwt_guard_django.audit:tables",
                      "privacy": {"keys": str(folder / "subjects")},
                      "file": {"seal_key": str(folder / "seal.json")}, **audit},
        }

    def guard(**audit):
        return Guard.from_config(config(**audit))

    settings.JWT_GUARD = config()

    def report():
        return verify_rows("django", tables, Seals.read(folder / "seal.json"))
"""


def run_in_project(folder: Path, code: str, **database: str) -> str:
    """What some code prints in the project, which keeps all in a file if no database is named."""
    database = database or {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db")}
    program = textwrap.dedent(PROJECT) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), json.dumps(database)],
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


_PURGED = """
    from jwt_guard.audit import rows
    from jwt_guard.audit.ocsf import OcsfEncoder
    from jwt_guard.audit.rows import RowSink
    from jwt_guard.audit.seal import SealKey
    from tests.core.audit.conftest import NOW, some
    key = SealKey.read_or_make(folder / "seal.json")
    sink = RowSink("django", tables, encoder=OcsfEncoder(service="api", version="1"), key=key,
                   clock=lambda: NOW + 30)
    sink.write(some(30))
    rows._AT_ONCE = 7
    print(sink.purge(NOW + 20).records, Record.objects.count(), report().good)
    print(Record.objects.order_by("sequence").first(), "|", report().purged_through)
    print(sink.purge(NOW + 20), report().good)
    Record.objects.filter(sequence=21).delete()
    print(report().problems[0].message)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_old_is_purged(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """In batches; the rest verifies, and what else is gone is missed."""
    database = {} if kind == "sqlite" else _postgresql(request.getfixturevalue("postgresql_url"))
    assert run_in_project(tmp_path, _PURGED, **database).splitlines() == [
        "20 12 True",
        "21 authenticated | 20",
        "None True",
        "records 21 to 21 are missing here",
    ]


def _postgresql(url: str) -> dict[str, str]:
    parts = {name.upper(): str(value) for name, value in conninfo_to_dict(url).items()}
    names = {"NAME": parts["DBNAME"], "USER": parts["USER"], "HOST": parts["HOST"]}
    return {"ENGINE": "django.db.backends.postgresql", **names}


def test_manage_py_reaches_the_log(tmp_path: Path) -> None:
    """`jwt_guard_audit` does what `jwt-guard audit` does, with the guard of the settings."""
    code = """
        from jwt_guard_django.guards import get_guard
        run(get_guard().identify(view("a.b.c")))
        get_guard().trail.flush()

        def audit(*arguments):
            try:
                call_command("jwt_guard_audit", *arguments)
            except SystemExit as ended:
                print("status", ended.code)

        audit("verify")
        audit("purge", "--before", "0s")
        audit("tail", "--json", "--event", "purged")
        Record.objects.filter(name="checkpoint").delete()
        audit("verify")
        audit("verify", "--log", "python:jwt_guard_django.audit:tables")
    """
    said = run_in_project(tmp_path, code).splitlines()
    statuses = [line for line in said if line.startswith("status")]
    assert statuses == ["status 0", "status 0", "status 0", "status 1", "status 1"]
    assert "purged   1 records, up to 1" in said
    assert sum('"through":1' in line for line in said) == 1


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

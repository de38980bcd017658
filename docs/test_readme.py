"""What the README shows does what it says, framework by framework."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.test import Client, override_settings
from django.urls import path
from starlette.testclient import TestClient

from jwt_guard import Config, Guard
from jwt_guard.keys.rotation import KeyFile, new_keys

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)

Get = Callable[[dict[str, str]], int]
"""Asks for the reports with these headers; the answer's status."""


def blocks(language: str, containing: str = "") -> list[str]:
    """The README's blocks of a language."""
    return [text for found, text in BLOCKS if found == language and containing in text]


def names_of(containing: str, **given: Any) -> dict[str, Any]:
    """The names that a Python block defines."""
    (block,) = blocks("python", containing)
    names = {"__name__": "readme", **given}
    exec(compile(block, README, "exec"), names)  # noqa: S102 - our own README
    return names


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's configuration, which the process is in."""
    monkeypatch.chdir(tmp_path)
    Path("jwt_guard.toml").write_text(blocks("toml")[0], encoding="utf-8")
    KeyFile(Path("signing-keys.json")).create(new_keys("ES256", 0))
    return tmp_path


def bearer(*roles: str) -> dict[str, str]:
    """The headers of somebody with these roles."""
    issuer = Guard.from_config("jwt_guard.toml").issuer
    assert issuer is not None
    token = issuer.issue("ada", client_id="tests", roles=roles)
    return {"Authorization": f"Bearer {token}"}


def flask_reports(folder: Path) -> Iterator[Get]:
    """The application of Flask."""
    client = names_of("import Flask")["app"].test_client()
    yield lambda headers: client.get("/reports", headers=headers).status_code


def starlette_reports(folder: Path) -> Iterator[Get]:
    """The application of Starlette."""
    client = TestClient(names_of("import Starlette")["app"])
    yield lambda headers: client.get("/reports", headers=headers).status_code


def fastapi_reports(folder: Path) -> Iterator[Get]:
    """The application of FastAPI."""
    client = TestClient(names_of("import Depends, FastAPI")["app"])
    yield lambda headers: client.get("/reports", headers=headers).status_code


def django_reports(folder: Path) -> Iterator[Get]:
    """The project of Django."""
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["testserver"])
        django.setup()
    said = names_of("# settings.py", INSTALLED_APPS=[], MIDDLEWARE=[], BASE_DIR=folder)
    views = names_of("# views.py")
    urls = (path("reports", views["reports"]),)
    project = {name: value for name, value in said.items() if name.isupper() and name != "BASE_DIR"}
    with override_settings(**project, JWT_GUARDS={}, ROOT_URLCONF=urls):
        yield lambda headers: Client().get("/reports", headers=headers).status_code


@pytest.mark.parametrize(
    "application",
    [flask_reports, starlette_reports, fastapi_reports, django_reports],
    ids=lambda application: application.__name__.partition("_")[0],
)
def test_the_route_is_for_analysts(
    folder: Path, application: Callable[[Path], Iterator[Get]]
) -> None:
    """The ten lines let an analyst in, and nobody else."""
    for get in application(folder):
        assert get(bearer("analyst")) == 200
        assert get(bearer()) == 403
        assert get({}) == 401


def test_a_provider_may_be_trusted_beside() -> None:
    """The two pieces of TOML make one configuration."""
    Path("jwt_guard.toml").write_text("\n".join(blocks("toml")), encoding="utf-8")
    assert [issuer.keys for issuer in Config.load("jwt_guard.toml").issuers] == ["discover"]

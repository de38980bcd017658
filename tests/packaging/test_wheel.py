"""The wheel holds what it should, and nothing else, and works where no checkout is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
DIST_INFO = f"jwt_guard_web-{PROJECT['version']}.dist-info"
PACKAGES = {
    "jwt_guard": CHECKOUT / "jwt_guard",
    "jwt_guard_asgi": CHECKOUT / "integrations/jwt_guard_asgi",
    "jwt_guard_django": CHECKOUT / "integrations/jwt_guard_django",
    "jwt_guard_fastapi": CHECKOUT / "integrations/jwt_guard_fastapi",
    "jwt_guard_flask": CHECKOUT / "integrations/jwt_guard_flask",
}
PLUGIN = "jwt_guard.testing.plugin"
STORES_AND_FRAMEWORKS = {"asgi", "fastapi", "flask", "django", "sql", "valkey", "otel"}


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The paths of all files in the wheel."""
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What an installer and a package index read of the wheel."""
    with ZipFile(wheel) as archive:
        return HeaderParser().parsestr(archive.read(f"{DIST_INFO}/METADATA").decode())


def test_top_level_names_are_exact(names: set[str]) -> None:
    """Users get these import names and no other, least of all one called tests or integrations."""
    assert {name.split("/")[0] for name in names} == {*PACKAGES, DIST_INFO}


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_complete(names: set[str], package: str) -> None:
    """Every file of a package travels, its type marker among them, and no compiled leftover."""
    folder = PACKAGES[package]
    owed = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert f"{package}/py.typed" in owed
    assert {name for name in names if name.startswith(f"{package}/")} == owed


def test_extras_are_those_of_the_contract(metadata: Message) -> None:
    """Each framework and store has its extra, and ``all`` and ``dev`` stand beside them."""
    assert set(metadata.get_all("Provides-Extra", [])) == {*STORES_AND_FRAMEWORKS, "all", "dev"}


def test_all_means_every_store_and_framework() -> None:
    """``all`` names every runtime extra, so that a new one cannot be forgotten there."""
    everything, engine = PROJECT["optional-dependencies"]["all"]
    assert engine.startswith("pynacl>=")
    listed = everything.removeprefix("jwt-guard-web[").removesuffix("]")
    assert set(listed.split(",")) == STORES_AND_FRAMEWORKS


def test_no_framework_comes_without_its_extra(metadata: Message) -> None:
    """A plain installation brings the core's own dependencies only."""
    plain = {line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert plain == set(PROJECT["dependencies"])


def test_licence_travels(names: set[str], metadata: Message) -> None:
    """The licence is named by its SPDX identifier and its text is in the wheel."""
    assert metadata["License-Expression"] == "Apache-2.0"
    assert f"{DIST_INFO}/licenses/LICENSE" in names


def test_pytest_is_told_of_the_plugin(wheel: Path) -> None:
    """Installed is enough: no conftest has to name it."""
    with ZipFile(wheel) as archive:
        told = archive.read(f"{DIST_INFO}/entry_points.txt").decode()
    assert f"[pytest11]\n{PLUGIN} = {PLUGIN}\n" in told


def test_installed_wheel_works(unpacked: Path, tmp_path: Path) -> None:
    """The smoke tests pass with the wheel installed and the checkout nowhere on the path.

    Plugins of this environment stay out; continuous integration runs the same where ours alone is.
    """
    smoke = shutil.copytree(CHECKOUT / "tests/packaging/smoke", tmp_path / "smoke")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN, smoke],
        cwd=tmp_path,
        env=_environment(unpacked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _environment(installed: Path) -> dict[str, str]:
    """This environment without what the surrounding test run put there for itself."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "COV_", "COVERAGE_"))
    }
    return {**kept, "PYTHONPATH": str(installed), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

"""The sample applications' command line: mistakes end it at once, in plain words."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

MISTAKES = """\
audience = "https://api.example.test"
surprise = true

[[issuers]]
issuer = "https://issuer.example.test"
keys = "keys.json"
algorithms = ["none"]

[[issuers]]
issuer = "https://other.example.test"
keys = "no-keys.json"
algorithms = ["ES256"]
"""


@pytest.fixture(params=["starlette", "fastapi", "flask", "django"])
def framework(request: pytest.FixtureRequest) -> str:
    """Each framework's name."""
    name: str = request.param
    return name


def started(framework: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """What becomes of an application that is started wrongly."""
    command = [sys.executable, "-m", f"sample_apps.{framework}_app", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def said(framework: str, *arguments: object) -> str:
    """Its words, after status 2."""
    ended = started(framework, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_every_mistake_of_a_configuration_is_told(framework: str, tmp_path: Path) -> None:
    """By its path, as `jwt-guard check` tells it."""
    file = tmp_path / "jwt_guard.toml"
    file.write_text(MISTAKES)
    words = said(framework, "--port", 0, "--config", file)
    assert "surprise" in words
    assert "issuers[0].algorithms" in words
    assert "issuers[1].keys" in words


def test_a_file_that_is_not_there_is_named(framework: str, tmp_path: Path) -> None:
    """So are paths that lead nowhere."""
    assert "none.toml" in said(framework, "--port", 0, "--config", tmp_path / "none.toml")


def test_a_port_in_use_is_told(framework: str) -> None:
    """Rather than tried again and again."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert f"port {port}: Address already in use" in said(framework, "--port", port)


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_is_a_number_in_range(port: str) -> None:
    """What is none is wrong use."""
    assert "--port" in said("flask", "--port", port)

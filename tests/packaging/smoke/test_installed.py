"""What must hold wherever the wheel is installed: no checkout, no helper of the test suite."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

import jwt_guard

ISSUER = "https://issuer.example.test"
AUDIENCE = "https://api.example.test"
ADAPTERS = ["jwt_guard_asgi", "jwt_guard_django", "jwt_guard_fastapi", "jwt_guard_flask"]
HEAVY = {
    "asgiref", "authlib", "click", "django", "fastapi", "flask", "httpx2", "opentelemetry", "rich",
    "sqlalchemy", "starlette", "valkey", "werkzeug",
}  # fmt: skip
RUN_COMMAND = (
    "from importlib.metadata import entry_points;"
    "(command,) = entry_points(group='console_scripts', name='jwt-guard');"
    "command.load()()"
)


@pytest.fixture
def key() -> ECKey:
    """The issuer's signing key."""
    return ECKey.generate_key("P-256", {"kid": "smoke", "alg": "ES256", "use": "sig"})


@pytest.fixture
def config(key: ECKey, tmp_path: Path) -> Path:
    """A configuration file that trusts the issuer, beside the issuer's public keys."""
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    path = tmp_path / "jwt_guard.toml"
    path.write_text(
        f'audience = "{AUDIENCE}"\n'
        f'[[issuers]]\nissuer = "{ISSUER}"\nkeys = "keys.json"\nalgorithms = ["ES256"]\n'
    )
    return path


@pytest.fixture
def token(key: ECKey) -> str:
    """An access token as RFC 9068 wants it, fresh and valid."""
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "client_id": "smoke", "jti": "1",
        "iat": now, "exp": now + 60,
    }  # fmt: skip
    return jwt.encode({"alg": "ES256", "kid": "smoke", "typ": "at+jwt"}, claims, key)


@pytest.mark.parametrize("package", ["jwt_guard", *ADAPTERS])
def test_package_is_the_installed_one(package: str) -> None:
    """The package that Python finds is the wheel's: these tests judge no checkout by mistake."""
    owed = distribution("jwt-guard-web").locate_file(f"{package}/__init__.py")
    assert importlib.import_module(package).__file__ == str(owed)


@pytest.mark.parametrize("package", ["jwt_guard", *ADAPTERS])
def test_public_names_resolve(package: str) -> None:
    """Every name that a package promises is there, and the promise is sorted."""
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_core_starts_light() -> None:
    """Importing the core loads no framework, no store's driver and no HTTP client."""
    loaded = subprocess.check_output(
        [sys.executable, "-P", "-c", "import jwt_guard, sys; print(*sys.modules)"], text=True
    )
    assert "jwt_guard" in loaded.split()
    assert HEAVY.intersection(loaded.split()) == set()


def test_guard_judges(config: Path, token: str) -> None:
    """A valid token gives its principal; the same token with another signature is refused."""
    guard = jwt_guard.Guard.from_config(config)
    assert guard.verify(token).subject == "ada"
    head, _, signature = token.rpartition(".")
    with pytest.raises(jwt_guard.Refusal):
        guard.verify(f"{head}.{signature[::-1]}")


def test_command_judges(config: Path, token: str) -> None:
    """``jwt-guard verify -`` answers a line a token, and its status says that one was bad."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN_COMMAND, "verify", "--json", "--config", str(config), "-"],
        input=f"{token}\nnonsense\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert [json.loads(line)["ok"] for line in done.stdout.splitlines()] == [True, False]
    assert done.returncode == 1, done.stderr


def test_pytest_finds_the_plugin_by_itself(jwt_guard_tokens: Any) -> None:
    """Installed is enough: no conftest names it."""
    assert jwt_guard_tokens.headers()["Authorization"].startswith("Bearer ey")

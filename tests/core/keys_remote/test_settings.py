"""What a configuration says of keys that come over the network."""

import subprocess
import sys
from typing import Any

import pytest

from jwt_guard.assurance.checks import findings
from jwt_guard.config import Config
from tests.support.tokens import AUDIENCE
from tests.support.verdicts import problems


def _entry(**changes: Any) -> dict[str, Any]:
    entry = {"issuer": "https://id.example.test", "keys": "discover", "algorithms": ["ES256"]}
    return {"audience": AUDIENCE, "issuers": [entry | changes]}


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": "http://id.example.test/jwks"},
        {"keys": "HTTP://id.example.test/jwks"},
        {"keys": "https://user:secret@id.example.test/jwks"},
        {"keys": "https://127.0.0.1/jwks"},
        {"keys": "https://localhost/jwks"},
        {"keys": "https://10.0.0.1/jwks"},
        {"keys": "https://169.254.169.254/jwks", "private_network": True, "allow_http": True},
        {"keys": "http://10.0.0.1/jwks", "private_network": True, "allow_http": True},
        {"keys": "file:///etc/passwd"},
        {"keys": "ftp://id.example.test/jwks"},
        {"issuer": "http://id.example.test"},
        {"issuer": "id"},
        {"refresh_every": 0},
        {"refresh_every": "300"},
        {"outage_limit": -1},
        {"timeout": 0},
        {"timeout": 3600},
        {"private_network": 1},
        {"tenants": ["acme"]},
        {"issuer": "https://id.example.test/{tenant}"},
    ],
)
def test_every_mistake_is_named_at_start(changes: dict[str, Any]) -> None:
    """With its path, and without the secrets in a URL."""
    found = problems(_entry(**changes))
    assert found
    assert all(problem.path.startswith("issuers[0].") for problem in found)
    assert "secret" not in str(found)


def test_what_weakens_is_reported() -> None:
    """Private networks are worth a note, days of an outage a warning."""
    config = Config.load(_entry(private_network=True, outage_limit=200_000))
    levels = {finding.path: finding.level for finding in findings(config)}
    assert levels["issuers[0].private_network"] == "note"
    assert levels["issuers[0].outage_limit"] == "warning"
    defaults = {finding.path for finding in findings(Config.load(_entry()))}
    assert not [path for path in defaults if path.startswith("issuers")]


def test_who_fetches_nothing_loads_no_http_client() -> None:
    """`import jwt_guard` brings neither httpx2 nor Authlib."""
    code = "import sys, jwt_guard; print(*{'httpx2', 'authlib', 'anyio'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

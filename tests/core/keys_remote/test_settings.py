"""What a configuration says of keys that come over the network."""

import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwt_guard.assurance.checks import findings
from jwt_guard.config import Config
from jwt_guard.errors import ConfigurationError
from jwt_guard.tokens.issuer_names import right_form
from tests.support.tokens import AUDIENCE
from tests.support.verdicts import key_problems, problems


def _entry(**changes: Any) -> dict[str, Any]:
    entry = {"issuer": "https://id.example.test", "keys": "discover", "algorithms": ["ES256"]}
    return {"audience": AUDIENCE, "issuers": [entry | changes]}


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": "http://id.example.test/jwks"},
        {"keys": "HTTP://id.example.test/jwks"},
        {"keys": "https://user:hunter2@id.example.test/jwks"},
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
        {"tenant": "{tenant}"},
        {"tenant": ""},
        {"tenant": ["acme"]},
        {"issuer": "https://id.example.test/{tenant}"},
        {"issuer": "https://id.example.test/{tenantid}"},
        {"issuer": "https://id.example.test?x=1"},
        {"issuer": "https://id.example.test/.well-known/openid-configuration"},
        {"keys": "https://id.example.test/{tenant}/jwks"},
        {"keys": "https://id.example.test/.well-known/openid-configuration"},
        {"keys": "https://id.example.test/.well-known/oauth-authorization-server"},
        {"keys": "Discover"},
        {"algorithms": ["HS256"]},
        {"algorithms": ["HS256"], "keys": "https://id.example.test/jwks"},
        {"algorithms": ["none"]},
        {"algorithms": ["rs256"]},
        {"algorithms": []},
        {"profile": "keyclock"},
        {"key_management": ["dir"]},
        {"content_encryption": ["A256GCM"]},
        {"key_management": ["RSA1_5"], "decryption_keys": "keys.json"},
        {"role_claims": [[]]},
        {"tenant_claim": 5},
    ],
)
def test_every_mistake_is_named_at_start(changes: dict[str, Any]) -> None:
    """With its path, and without the secrets in a URL."""
    found = problems(_entry(**changes))
    assert found
    assert all(problem.path.startswith("issuers[0].") for problem in found)
    assert "hunter2" not in str(found)


_TENANT = "72f988bf-0000-4000-8000-2d7cd011db47"


@pytest.mark.parametrize(
    ("host", "right", "wrong"),
    [
        (
            "login.microsoftonline.com",
            f"/{_TENANT}/v2.0",
            ["/common/v2.0", "/acme.example/v2.0", f"/{_TENANT}/", f"/{_TENANT}/v2.0/"],
        ),
        ("sts.windows.net", f"/{_TENANT}/", [f"/{_TENANT}", "/common/", f"/{_TENANT}/v2.0"]),
        ("acme.eu.auth0.com", "/", ["", "/oauth2", "//"]),
        ("acme.okta.com", "", ["/", "/oauth2/default/"]),
        ("acme.okta.com", "/oauth2/default", ["/oauth2"]),
        ("cognito-idp.us-east-1.amazonaws.com", "/us-east-1_Aa1", ["", "/us-east-1_Aa1/", "/x"]),
        ("accounts.google.com", "", ["/", "/o/oauth2"]),
    ],
)
def test_names_that_a_provider_does_not_bear(host: str, right: str, wrong: list[str]) -> None:
    """Well-known providers name themselves in one way; what no token says is told at start."""
    assert Config.load(_entry(issuer=f"https://{host}{right}")).issuers
    for path in wrong:
        (problem,) = problems(_entry(issuer=f"https://{host}{path}"))
        assert problem.path == "issuers[0].issuer"
        assert problem.remedy.startswith("write https://")


@pytest.mark.parametrize("issuer", ["https://acme.okta.com", "https://login.acme.test"])
def test_okta_needs_a_custom_authorization_server(issuer: str) -> None:
    """Access tokens of the other one are for Okta itself; its ID tokens may be taken."""
    (problem,) = problems(_entry(issuer=issuer, profile="okta"))
    assert problem.path == "issuers[0].issuer"
    assert "/oauth2/<authorization server>" in problem.remedy
    assert Config.load(_entry(issuer=f"{issuer}/oauth2/default", profile="okta")).issuers
    assert Config.load(_entry(issuer=issuer, profile="id-token")).issuers


@pytest.mark.parametrize(
    "changes", [{}, {"allow_http": True}, {"allow_http": True, "private_network": True}]
)
def test_http_to_another_host_has_no_setting(changes: dict[str, bool]) -> None:
    """It is not sent round in a circle between settings that do not help."""
    keys = "http://keycloak:8080/realms/acme/protocol/openid-connect/certs"
    (problem,) = problems(_entry(keys=keys, **changes))
    assert problem.message == "is an http URL of another host"
    assert problem.remedy.startswith("use TLS, a port on this host")


def test_tenants_are_named_as_their_provider_does() -> None:
    """A template is no way around it."""
    issuer = "https://login.microsoftonline.com/{tenant}/v2.0"
    assert Config.load(_entry(issuer=issuer, tenants=[_TENANT])).issuers
    (problem,) = problems(_entry(issuer=issuer, tenants=[_TENANT, "common"]))
    assert problem.path == "issuers[0].issuer"
    auth0 = _entry(issuer="https://{tenant}.auth0.com/", tenants=["acme", "globex.eu"])
    assert [each.issuer for each in Config.load(auth0).issuers] == [
        "https://acme.auth0.com/",
        "https://globex.eu.auth0.com/",
    ]


def test_a_template_fills_in_whose_tokens_they_are() -> None:
    """The name of the tenant may be the one in the URL, or hold it."""
    entry = _entry(issuer="https://{tenant}.test", tenants=["a", "b"], tenant="org-{tenant}")
    assert [each.tenant for each in Config.load(entry).issuers] == ["org-a", "org-b"]
    assert not [each for each in findings(Config.load(entry)) if each.path.endswith("tenant")]


@given(issuer=st.text() | st.from_regex(r"https://[\[\]a-z:/@?{}.]+"))
def test_no_name_breaks_the_check(issuer: str) -> None:
    """Whatever stands there is either fine or told."""
    assert isinstance(right_form(issuer, "rfc9068"), str | None)
    for keys in ("discover", issuer):
        with suppress(ConfigurationError):
            Config.load(_entry(issuer=issuer, keys=keys))


def test_mistakes_are_named_by_the_table_that_they_stand_in() -> None:
    """A template makes several issuers of one table; paths count tables, and say a thing once."""
    template = _entry(issuer="https://{tenant}.test", tenants=["a", "b"], private_network=True)
    config = {**template, "issuers": template["issuers"] + _entry(keys="no-file.json")["issuers"]}
    (problem,) = key_problems(config)
    assert problem.path == "issuers[1].keys"
    paths = [each.path for each in findings(Config.load(config))]
    assert [path for path in paths if path.startswith("issuers")] == [
        "issuers[0].private_network",
        "issuers[0].tenant",
    ]


def test_what_weakens_is_reported() -> None:
    """Private networks are worth a note, days of an outage a warning."""
    config = Config.load(_entry(private_network=True, outage_limit=2_592_000))
    levels = {finding.path: finding.level for finding in findings(config)}
    assert any("for 2592000 seconds" in finding.message for finding in findings(config))
    assert levels["issuers[0].private_network"] == "note"
    assert levels["issuers[0].outage_limit"] == "warning"
    defaults = {finding.path for finding in findings(Config.load(_entry()))}
    assert not [path for path in defaults if path.startswith("issuers")]


def test_who_fetches_nothing_loads_no_http_client() -> None:
    """`import jwt_guard` brings neither httpx2 nor Authlib."""
    code = "import sys, jwt_guard; print(*{'httpx2', 'authlib', 'anyio'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

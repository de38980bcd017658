"""The OpenID provider of the tests does what the tests that lean on it believe."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jwe, jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from tests.support.node import NodeError, missing_node
from tests.support.oidc import (
    ASYMMETRIC_ALGORITHMS,
    HMAC_ALGORITHMS,
    OIDCError,
    OIDCProvider,
    resource,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning"),
    pytest.mark.timeout(60),
]

_ROOT = Path(__file__).parents[2]


def _decoded(provider: OIDCProvider, token: str, alg: str) -> jwt.Token:
    """The token, verified against the keys that the provider serves at this moment."""
    return jwt.decode(token, KeySet.import_key_set(provider.jwks()), algorithms=[alg])  # type: ignore[arg-type]


def _kid(token: str) -> str:
    kid = jws.extract_compact(token.encode()).protected["kid"]
    assert isinstance(kid, str)
    return kid


def _served(provider: OIDCProvider) -> set[str]:
    return {key["kid"] for key in provider.jwks()["keys"]}


@pytest.mark.parametrize("alg", ASYMMETRIC_ALGORITHMS)
def test_access_tokens_verify_against_the_served_keys(
    oidc_provider: OIDCProvider, alg: str
) -> None:
    """A client's access token is an RFC 9068 one for the algorithm's own audience."""
    token = _decoded(oidc_provider, oidc_provider.access_token(alg), alg)
    assert token.header["typ"] == "at+jwt"
    assert token.claims["iss"] == oidc_provider.issuer
    assert token.claims["aud"] == resource(alg)
    assert token.claims["sub"] == token.claims["client_id"] == "service"
    assert token.claims["scope"] == "reports:read"


@pytest.mark.parametrize("alg", HMAC_ALGORITHMS)
def test_hmac_access_tokens_verify_with_the_shared_secret(
    oidc_provider: OIDCProvider, alg: str
) -> None:
    """A symmetric access token verifies with a secret that no key set shows."""
    key = OctKey.import_key(oidc_provider.hmac_secret(alg))
    assert jwt.decode(oidc_provider.access_token(alg), key, algorithms=[alg]).claims["roles"]
    assert {shown["kty"] for shown in oidc_provider.jwks()["keys"]} == {"RSA", "EC", "OKP"}


def test_wishes_shape_an_access_token(oidc_provider: OIDCProvider) -> None:
    """A test chooses audience, scope, lifetime, signing key and further claims of its token."""
    second = [key["kid"] for key in oidc_provider.jwks()["keys"] if key.get("alg") == "RS256"][1]
    wishes: dict[str, Any] = {"scope": "reports:read reports:write", "ttl": 7, "kid": second}
    claims = {"roles": ["admin"], "org": {"id": 7}}
    text = oidc_provider.access_token(resource="https://other.test/api", claims=claims, **wishes)
    token = _decoded(oidc_provider, text, "RS256")
    assert token.header["kid"] == second
    assert token.claims["aud"] == "https://other.test/api"
    assert token.claims["scope"] == "reports:read reports:write"
    assert token.claims["exp"] - token.claims["iat"] == 7
    assert (token.claims["roles"], token.claims["org"]) == (["admin"], {"id": 7})


@pytest.mark.parametrize("nonce", [False, True])
def test_dpop_binds_a_token_to_its_key(fresh_oidc_provider: OIDCProvider, nonce: bool) -> None:
    """A token asked for with a DPoP proof names its key, whether or not a nonce is demanded."""
    fresh_oidc_provider.require_dpop_nonce(nonce)
    key = ECKey.generate_key("P-256")
    token = _decoded(fresh_oidc_provider, fresh_oidc_provider.dpop_access_token(key), "RS256")
    assert token.claims["cnf"] == {"jkt": key.thumbprint()}


@pytest.mark.parametrize("alg", ASYMMETRIC_ALGORITHMS)
def test_id_tokens_come_of_a_login(oidc_provider: OIDCProvider, alg: str) -> None:
    """An ID token is for the client, says who logged in and how, and has no typ."""
    token = _decoded(oidc_provider, oidc_provider.id_token(alg, subject="eve"), alg)
    assert "typ" not in token.header
    assert token.claims["aud"] == f"app-{alg}"
    assert token.claims["sub"] == "eve"
    assert token.claims["tenant"] == "globex"
    assert token.claims["amr"] == ["pwd"]
    assert abs(token.claims["auth_time"] - time.time()) < 30


def test_refresh_tokens_rotate_and_a_used_one_ends_the_grant(oidc_provider: OIDCProvider) -> None:
    """Each refresh gives the next token; presenting a used one revokes its successor too."""
    first = oidc_provider.login("grace")
    second = oidc_provider.refresh(first)
    assert second.refresh_token != first.refresh_token
    assert _decoded(oidc_provider, second.access_token, "RS256").claims["sub"] == "grace"
    with pytest.raises(OIDCError, match="invalid_grant"):
        oidc_provider.refresh(first)
    with pytest.raises(OIDCError, match="invalid_grant"):
        oidc_provider.refresh(second)


def test_a_login_survives_a_rotation(fresh_oidc_provider: OIDCProvider) -> None:
    """A refresh token from before a key rotation still gives tokens, signed with the new key."""
    tokens = fresh_oidc_provider.login("ada")
    kid = fresh_oidc_provider.rotate()
    assert _kid(fresh_oidc_provider.refresh(tokens).access_token) == kid


def test_opaque_tokens_are_introspected_until_revoked(oidc_provider: OIDCProvider) -> None:
    """Introspection knows an opaque token while it is good, and denies it afterwards."""
    token = oidc_provider.opaque_access_token()
    assert oidc_provider.introspect(token)["client_id"] == "service"
    oidc_provider.revoke(token)
    assert oidc_provider.introspect(token) == {"active": False}


def test_encrypted_access_tokens_hold_a_signed_one(oidc_provider: OIDCProvider) -> None:
    """A token encrypted to a resource server's key opens with it, and verifies inside."""
    key = RSAKey.generate_key(2048, {"use": "enc", "kid": "enc-1"})
    encrypt = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "jwk": key.as_dict(private=False)}
    # The provider repeats iss and aud in the header (RFC 7519, 5.3), which the default refuses.
    registry = jwe.JWERegistry(algorithms=["RSA-OAEP-256", "A256GCM"], strict_check_header=False)
    token = oidc_provider.access_token(encrypt=encrypt)
    opened = jwe.decrypt_compact(token, key, registry=registry)
    assert opened.plaintext is not None
    assert _decoded(oidc_provider, opened.plaintext.decode(), "RS256").claims["sub"] == "service"


def test_a_refusal_carries_the_providers_words(oidc_provider: OIDCProvider) -> None:
    """What the provider refuses is raised with its own error code."""
    with pytest.raises(OIDCError, match="access_denied"):
        oidc_provider.login("nobody")


def test_saved_keys_are_the_served_ones(oidc_provider: OIDCProvider, tmp_path: Path) -> None:
    """The key set in the file is the document that the provider serves, with no private part."""
    saved = json.loads(oidc_provider.save_jwks(tmp_path / "keys.json").read_text())
    assert saved == httpx2.get(oidc_provider.jwks_uri).json()
    assert not any("d" in key for key in saved["keys"])


@pytest.mark.parametrize("alg", ASYMMETRIC_ALGORITHMS)
def test_rotation_signs_with_a_new_key(fresh_oidc_provider: OIDCProvider, alg: str) -> None:
    """After a rotation the new key signs, the old one is served until it is dropped."""
    old = _kid(fresh_oidc_provider.access_token(alg))
    new = fresh_oidc_provider.rotate(alg)
    assert _kid(fresh_oidc_provider.access_token(alg)) == new != old
    assert {old, new} <= _served(fresh_oidc_provider)
    fresh_oidc_provider.drop(old)
    assert old not in _served(fresh_oidc_provider)
    newest = fresh_oidc_provider.rotate(alg, keep_old=False)
    assert new not in _served(fresh_oidc_provider) >= {newest}


def test_reset_brings_the_first_keys_back(oidc_provider: OIDCProvider) -> None:
    """A reset undoes rotations, so that a key set saved early stays good."""
    oidc_provider.reset()
    before = oidc_provider.jwks()
    oidc_provider.rotate("ES256", keep_old=False)
    oidc_provider.reset()
    assert oidc_provider.jwks() == before


def test_only_strangers_requests_are_counted(fresh_oidc_provider: OIDCProvider) -> None:
    """Counts hold what the code under test fetched, with its times, and not what we did."""
    fresh_oidc_provider.jwks()
    begun = time.time()
    httpx2.get(fresh_oidc_provider.jwks_uri)
    metadata = httpx2.get(fresh_oidc_provider.discovery_uri).json()
    httpx2.get(f"{fresh_oidc_provider.url}/.well-known/oauth-authorization-server")
    assert metadata["issuer"] == fresh_oidc_provider.issuer
    assert metadata["jwks_uri"] == fresh_oidc_provider.jwks_uri
    assert (fresh_oidc_provider.count("jwks"), fresh_oidc_provider.count("discovery")) == (1, 2)
    assert begun - 0.1 <= fresh_oidc_provider.stats()["jwks"][0] <= time.time() + 0.1


def test_faults_hinder_strangers_until_healed(fresh_oidc_provider: OIDCProvider) -> None:
    """An endpoint fails or is slow as told, for others only, and is well again when healed."""
    fresh_oidc_provider.fault("jwks", status=503)
    assert httpx2.get(fresh_oidc_provider.jwks_uri).status_code == 503
    assert fresh_oidc_provider.jwks()["keys"]
    fresh_oidc_provider.fault("jwks", delay=0.3)
    begun = time.monotonic()
    assert httpx2.get(fresh_oidc_provider.jwks_uri).status_code == 200
    assert time.monotonic() - begun >= 0.3
    fresh_oidc_provider.heal("jwks")
    assert httpx2.get(fresh_oidc_provider.jwks_uri).status_code == 200


def test_held_requests_are_answered_when_healed(fresh_oidc_provider: OIDCProvider) -> None:
    """A held endpoint says nothing; healing it answers all who waited."""
    fresh_oidc_provider.fault("jwks", hold=True)
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.get(fresh_oidc_provider.jwks_uri, timeout=0.2)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(httpx2.get, fresh_oidc_provider.jwks_uri) for _ in range(3)]
        while fresh_oidc_provider.count("jwks") < 4:
            time.sleep(0.01)
        assert not any(request.done() for request in waiting)
        fresh_oidc_provider.heal("jwks")
        assert [request.result().status_code for request in waiting] == [200, 200, 200]


def test_a_closed_provider_refuses_connections_until_opened(
    fresh_oidc_provider: OIDCProvider,
) -> None:
    """A provider can vanish and come back at the same address with the same keys."""
    before = fresh_oidc_provider.jwks()
    fresh_oidc_provider.close()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(fresh_oidc_provider.jwks_uri)
    fresh_oidc_provider.open()
    assert fresh_oidc_provider.jwks() == before


def test_wrong_orders_are_reported(fresh_oidc_provider: OIDCProvider) -> None:
    """An order that makes no sense raises here, and the provider goes on."""
    with pytest.raises(NodeError, match="no key unknown"):
        fresh_oidc_provider.drop("unknown")
    with pytest.raises(NodeError, match="no signing key of algorithm RS1"):
        fresh_oidc_provider.rotate("RS1")
    assert fresh_oidc_provider.jwks()["keys"]


def test_the_issuer_may_have_another_name(oidc_provider: OIDCProvider) -> None:
    """A second provider, under an issuer that is not its own URL, runs beside the first."""
    with OIDCProvider(issuer="https://login.example.test") as other:
        token = _decoded(other, other.access_token(), "RS256")
        assert token.claims["iss"] == "https://login.example.test" == other.issuer
        assert other.url != oidc_provider.url
    with pytest.raises(NodeError, match="not running"):
        other.rotate()


@pytest.mark.usefixtures("oidc_provider")
def test_the_provider_dies_with_its_parent() -> None:
    """A killed test run leaves no provider behind."""
    script = (
        "from tests.support.oidc import OIDCProvider; import time\n"
        "print(OIDCProvider().start().pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _alive(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(pid)


def test_missing_node_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no Node.js is on the path, the reason to skip says so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_node() == "Node.js and npm are not installed"


def _alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not yet collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())

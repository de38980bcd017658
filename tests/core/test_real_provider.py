"""Tokens of a certified OpenID provider, verified by the key set that it saved to a file.

Without Node these tests are skipped and say so, unless the machine owes them.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from jwt_guard import Guard, Reason
from tests.support.oidc import ASYMMETRIC_ALGORITHMS, HMAC_ALGORITHMS, OIDCProvider, resource
from tests.support.tokens import segment, unsegment
from tests.support.verdicts import refused

ALGORITHMS = [name for name in ASYMMETRIC_ALGORITHMS if name.startswith(("RS", "PS", "ES", "Ed"))]


@pytest.fixture(scope="module")
def jwks_file(oidc_provider: OIDCProvider, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The provider's public keys, as an administrator would save them."""
    return oidc_provider.save_jwks(tmp_path_factory.mktemp("provider") / "keys.json")


@pytest.fixture(scope="module")
def guard(oidc_provider: OIDCProvider, jwks_file: Path) -> Guard:
    """A guard that trusts the provider for all its public-key algorithms."""
    issuer = {
        "issuer": oidc_provider.issuer,
        "keys": str(jwks_file),
        "algorithms": ALGORITHMS,
    }
    audience = [resource(algorithm) for algorithm in ALGORITHMS]
    return Guard.from_config({"audience": audience, "issuers": [issuer]})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_its_access_tokens_verify(
    guard: Guard, oidc_provider: OIDCProvider, algorithm: str
) -> None:
    """Of every algorithm, with what the provider put in."""
    token = oidc_provider.access_token(algorithm, scope="reports:read")
    caller = guard.verify(token)
    assert caller.issuer == oidc_provider.issuer
    assert caller.subject == caller.client_id == "service"
    assert caller.scopes == {"reports:read"}
    assert caller.claims["aud"] == resource(algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_its_users_tokens_verify(guard: Guard, oidc_provider: OIDCProvider, algorithm: str) -> None:
    """Of somebody who logged in by the code flow."""
    tokens = oidc_provider.login("grace", alg=algorithm)
    assert guard.verify(tokens.access_token).subject == "grace"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_its_tokens_mutated_are_refused(
    guard: Guard, oidc_provider: OIDCProvider, algorithm: str
) -> None:
    """One bit of each segment, the algorithm, another's signature."""
    token = oidc_provider.access_token(algorithm)
    other = oidc_provider.access_token(algorithm, scope="reports:write")
    header, payload, signature = token.split(".")
    raw = bytearray(unsegment(signature))
    raw[len(raw) // 2] ^= 1
    claims = json.loads(unsegment(payload))
    edited = segment({**claims, "sub": "eve"})
    for wrong in (
        f"{header}.{payload}.{segment(bytes(raw))}",
        f"{header}.{payload}.",
        f"{header}.{edited}.{signature}",
        f"{header}.{payload}.{other.rpartition('.')[2]}",
    ):
        assert refused(guard, wrong) == (Reason.SIGNATURE_INVALID, None)
    unsigned = segment({**json.loads(unsegment(header)), "alg": "none"})
    assert refused(guard, f"{unsigned}.{payload}.") == (Reason.ALGORITHM_NOT_ALLOWED, "alg")


def test_E5_its_id_token_is_no_access_token(guard: Guard, oidc_provider: OIDCProvider) -> None:
    """Right issuer, right key, right signature, and for the client rather than for us."""
    assert refused(guard, oidc_provider.id_token()) == (Reason.TOKEN_TYPE_INVALID, "typ")


def test_E5_its_id_token_is_refused_by_a_legacy_profile_too(
    oidc_provider: OIDCProvider, jwks_file: Path
) -> None:
    """Even where a missing `typ` is accepted, and the client is taken for the audience."""
    token = oidc_provider.id_token()
    claims = json.loads(unsegment(token.split(".")[1]))
    issuer = {
        "issuer": oidc_provider.issuer,
        "keys": str(jwks_file),
        "algorithms": ["RS256"],
        "profile": "legacy",
        "audience": claims["aud"],
    }
    guard = Guard.from_config({"audience": "x", "issuers": [issuer]})
    reason, claim = refused(guard, token)
    assert reason is Reason.TOKEN_TYPE_INVALID
    assert claim in {"nonce", "at_hash"} & claims.keys()


def test_its_refresh_and_opaque_tokens_are_no_tokens_of_ours(
    guard: Guard, oidc_provider: OIDCProvider
) -> None:
    """What is not a signed token is refused like any other text."""
    refresh = oidc_provider.login("ada").refresh_token
    for text in (refresh, oidc_provider.opaque_access_token()):
        assert text is not None
        assert refused(guard, text) == (Reason.TOKEN_MALFORMED, None)


@pytest.mark.parametrize("algorithm", HMAC_ALGORITHMS)
def test_its_hmac_tokens_verify_by_their_secret_only(
    guard: Guard, oidc_provider: OIDCProvider, algorithm: str, tmp_path: Path
) -> None:
    """A guard for public keys refuses them; one that has the secret takes them."""
    token = oidc_provider.access_token(algorithm)
    assert refused(guard, token) == (Reason.ALGORITHM_NOT_ALLOWED, "alg")
    secret = {"kty": "oct", "k": segment(oidc_provider.hmac_secret(algorithm))}
    issuer: dict[str, Any] = {"issuer": oidc_provider.issuer, "algorithms": [algorithm]}
    (tmp_path / "secret.json").write_text(json.dumps(secret), encoding="utf-8")
    issuer["keys"] = str(tmp_path / "secret.json")
    symmetric = Guard.from_config({"audience": resource(algorithm), "issuers": [issuer]})
    assert symmetric.verify(token).subject == "service"


def test_an_audience_of_another_api_is_refused(
    oidc_provider: OIDCProvider, jwks_file: Path
) -> None:
    """A token for one of its resources is for no other."""
    issuer = {"issuer": oidc_provider.issuer, "keys": str(jwks_file), "algorithms": ["ES256"]}
    guard = Guard.from_config({"audience": resource("RS256"), "issuers": [issuer]})
    token = oidc_provider.access_token("ES256")
    assert refused(guard, token) == (Reason.AUDIENCE_MISMATCH, "aud")

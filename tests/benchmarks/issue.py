"""Issuing an access token, over the raw signature.

`python -m tests.benchmarks.issue`
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from jwt_guard.guard import Guard
from tests.benchmarks import material
from tests.benchmarks.figures import Figures, Table, publish
from tests.benchmarks.measure import called, fastest
from tests.benchmarks.verify import Work
from tests.support import tokens

__all__ = ["GOAL", "OURS", "RAW", "figures", "measured"]

GOAL = 1.03
"""How long issuing with RS256 may take, over the raw signature."""

RAW, OURS = "raw signature", "jwt_guard"


def measured(*, rounds: int = 60) -> dict[str, float]:
    """Microseconds by case, RS256."""
    cases = {RAW: _raw(), OURS: _ours(), "PyJWT": _pyjwt()}
    if find_spec("flask_jwt_extended"):
        cases["flask-jwt-extended"] = _flask_jwt_extended()
    timers = {name: called(work) for name, work in cases.items()}
    return fastest(timers, rounds=rounds, slice_seconds=0.02)


def _raw() -> Work:
    key: Any = tokens.key("RS256").private_key
    message, pkcs1, sha256 = b"m" * 350, padding.PKCS1v15(), hashes.SHA256()
    return lambda: key.sign(message, pkcs1, sha256)


def _ours() -> Work:
    signing_keys = {"keys": [tokens.private_jwk("RS256")]}
    own = {"issuer": "https://app.example.test", "signing_keys": signing_keys}
    issuer = Guard.from_config({"audience": tokens.AUDIENCE, "tokens": own}).issuer
    if issuer is None:
        raise RuntimeError("the benchmark's configuration issues no tokens")
    roles, scopes = ["analyst"], ["reports:read", "reports:write"]
    return lambda: issuer.issue("ada", client_id="web", roles=roles, scopes=scopes, tenant="acme")


def _pyjwt() -> Work:
    key: Any = tokens.key("RS256").private_key
    claims = material.claims()
    return lambda: jwt.encode(claims, key, "RS256", headers={"kid": "RS256-main", "typ": "at+jwt"})


def _flask_jwt_extended() -> Work:
    flask, peer = import_module("flask"), import_module("flask_jwt_extended")
    app = flask.Flask("benchmark")
    pem = tokens.key("RS256").as_pem(private=True).decode()
    app.config.update(JWT_ALGORITHM="RS256", JWT_PRIVATE_KEY=pem)
    peer.JWTManager(app)
    app.app_context().push()
    create = peer.create_access_token
    return lambda: create("ada", additional_claims={"roles": ["analyst"]})


def figures() -> Figures:
    """The table."""
    found = measured()
    rows = [
        (name, taken, taken / found[RAW], f"{GOAL}" if name == OURS else None)
        for name, taken in found.items()
    ]
    return Figures(
        name="issue",
        title="One RS256 token issued: microseconds, and over the raw signature.",
        table=Table(("by whom", "us", "ratio", "goal"), rows),
        measured=found,
    )


if __name__ == "__main__":
    publish(figures())

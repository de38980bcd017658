"""What the benchmarks verify: one typical access token an algorithm, and guards that trust it."""

from functools import cache
from typing import Any

from jwt_guard.guard import Guard
from tests.support import tokens

__all__ = ["ALGORITHMS", "claims", "configuration", "guard", "token"]

ALGORITHMS = ("RS256", "ES256", "PS256", "HS256", "Ed25519")


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of an RFC 9068 access token with roles and scopes, as providers issue them."""
    usual = {
        "sub": "248289761001",
        "jti": "b7c1f6a0-5f0e-4d6a-9a53-0f6c1d0a7c11",
        "scope": "reports:read reports:write",
        "roles": ["analyst"],
        "tenant": "acme",
    }
    return tokens.claims({**usual, **changes})


@cache
def token(algorithm: str = "RS256") -> str:
    """A good token, the same whenever it is asked for."""
    return tokens.mint(claims(), algorithm=algorithm)


def configuration(algorithm: str = "RS256", *, cache_size: int = 10_000) -> dict[str, Any]:
    """A configuration that trusts the issuer of these tokens."""
    return tokens.configuration(algorithm, cache={"size": cache_size})


def guard(algorithm: str = "RS256", *, cache_size: int = 10_000) -> Guard:
    """A guard that trusts the issuer of these tokens."""
    return Guard.from_config(configuration(algorithm, cache_size=cache_size))

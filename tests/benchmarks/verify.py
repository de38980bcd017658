"""One token to its verified claims: we, the raw signature, and our peers.

python -m tests.benchmarks.verify
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from joserfc import jwt as joserfc_jwt

from tests.benchmarks import material
from tests.benchmarks.figures import Figures, Table, publish
from tests.benchmarks.measure import called, fastest
from tests.benchmarks.svg import bars
from tests.support import tokens

__all__ = ["GOALS", "HIT_GOAL", "HIT_OVER_PYJWT", "measured", "pyjwt_like", "raw_verify"]

GOALS = {"RS256": 1.25, "ES256": 1.2, "PS256": 1.3, "HS256": 2.2, "Ed25519": 1.1}
"""How long verifying may take, over the raw signature."""

HIT_GOAL = 2.5
"""Microseconds for a token that is cached."""

HIT_OVER_PYJWT = 40
"""How much faster than PyJWT a cache hit is, with RS256."""

RAW, OURS, HIT = "raw signature", "jwt_guard", "jwt_guard, cache hit"
_REQUIRED = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]

Work = Callable[[], object]


def raw_verify(algorithm: str) -> Work:
    """Nothing but the signature: `cryptography` with every object prepared."""
    message, signature = _taken_apart(material.token(algorithm))
    key = tokens.key(algorithm)
    if algorithm == "HS256":
        secret = key.raw_value
        return lambda: _raw_hmac(secret, message, signature)
    public, sha256 = key.public_key, hashes.SHA256()
    if algorithm == "RS256":
        pkcs1 = padding.PKCS1v15()
        return lambda: public.verify(signature, message, pkcs1, sha256)
    if algorithm == "PS256":
        pss = padding.PSS(padding.MGF1(sha256), 32)
        return lambda: public.verify(signature, message, pss, sha256)
    if algorithm == "ES256":
        ecdsa = ec.ECDSA(sha256)
        halves = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        der = utils.encode_dss_signature(*halves)
        return lambda: public.verify(der, message, ecdsa)
    return lambda: public.verify(signature, message)


def _raw_hmac(secret: bytes, message: bytes, signature: bytes) -> None:
    state = hmac.HMAC(secret, hashes.SHA256())
    state.update(message)
    state.verify(signature)


def _taken_apart(token: str) -> tuple[bytes, bytes]:
    message, _, signature = token.rpartition(".")
    return message.encode(), tokens.unsegment(signature)


def _ours(algorithm: str, *, cache_size: int) -> Work:
    verify = material.guard(algorithm, cache_size=cache_size).verify
    token = material.token(algorithm)
    return lambda: verify(token)


def _joserfc(algorithm: str) -> Work:
    token, key = material.token(algorithm), tokens.key(algorithm)
    options: dict[str, Any] = {name: {"essential": True} for name in _REQUIRED}
    options["iss"]["value"], options["aud"]["value"] = tokens.ISSUER, tokens.AUDIENCE
    registry = joserfc_jwt.JWTClaimsRegistry(**options)
    allowed = [algorithm]
    return lambda: registry.validate(joserfc_jwt.decode(token, key, allowed).claims)


def _pyjwt_like_work(module: str, algorithm: str) -> Work:
    header = {"alg": _old_name(algorithm)}
    token = tokens.mint(material.claims(), algorithm=algorithm, header=header)
    decode = pyjwt_like(module, algorithm)
    return lambda: decode(token)


def pyjwt_like(module: str, algorithm: str) -> Callable[[str], object]:
    """What verifies a token with PyJWT, or with oxyjwt that has its interface."""
    peer: Any = import_module(module)
    key: Any = tokens.key(algorithm)
    key = key.raw_value if algorithm == "HS256" else key.public_key
    if module == "oxyjwt" and algorithm != "HS256":
        kind = {"ES256": "ec", "Ed25519": "ed"}.get(algorithm, "rsa")
        key = getattr(peer.DecodingKey, f"from_{kind}_pem")(tokens.public_pem(algorithm))
    options = {
        "algorithms": [_old_name(algorithm)],
        "audience": tokens.AUDIENCE,
        "issuer": tokens.ISSUER,
        "options": {"require": _REQUIRED},
    }
    decode = peer.decode
    return lambda token: decode(token, key, **options)


def _old_name(algorithm: str) -> str:
    """As it was called before RFC 9864."""
    return "EdDSA" if algorithm == "Ed25519" else algorithm


def _cases(algorithm: str) -> dict[str, Work]:
    cases = {
        RAW: raw_verify(algorithm),
        OURS: _ours(algorithm, cache_size=0),
        HIT: _ours(algorithm, cache_size=100),
        "joserfc": _joserfc(algorithm),
        "PyJWT": _pyjwt_like_work("jwt", algorithm),
    }
    if find_spec("oxyjwt"):
        cases["oxyjwt (Rust)"] = _pyjwt_like_work("oxyjwt", algorithm)
    return cases


def measured(algorithm: str, *, rounds: int = 150) -> dict[str, float]:
    """Microseconds by case, for one algorithm."""
    timers = {name: called(work) for name, work in _cases(algorithm).items()}
    return fastest(timers, rounds=rounds, slice_seconds=0.004)


def figures() -> Figures:
    """The table of all algorithms."""
    found = {algorithm: measured(algorithm) for algorithm in material.ALGORITHMS}
    rows = [row for algorithm, times in found.items() for row in _rows(algorithm, times)]
    times = found["RS256"]
    ratios = {name: taken / times[RAW] for name, taken in times.items() if name != RAW}
    plot = bars("RS256, times the raw signature", ratios, unit="x", goal=GOALS["RS256"])
    return Figures(
        name="verify",
        title="One token verified with all checks: microseconds, and over the raw signature.",
        table=Table(("token, by whom", "us", "ratio", "goal"), rows),
        measured=found,
        plots={"verify": plot},
    )


def _rows(algorithm: str, times: Mapping[str, float]) -> list[tuple[str, float, float, str | None]]:
    goals = {OURS: f"{GOALS[algorithm]}", HIT: f"{HIT_GOAL} us"}
    return [
        (f"{algorithm}: {name}", taken, taken / times[RAW], goals.get(name))
        for name, taken in times.items()
    ]


if __name__ == "__main__":
    publish(figures())

"""The issuer's part, played for a target that takes its keys from the callback listener."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from jwt_guard.attacks.material import integer

__all__ = ["PATH", "HugeSigner", "Provider", "Served", "key_set"]

PATH = "/provider/jwks.json"
Jwk = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One answer to whoever asks for the key set; `pause` is in seconds, before the body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pause: float = 0.0


def key_set(*keys: object) -> Served:
    """A JWKS of these members, whatever they are."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Served(headers=headers, body=json.dumps({"keys": keys}).encode())


class Provider:
    """What lies at PATH of the listener: the owner's public keys, or for a while something else."""

    def __init__(self) -> None:
        self.honest: tuple[Jwk, ...] = ()
        self.fetches = 0
        self._playing: Served | None = None
        self._lock = threading.Lock()

    @contextmanager
    def playing(self, served: Served) -> Generator[None]:
        """Answer with that instead of the honest set."""
        with self._lock:
            self._playing = served
        try:
            yield
        finally:
            with self._lock:
                self._playing = None

    def served(self) -> Served:
        """Count a fetch, and say what to answer."""
        with self._lock:
            self.fetches += 1
            return self._playing or key_set(*self.honest)


BITS = 1024
FACTORS = 16
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


@cache
def _primes() -> tuple[int, ...]:
    """Primes of half a kilobit, quick to find: a modulus of many of them is as long as any."""
    keys = [rsa.generate_private_key(65537, BITS).private_numbers() for _ in range(FACTORS)]
    return tuple(prime for key in keys for prime in (key.p, key.q))


@dataclass(frozen=True, slots=True, kw_only=True)
class HugeSigner:
    """A working RSA key of about 16,000 bits (multi-prime, RFC 8017 section 3.2)."""

    alg: str = "RS256"
    kid: str = field(default_factory=lambda: f"huge-{secrets.token_hex(4)}")

    @property
    def public_jwk(self) -> dict[str, object]:
        """The public half as a JWK."""
        n = integer(math.prod(_primes()))
        return {"kty": "RSA", "n": n, "e": integer(65537), "kid": self.kid, "alg": self.alg}

    def sign(self, message: bytes) -> bytes:
        """An RSASSA-PKCS1-v1_5 signature with SHA-256 (RFC 8017, section 8.2)."""
        modulus = math.prod(_primes())
        size = (modulus.bit_length() + 7) // 8
        digest = _SHA256 + hashlib.sha256(message).digest()
        block = b"\x00\x01" + b"\xff" * (size - 3 - len(digest)) + b"\x00" + digest
        return _root(int.from_bytes(block, "big"), modulus).to_bytes(size, "big")

    def under(self, alg: str) -> HugeSigner | None:
        """The same key under another algorithm: there is none."""
        return self if alg == self.alg else None


def _root(value: int, modulus: int) -> int:
    """The 65537th root, prime by prime and put together again (Chinese remainders)."""
    found = 0
    for prime in _primes():
        rest = modulus // prime
        part = pow(value, pow(65537, -1, prime - 1), prime)
        found += part * rest * pow(rest, -1, prime)
    return found % modulus

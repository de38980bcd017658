"""Our own signing keys: made, stored as a JWK set, used to sign, published without secrets.

One key signs: the current one. All verify, and all are published: the next one before it signs, so
that nobody meets it unprepared, and retired ones until the tokens that they signed are over.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from joserfc.jwk import JWKRegistry, OctKey
from joserfc.jws import JWSRegistry

from jwt_guard.keys.algorithms import ALGORITHMS, Algorithm, JoseKey
from jwt_guard.keys.keyset import KeySet, KeySource, StaticKeys, VerifyingKey
from jwt_guard.keys.loading import (
    UnusableKeys,
    import_jwk,
    refuse_duplicates,
    refuse_mixture,
)
from jwt_guard.keys.rules import weakness_of
from jwt_guard.keys.watching import FileKeys, Watched

__all__ = ["REFRESH_SECRET", "KeyStatus", "SigningKey", "SigningKeys", "generate_key", "parse_keys"]

_RSA_BITS = 2048

REFRESH_SECRET = "refresh_secret"
"""A member of a stored set beside `keys`: what refresh tokens are derived from. Never published."""

_OURS = frozenset({"status", "created", "activated", "retired", "remove_after"})
"""Members of a stored JWK beside those of RFC 7517: its status, and seconds since 1970 UTC."""

_PUBLISHED = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")


class KeyStatus(StrEnum):
    """What a signing key is for."""

    NEXT = "next"
    CURRENT = "current"
    RETIRED = "retired"


def generate_key(algorithm: str = "ES256") -> dict[str, Any]:
    """A new private JWK for one algorithm, its thumbprint as its `kid` (RFC 7638)."""
    known = ALGORITHMS[algorithm]
    key = JWKRegistry.generate_key(known.key_type, _size_or_curve(known), auto_kid=True)
    if str(key.kid).startswith("-"):
        return generate_key(algorithm)  # a command line would take such a kid for an option
    return {**key.as_dict(private=True), "alg": algorithm, "use": "sig"}


def _size_or_curve(algorithm: Algorithm) -> int | str:
    if algorithm.key_type == "RSA":
        return _RSA_BITS
    if algorithm.symmetric:
        return algorithm.digest_size * 8
    return "Ed25519" if algorithm.name == "EdDSA" else next(iter(algorithm.curves))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SigningKey:
    """One private key and the one algorithm that it signs with.

    Attributes:
        kid: its identifier, in the header of each token that it signs.
        algorithm: the value of `alg`.
        key: the key itself; it has no repr.
        status: what it is for.
        remove_after: when a retired key stops to verify, in seconds since 1970 UTC; None for
            when it is taken out.
    """

    kid: str
    algorithm: str
    key: JoseKey = field(repr=False)
    status: KeyStatus = KeyStatus.CURRENT
    remove_after: float | None = None

    def sign(self, message: bytes) -> bytes:
        """The signature of a message (RFC 7515 section 5.1)."""
        return JWSRegistry.algorithms[self.algorithm].sign(message, self.key)

    def verifying(self) -> VerifyingKey:
        """The same key as verifiers see it."""
        return VerifyingKey(kid=self.kid, algorithms=(self.algorithm,), key=self.key)

    def is_over(self, now: float) -> bool:
        """Whether it verifies no more."""
        return self.ends is not None and now >= self.ends

    @property
    def ends(self) -> float | None:
        """When it stops to verify, if ever: a retired key only."""
        return self.remove_after if self.status is KeyStatus.RETIRED else None

    def public_jwk(self) -> dict[str, Any]:
        """Its public part (RFC 7517 section 4), and nothing of what we store beside it."""
        public = {**self.key.as_dict(private=False), "kid": self.kid, "use": "sig"}
        return {name: public[name] for name in _PUBLISHED if name in public}


class _Ring:
    """The keys at one moment."""

    __slots__ = ("current", "key_set", "keys", "over")

    def __init__(self, keys: list[SigningKey]) -> None:
        self.keys = tuple(keys)
        self.current = next(key for key in keys if key.status is KeyStatus.CURRENT)
        self.key_set = KeySet(key.verifying() for key in keys)
        self.over = min((key.ends for key in keys if key.ends is not None), default=None)


class SigningKeys:
    """The signing keys of this application, those of a file as the file is now."""

    __slots__ = ("_ring", "source")

    def __init__(self, ring: Callable[[], _Ring], source: KeySource) -> None:
        self._ring = ring
        self.source = source

    @classmethod
    def from_jwks(cls, document: Any) -> "SigningKeys":
        """Signing keys from a parsed JWK set of private keys.

        The one with the status `current` signs; where no key has a status, the first.

        Raises:
            UnusableKeys: it is not one, holds a key that is weak, public, or without `alg`, mixes
                secrets with key pairs, two keys share a `kid`, or not exactly one is current.
        """
        ring = _Ring(parse_keys(document, time.time()))
        return cls(lambda: ring, StaticKeys(ring.key_set))

    @classmethod
    def from_file(
        cls,
        file: Path,
        *,
        changed: Callable[[str], None] = lambda kid: None,
        clock: Callable[[], float] = time.time,
    ) -> "SigningKeys":
        """Signing keys from a file, which may be rotated while the application runs.

        Args:
            file: a JWK set, made by `jwt-guard keys generate`.
            changed: told of the key that signs, each time that the file was read again.
            clock: seconds since 1970 UTC.

        Raises:
            UnusableKeys: as `from_jwks`, or it cannot be read.
        """
        watched = Watched(
            file,
            lambda text: _Ring(parse_keys(_parsed(text), clock())),
            is_stale=lambda ring: ring.over is not None and clock() >= ring.over,
            changed=lambda ring: changed(ring.current.kid),
        )
        return cls(watched.value, FileKeys(watched, lambda ring: ring.key_set))

    @property
    def current(self) -> SigningKey:
        """The key that signs."""
        return self._ring().current

    @property
    def key_set(self) -> KeySet:
        """The keys that verify."""
        return self._ring().key_set

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms of all keys, each once."""
        return tuple(dict.fromkeys(key.algorithm for key in self._ring().keys))

    def public_jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The JWK set to publish (RFC 7517 section 5); secrets are never in it."""
        keys = self._ring().keys
        return {"keys": [key.public_jwk() for key in keys if not isinstance(key.key, OctKey)]}


def parse_keys(document: Any, now: float) -> list[SigningKey]:
    """The signing keys in a parsed JWK set, the current one first, without those that are over.

    Raises:
        UnusableKeys: see `SigningKeys.from_jwks`.
    """
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise UnusableKeys("not a JWK set with at least one key")
    refuse_mixture(entries)
    keys = [_signing_key(entry) for entry in _with_status(entries)]
    refuse_duplicates(key.kid for key in keys)
    if sum(key.status is KeyStatus.CURRENT for key in keys) != 1:
        raise UnusableKeys("not exactly one key with the status current")
    alive = [key for key in keys if not key.is_over(now)]
    return sorted(alive, key=lambda key: key.status is not KeyStatus.CURRENT)


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UnusableKeys("not the JSON of a JWK set") from None


def _with_status(entries: list[Any]) -> list[Any]:
    """The entries, the first as current and the others as retired where none has a status."""
    if any(isinstance(entry, Mapping) and "status" in entry for entry in entries):
        return entries
    return [
        {"status": KeyStatus.RETIRED if place else KeyStatus.CURRENT, **entry}
        if isinstance(entry, Mapping)
        else entry
        for place, entry in enumerate(entries)
    ]


def _signing_key(entry: Any) -> SigningKey:
    ours = {name: entry[name] for name in _OURS & entry.keys()} if isinstance(entry, dict) else {}
    key = import_jwk({k: v for k, v in entry.items() if k not in ours} if ours else entry)
    algorithm = key.alg
    if algorithm not in ALGORITHMS or not ALGORITHMS[algorithm].fits(key):
        raise UnusableKeys("a signing key without an `alg` that fits it")
    if not key.is_private:
        raise UnusableKeys("a public key, which signs nothing")
    weakness = weakness_of(key, (algorithm,))
    if weakness is not None:
        raise UnusableKeys(weakness)
    return SigningKey(
        kid=key.kid or key.thumbprint(),
        algorithm=algorithm,
        key=key,
        status=_status(ours.get("status")),
        remove_after=_time(ours.get("remove_after")),
    )


def _status(value: Any) -> KeyStatus:
    try:
        return KeyStatus(value)
    except ValueError:
        raise UnusableKeys("a signing key whose status is not next, current or retired") from None


def _time(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UnusableKeys("a signing key whose remove_after is no time")
    return float(value)

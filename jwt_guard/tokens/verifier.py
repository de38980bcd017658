"""The one way from a token to a `Principal`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.keys.keyset import KeySet, KeySource, find_key
from jwt_guard.keys.signatures import Verify
from jwt_guard.principal import Principal
from jwt_guard.tokens.cache import CacheEntry, TokenCache, digest_of
from jwt_guard.tokens.claims import ClaimRules
from jwt_guard.tokens.compact import (
    Header,
    decode_object,
    decode_segment,
    parse_header,
    split,
)
from jwt_guard.tokens.encryption import Decryptor, Decryptors, is_encrypted

__all__ = ["Issuers", "TrustedIssuer", "Verified", "Verifier"]

MAX_TOKEN_SIZE = 16_384
"""The default limit of a token, in bytes: what servers accept in all headers together."""

_HEADERS_REMEMBERED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """One issuer that we believe, and how far.

    Attributes:
        issuer: its exact `iss`.
        algorithms: the values of `alg` that it may use.
        keys: where its keys come from.
        rules: what its tokens must say.
        decryptor: for whose keys its tokens must be encrypted; None where they need not be.
    """

    issuer: str
    algorithms: frozenset[str]
    keys: KeySource
    rules: ClaimRules
    decryptor: Decryptor | None = None


class Issuers(Protocol):
    """The issuers that we believe, found by exact `iss`; a dict serves.

    It may raise a `Refusal` with `keys_unavailable`, when it cannot tell.
    """

    def get(self, issuer: str, /) -> TrustedIssuer | None:
        """The issuer of that name; None for a stranger, for whom nothing is ever fetched."""
        ...


class Verified(msgspec.Struct, frozen=True):
    """A verified token: its header as it stood, and its caller."""

    header: Header
    principal: Principal


class Verifier:
    """Verifies tokens of the trusted issuers. Shared by all threads and tasks of a process."""

    def __init__(
        self,
        issuers: Issuers,
        *,
        cache_size: int = 0,
        max_token_size: int = MAX_TOKEN_SIZE,
        clock: Callable[[], float] = time.time,
        decryptors: Decryptors | None = None,
    ) -> None:
        self.issuers = issuers
        self.decryptors = decryptors or Decryptors()
        self.cache = TokenCache(cache_size) if cache_size else None
        self.max_token_size = max_token_size
        self.clock = clock
        self._headers: dict[bytes, Header] = {}

    def principal(self, token: str | bytes) -> Flow[Principal]:
        """The caller of a token, from the cache where it is still right.

        Raises:
            Refusal: for every token that is not to be believed.
        """
        if self.cache is None:
            verified = yield from self.verified(token)
            return verified.principal
        raw = _bounded(token, self.max_token_size)
        digest = digest_of(raw)
        entry = self.cache.get(digest)
        if entry is not None and self._still_holds(entry):
            return entry.principal
        verified = yield from self.verified(raw, digest)
        return verified.principal

    def rules_of(self, principal: Principal) -> ClaimRules:
        """The rules of a principal's issuer.

        Raises:
            Refusal: `issuer_unknown`, when it is trusted no more.
        """
        trusted = self.issuers.get(principal.issuer)
        if trusted is None:
            raise Refusal(Reason.ISSUER_UNKNOWN, claim="iss")
        return trusted.rules

    def _still_holds(self, entry: CacheEntry) -> bool:
        """Whether nothing has changed; else a full verification tells what."""
        if not entry.starts <= self.clock() < entry.ends:
            return False
        trusted = self.issuers.get(entry.principal.issuer)
        if trusted is None or trusted.rules is not entry.rules:
            return False
        keys = trusted.keys.current()
        return keys is not None and keys.generation == entry.generation

    def verified(self, token: str | bytes, digest: bytes | None = None) -> Flow[Verified]:
        """Verify a token in full: parse, issuer, algorithm, key, signature, claims (in this order).

        Raises:
            Refusal: for every token that is not to be believed.
        """
        raw, decryptor = self._opened(_bounded(token, self.max_token_size))
        opening, middle, signature, signed = split(raw)
        known = self._headers.get(opening)
        header = known or parse_header(opening)
        payload = decode_segment(middle)
        claims = decode_object(payload)
        trusted = self._issuer_of(claims)
        if trusted.decryptor is not decryptor:
            plain = decryptor is None
            raise Refusal(Reason.TOKEN_NOT_ENCRYPTED if plain else Reason.DECRYPTION_FAILED)
        keys = yield from _check_signature(signed, signature, header, trusted)
        if known is None:
            self._remember_header(opening, header)
        if header.type not in trusted.rules.profile.types:
            raise Refusal(Reason.TOKEN_TYPE_INVALID, claim="typ")
        principal = trusted.rules.principal(claims, payload, self.clock())
        if self.cache is not None and digest is not None:
            starts, ends = trusted.rules.lifetime(principal, claims.get("nbf"))
            entry = CacheEntry(principal, starts, ends, keys.generation, trusted.rules)
            self.cache.put(digest, entry)
        return Verified(header, principal)

    def _opened(self, token: bytes) -> tuple[bytes, Decryptor | None]:
        """The signed token, and whose keys have decrypted it, if it was encrypted."""
        if len(self.decryptors) and is_encrypted(token):
            return self.decryptors.opened(token)
        return token, None

    def _issuer_of(self, claims: dict[str, Any]) -> TrustedIssuer:
        """Nothing but the name is read before the signature is checked."""
        if "iss" not in claims:
            raise Refusal(Reason.CLAIM_MISSING, claim="iss")
        issuer = claims["iss"]
        if type(issuer) is not str:
            raise Refusal(Reason.CLAIM_INVALID, claim="iss")
        trusted = self.issuers.get(issuer)
        if trusted is None:
            raise Refusal(Reason.ISSUER_UNKNOWN, claim="iss")
        return trusted

    def _remember_header(self, segment: bytes, header: Header) -> None:
        """Only of tokens with a right signature, so that strangers cannot fill the map."""
        if len(self._headers) >= _HEADERS_REMEMBERED:
            self._headers = {}
        self._headers[segment] = header


def _check_signature(
    signed: bytes, segment: bytes, header: Header, trusted: TrustedIssuer
) -> Flow[KeySet]:
    if header.algorithm not in trusted.algorithms:
        raise Refusal(Reason.ALGORITHM_NOT_ALLOWED, claim="alg")
    signature = decode_segment(segment)
    keys = trusted.keys.current()
    verify = None if keys is None else keys.find(header.kid, header.algorithm)
    if keys is None or verify is None:
        keys, verify = yield from find_key(trusted.keys, header.kid, header.algorithm)
    if _is_right(verify, signed, signature):
        return keys
    newer = yield from _rotated(trusted.keys, keys, header)
    again = newer.find(header.kid, header.algorithm) if newer is not None else None
    if newer is None or again is None or not _is_right(again, signed, signature):
        raise Refusal(Reason.SIGNATURE_INVALID)
    return newer


def _rotated(source: KeySource, used: KeySet, header: Header) -> Flow[KeySet | None]:
    """The keys that took the place of those in use: meanwhile, or as the source now learns.

    Where tokens name no key, only a wrong signature tells of a rotation.
    """
    newer = source.current()
    if header.kid is None and newer is used:
        newer = yield from source.renewed(None)
    return None if newer is used else newer


def _is_right(verify: Verify, message: bytes, signature: bytes) -> bool:
    try:
        return verify(message, signature)
    except Exception:  # noqa: BLE001 - fail closed on whatever a library makes of odd input
        return False


def _bounded(token: str | bytes, max_size: int) -> bytes:
    """The token's bytes, none read beyond the limit."""
    if len(token) > max_size:
        raise Refusal(Reason.TOKEN_TOO_LARGE)
    try:
        return token.encode("ascii") if isinstance(token, str) else token
    except UnicodeEncodeError:
        raise Refusal(Reason.TOKEN_MALFORMED) from None

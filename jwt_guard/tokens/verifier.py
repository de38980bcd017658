"""The one way from a token to a `Principal`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.keys.keyset import KeySet, KeySource, find_key
from jwt_guard.keys.signatures import Verify
from jwt_guard.principal import Principal
from jwt_guard.tokens.cache import CacheEntry, TokenCache
from jwt_guard.tokens.claims import ClaimRules
from jwt_guard.tokens.compact import (
    Header,
    issuer_in,
    parse_header,
    take_apart,
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


class _Read(msgspec.Struct, gc=False):
    """A token that was read, of which nothing but its form is known to be right."""

    opening: bytes
    header: Header
    payload: bytes
    signed: bytes
    signature: bytes
    trusted: TrustedIssuer


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

    def principal(self, token: str | bytes) -> Principal | Flow[Principal]:
        """The caller of a token, from the cache where it is still right.

        Returns:
            The caller; where keys have to be got first, a flow that does so and returns the caller.

        Raises:
            Refusal: for every token that is not to be believed; so may the flow.
        """
        raw = _bounded(token, self.max_token_size)
        if self.cache is None:
            return self._judged(self._read(raw))
        digest = sha256(raw).digest()
        entry = self.cache.get(digest)
        if entry is not None and entry.starts <= self.clock() < entry.ends:
            trusted = self.issuers.get(entry.principal.issuer)
            if trusted is entry.trusted and trusted and trusted.keys.current() is entry.keys:
                return entry.principal  # else a full verification tells what has changed
        return self._judged(self._read(raw), digest)

    def verified(self, token: str | bytes) -> Flow[Verified]:
        """Verify a token in full, past the cache.

        Raises:
            Refusal: for every token that is not to be believed.
        """
        read = self._read(_bounded(token, self.max_token_size))
        found = self._judged(read)
        principal = found if isinstance(found, Principal) else (yield from found)
        return Verified(read.header, principal)

    def rules_of(self, principal: Principal) -> ClaimRules:
        """The rules of a principal's issuer.

        Raises:
            Refusal: `issuer_unknown`, when it is trusted no more.
        """
        trusted = self.issuers.get(principal.issuer)
        if trusted is None:
            raise Refusal(Reason.ISSUER_UNKNOWN, claim="iss")
        return trusted.rules

    # Segments, issuer, algorithm, key, signature, claims, in this order. Only a missing key needs
    # anything from outside, so all but that is plain calls, which take half as long as a flow.

    def _read(self, token: bytes) -> _Read:
        decryptor = None
        if self.decryptors.is_needed and is_encrypted(token):
            token, decryptor = self.decryptors.opened(token)
        opening, signed, payload, signature = take_apart(token)
        header = self._headers.get(opening) or parse_header(opening)
        # Nothing but the name is read before the signature is checked.
        issuer = issuer_in(payload)
        trusted = self.issuers.get(issuer) if type(issuer) is str else None
        if trusted is None:
            raise _no_issuer(issuer)
        if trusted.decryptor is not decryptor:
            plain = decryptor is None
            raise Refusal(Reason.TOKEN_NOT_ENCRYPTED if plain else Reason.DECRYPTION_FAILED)
        if header.algorithm not in trusted.algorithms:
            raise Refusal(Reason.ALGORITHM_NOT_ALLOWED, claim="alg")
        return _Read(opening, header, payload, signed, signature, trusted)

    def _judged(self, read: _Read, digest: bytes | None = None) -> Principal | Flow[Principal]:
        header, keys = read.header, read.trusted.keys.current()
        verify = None if keys is None else keys.find(header.kid, header.algorithm)
        if keys is None or verify is None:
            return self._judged_later(read, None, digest)
        if not _is_right(verify, read):
            if header.kid is not None and read.trusted.keys.current() is keys:
                raise Refusal(Reason.SIGNATURE_INVALID)
            return self._judged_later(read, keys, digest)
        return self._believed(read, keys, digest)

    def _judged_later(
        self, read: _Read, tried: KeySet | None, digest: bytes | None
    ) -> Flow[Principal]:
        keys = yield from _fitting_keys(read, tried)
        return self._believed(read, keys, digest)

    def _believed(self, read: _Read, keys: KeySet, digest: bytes | None) -> Principal:
        """The caller of a token with a right signature."""
        header, rules = read.header, read.trusted.rules
        if read.opening not in self._headers:
            self._remember_header(read.opening, header)
        if header.type not in rules.profile.types:
            raise Refusal(Reason.TOKEN_TYPE_INVALID, claim="typ")
        known, claims = rules.form.read(read.payload)
        if known.iss != read.trusted.issuer:
            raise Refusal(Reason.ISSUER_UNKNOWN, claim="iss")
        principal = rules.principal(known, claims, read.payload, self.clock())
        if self.cache is not None and digest is not None:
            entry = CacheEntry(principal, *rules.lifetime(known), read.trusted, keys)
            self.cache.put(digest, entry)
        return principal

    def _remember_header(self, segment: bytes, header: Header) -> None:
        """Only of tokens with a right signature, so that strangers cannot fill the map."""
        if len(self._headers) >= _HEADERS_REMEMBERED:
            self._headers = {}
        self._headers[segment] = header


def _no_issuer(named: Any) -> Refusal:
    """Why what a payload says of its issuer leads to none."""
    if named is msgspec.UNSET:
        return Refusal(Reason.CLAIM_MISSING, claim="iss")
    reason = Reason.ISSUER_UNKNOWN if type(named) is str else Reason.CLAIM_INVALID
    return Refusal(reason, claim="iss")


def _fitting_keys(read: _Read, tried: KeySet | None) -> Flow[KeySet]:
    """The keys that a token is signed with, where those at hand lack its key, or have another.

    Args:
        read: the token.
        tried: the keys that have one for it, with which the signature is wrong.
    """
    source, header = read.trusted.keys, read.header
    if tried is None:
        tried, verify = yield from find_key(source, header.kid, header.algorithm)
        if _is_right(verify, read):
            return tried
    newer = yield from _rotated(source, tried, header)
    again = newer.find(header.kid, header.algorithm) if newer is not None else None
    if newer is None or again is None or not _is_right(again, read):
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


def _is_right(verify: Verify, read: _Read) -> bool:
    try:
        return verify(read.signed, read.signature)
    except Exception:  # noqa: BLE001 - fail closed on whatever a library makes of odd input
        return False


def _bounded(token: str | bytes, max_size: int) -> bytes:
    """The token's bytes, none read beyond the limit."""
    try:
        if len(token) > max_size:
            raise Refusal(Reason.TOKEN_TOO_LARGE)
        return token.encode("ascii") if isinstance(token, str) else b"".join((token,))
    except (TypeError, UnicodeEncodeError):  # neither text nor bytes, or text of another kind
        raise Refusal(Reason.TOKEN_MALFORMED) from None

"""The one way from a token to a `Principal`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
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

_WAYS_REMEMBERED = 64


class Way(msgspec.Struct, frozen=True):
    """What a protected header leads to, under the keys that its issuer had at one moment.

    Attributes:
        header: the header.
        keys: the keys, compared by identity; None where there were none yet.
        verify: what verifies with the key that the header asks for; None where they lack it.
    """

    header: Header
    keys: KeySet | None
    verify: Verify | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """One issuer that we believe, and how far.

    Attributes:
        issuer: its exact `iss`.
        algorithms: the values of `alg` that it may use.
        keys: where its keys come from.
        rules: what its tokens must say.
        decryptor: for whose keys its tokens must be encrypted; None where they need not be.
        ways: by header as it stands, where the tokens lead that had a right signature.
    """

    issuer: str
    algorithms: frozenset[str]
    keys: KeySource
    rules: ClaimRules
    decryptor: Decryptor | None = None
    ways: dict[bytes, Way] = field(
        init=False, repr=False, compare=False, default_factory=dict[bytes, Way]
    )

    def way(self, opening: bytes, keys: KeySet | None) -> Way:
        """Where a header leads with these keys.

        Raises:
            Refusal: nowhere, whatever the keys.
        """
        header = parse_header(opening)
        if header.algorithm not in self.algorithms:
            raise Refusal(Reason.ALGORITHM_NOT_ALLOWED, claim="alg")
        verify = None if keys is None else keys.find(header.kid, header.algorithm)
        return Way(header, keys, verify)

    def remember(self, opening: bytes, way: Way) -> None:
        """Remember a way, which only tokens with a right signature may make us do."""
        if len(self.ways) >= _WAYS_REMEMBERED:
            self.ways.clear()
        self.ways[opening] = way


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
    signed: bytes
    payload: bytes
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

    def principal(self, token: str | bytes) -> Principal | Flow[Principal]:
        """The caller of a token, from the cache where it is still right.

        Returns:
            The caller; where keys have to be got first, a flow that does so and returns the caller.

        Raises:
            Refusal: for every token that is not to be believed; so may the flow.
        """
        raw = self._raw(token)
        if self.cache is None:
            return self._judged(raw)
        digest = sha256(raw).digest()
        entry = self.cache.get(digest)
        if entry is not None and entry.starts <= self.clock() < entry.ends:
            trusted: TrustedIssuer = entry.trusted
            if self.issuers.get(trusted.issuer) is trusted and trusted.keys.current() is entry.keys:
                return entry.principal  # else a full verification tells what has changed
        return self._judged(raw, digest)

    def verified(self, token: str | bytes) -> Flow[Verified]:
        """Verify a token in full, past the cache.

        Raises:
            Refusal: for every token that is not to be believed.
        """
        raw = self._raw(token)
        found = self._judged(raw)
        principal = found if isinstance(found, Principal) else (yield from found)
        opening, _, _ = self._opened(raw)[0].partition(b".")
        return Verified(parse_header(opening), principal)

    def rules_of(self, principal: Principal) -> ClaimRules:
        """The rules of a principal's issuer.

        Raises:
            Refusal: `issuer_unknown`, when it is trusted no more.
        """
        trusted = self.issuers.get(principal.issuer)
        if trusted is None:
            raise Refusal(Reason.ISSUER_UNKNOWN, claim="iss")
        return trusted.rules

    # Segments, issuer, header, key, signature, claims, in this order. Only a missing key needs
    # anything from outside, so all but that is plain calls, which take half as long as a flow.

    def _judged(self, raw: bytes, digest: bytes | None = None) -> Principal | Flow[Principal]:
        token, decryptor = self._opened(raw) if self.decryptors.is_needed else (raw, None)
        opening, signed, payload, signature = take_apart(token)
        # Nothing but the name is read before the signature is checked.
        issuer = issuer_in(payload)
        trusted = self.issuers.get(issuer) if type(issuer) is str else None
        if trusted is None:
            raise _no_issuer(issuer)
        if trusted.decryptor is not decryptor:
            plain = decryptor is None
            raise Refusal(Reason.TOKEN_NOT_ENCRYPTED if plain else Reason.DECRYPTION_FAILED)
        way, keys = trusted.ways.get(opening), trusted.keys.current()
        if way is None or way.keys is not keys:
            way = trusted.way(opening, keys)
        if way.verify is not None and way.verify(signed, signature):
            return self._believed(trusted, opening, way, payload, digest)
        is_final = way.verify is not None and way.header.kid is not None
        if is_final and trusted.keys.current() is keys:
            raise Refusal(Reason.SIGNATURE_INVALID)
        read = _Read(opening, signed, payload, signature, trusted)
        return self._judged_later(read, way, digest)

    def _raw(self, token: str | bytes) -> bytes:
        """The token's bytes, none read beyond the limit; what is not ASCII is in no segment."""
        try:
            if len(token) <= self.max_token_size:
                return token.encode() if isinstance(token, str) else bytes(token)
        except (TypeError, ValueError):  # no text
            raise Refusal(Reason.TOKEN_MALFORMED) from None
        raise Refusal(Reason.TOKEN_TOO_LARGE)

    def _opened(self, raw: bytes) -> tuple[bytes, Decryptor | None]:
        """A token without the encryption around it, and who took that off."""
        return self.decryptors.opened(raw) if is_encrypted(raw) else (raw, None)

    def _judged_later(self, read: _Read, tried: Way, digest: bytes | None) -> Flow[Principal]:
        way = yield from _right_way(read, tried)
        return self._believed(read.trusted, read.opening, way, read.payload, digest)

    def _believed(
        self,
        trusted: TrustedIssuer,
        opening: bytes,
        way: Way,
        payload: bytes,
        digest: bytes | None,
    ) -> Principal:
        """The caller of a token with a right signature."""
        rules = trusted.rules
        if trusted.ways.get(opening) is not way:
            trusted.remember(opening, way)
        if way.header.type not in rules.profile.types:
            raise Refusal(Reason.TOKEN_TYPE_INVALID, claim="typ")
        known, claims = rules.form.read(payload)
        if known.iss != trusted.issuer:
            raise Refusal(Reason.ISSUER_UNKNOWN, claim="iss")
        principal = rules.principal(known, claims, payload, self.clock())
        if self.cache is not None and digest is not None:
            entry = CacheEntry(principal, *rules.lifetime(known), trusted, way.keys)
            self.cache.put(digest, entry)
        return principal


def _no_issuer(named: Any) -> Refusal:
    """Why what a payload says of its issuer leads to none."""
    if named is msgspec.UNSET:
        return Refusal(Reason.CLAIM_MISSING, claim="iss")
    reason = Reason.ISSUER_UNKNOWN if type(named) is str else Reason.CLAIM_INVALID
    return Refusal(reason, claim="iss")


def _right_way(read: _Read, tried: Way) -> Flow[Way]:
    """The way on which a token's signature is right, where the keys at hand lack its key, or err.

    Raises:
        Refusal: there is none.
    """
    source, header, used = read.trusted.keys, tried.header, tried.keys
    if used is None or tried.verify is None:
        used, verify = yield from find_key(source, header.kid, header.algorithm)
        if verify(read.signed, read.signature):
            return Way(header, used, verify)
    newer = yield from _rotated(source, used, header)
    again = newer.find(header.kid, header.algorithm) if newer is not None else None
    if again is None or not again(read.signed, read.signature):
        raise Refusal(Reason.SIGNATURE_INVALID)
    return Way(header, newer, again)


def _rotated(source: KeySource, used: KeySet, header: Header) -> Flow[KeySet | None]:
    """The keys that took the place of those in use: meanwhile, or as the source now learns.

    Where tokens name no key, only a wrong signature tells of a rotation.
    """
    newer = source.current()
    if header.kid is None and newer is used:
        newer = yield from source.renewed(None)
    return None if newer is used else newer

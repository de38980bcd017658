"""Verified tokens remembered: what was costly (signature, parse), never what can change.

An entry is keyed by the SHA-256 of the exact token and holds only under the key set and the rules
that verified it. Whoever reads it checks the times again, and revocation and binding as ever.
"""

import msgspec

from jwt_guard.principal import Principal

__all__ = ["CacheEntry", "TokenCache"]


class CacheEntry(msgspec.Struct, frozen=True):
    """A token that was verified once.

    Attributes:
        principal: its caller.
        starts: the moment from which its times are right, seconds since 1970 UTC.
        ends: the moment from which they are not any more.
        trusted: its issuer with the rules that it passed, compared by identity.
        keys: the key set that verified it, likewise.
    """

    principal: Principal
    starts: float
    ends: float
    trusted: object
    keys: object


class TokenCache:
    """At most `size` entries, the least recently used half forgotten when it is full.

    Two dictionaries: entries live in the young one; when that holds half the size, it becomes
    the old one, and what the old one held is forgotten unless it was used since. Every step is
    one dictionary operation, so threads need no lock; `hits` and `misses` may miss a few of theirs.
    """

    __slots__ = ("_half", "_old", "_young", "hits", "misses", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.hits = 0
        self.misses = 0
        self._half = max(1, size // 2)
        self._young: dict[bytes, CacheEntry] = {}
        self._old: dict[bytes, CacheEntry] = {}

    def get(self, digest: bytes) -> CacheEntry | None:
        """The entry of a digest, if it is remembered."""
        entry = self._young.get(digest)
        if entry is None:
            entry = self._old.get(digest)
            if entry is None:
                self.misses += 1
                return None
            self.put(digest, entry)
        self.hits += 1
        return entry

    def put(self, digest: bytes, entry: CacheEntry) -> None:
        """Remember an entry."""
        if len(self._young) >= self._half and digest not in self._young:
            self._old, self._young = (self._young if self.size > 1 else {}), {}
        self._young[digest] = entry

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def __repr__(self) -> str:
        return f"TokenCache(size={self.size}, entries={len(self)})"

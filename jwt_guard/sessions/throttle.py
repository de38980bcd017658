"""Logins are slowed down by account and address, in the store and so across processes.

Three counts bound guessing without handing strangers a way to lock others out: attempts at one
account from one address (few), from all addresses (many), and from one address at all accounts.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from unicodedata import normalize

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.stores.protocol import Store

__all__ = ["Throttle"]

_MILLISECONDS = 1000


class _Count(NamedTuple):
    """What is counted, and how many may be."""

    key: str
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """Counts attempts in a fixed window.

    Attributes:
        store: where the counts are kept.
        key: keys the digests by which names and addresses are counted.
        window: how long a count lasts, in seconds.
        per_pair: attempts at one account from one address.
        per_account: attempts at one account.
        per_address: attempts from one address that were wrong.
    """

    store: Store
    key: bytes
    window: int = 300
    per_pair: int = 10
    per_account: int = 100
    per_address: int = 100

    def attempt(self, account: str, address: str | None, now: float) -> Flow[None]:
        """Count one more attempt, before it is known whether it is right.

        Raises:
            Refusal: `throttled`, with the seconds after which a new count has begun, when it is one
                too many; whether the account exists does not matter.
        """
        of_address, *of_account = self._counts(account, address)
        yield from self._counted(of_address, now)
        try:
            for count in of_account:
                yield from self._counted(count, now)
        except Refusal:
            yield from self._tally(of_address.key, now, -1)  # nothing was tried
            raise

    def _counted(self, count: _Count, now: float) -> Flow[None]:
        if (yield from self._tally(count.key, now, 1)) > count.most:
            raise Refusal(Reason.THROTTLED, retry_after=self.window)

    def succeeded(self, account: str, address: str | None, now: float) -> Flow[None]:
        """Begin the account's counts anew, and take the attempt back from the address's.

        The address's own count goes on: else whoever has one account could try all the others.
        """
        of_address, *of_account = self._counts(account, address)
        for count in of_account:
            yield from self.store.forget(count.key)
        yield from self._tally(of_address.key, now, -1)

    def _counts(self, account: str, address: str | None) -> tuple[_Count, ...]:
        """What is counted: the address first, so that it cannot fill the store with names."""
        name, place = _folded(account), _place(address)
        return (
            _Count(self._key("address", place), self.per_address),
            _Count(self._key("pair", f"{place}\x00{name}"), self.per_pair),
            _Count(self._key("account", name), self.per_account),
        )

    def _tally(self, key: str, now: float, by: int) -> Flow[int]:
        until = int((now + self.window) * _MILLISECONDS)
        count = yield from self.store.tally(key, now=int(now * _MILLISECONDS), until=until, by=by)
        return count

    def _key(self, kind: str, name: str) -> str:
        digest = hmac.new(self.key, name.encode("utf-8", "surrogatepass"), sha256).hexdigest()
        return f"login:{kind}:{digest}"


def _folded(account: str) -> str:
    """A name in one spelling: applications may take several for the same account."""
    return normalize("NFKC", account).casefold().strip()


def _place(address: str | None) -> str:
    """An address as one place: who has one of version 6 has all the 2**64 of its network."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return known.packed[:8].hex()
    return str(getattr(known, "ipv4_mapped", known))

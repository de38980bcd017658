"""Logins are slowed down by account and address, in the store and so across processes.

Three counts bound guessing without handing strangers a way to lock others out: attempts at one
account from one address (few), from all addresses (many), and from one address at all accounts.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.stores.protocol import Store

__all__ = ["Throttle"]

_MILLISECONDS = 1000


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
            Refusal: `throttled`, with the seconds until a new count begins, when it is one too
                many; whether the account exists does not matter.
        """
        for key, most in self._counts(account, address):
            count = yield from self._tally(key, now, 1)
            if count > most:
                raise Refusal(Reason.THROTTLED, retry_after=self.window)

    def succeeded(self, account: str, address: str | None, now: float) -> Flow[None]:
        """Begin the account's counts anew, and take the attempt back from the address's.

        The address's own count goes on: else whoever has one account could try all the others.
        """
        (pair, _), (all_of_account, _), (all_of_address, _) = self._counts(account, address)
        yield from self.store.forget(pair)
        yield from self.store.forget(all_of_account)
        yield from self._tally(all_of_address, now, -1)

    def _counts(self, account: str, address: str | None) -> tuple[tuple[str, int], ...]:
        """What is counted, and how many may be."""
        return (
            (self._key("pair", f"{address}\x00{account}"), self.per_pair),
            (self._key("account", account), self.per_account),
            (self._key("address", address or ""), self.per_address),
        )

    def _tally(self, key: str, now: float, by: int) -> Flow[int]:
        until = int((now + self.window) * _MILLISECONDS)
        count = yield from self.store.tally(key, now=int(now * _MILLISECONDS), until=until, by=by)
        return count

    def _key(self, kind: str, name: str) -> str:
        digest = hmac.new(self.key, name.encode("utf-8", "surrogatepass"), sha256).hexdigest()
        return f"login:{kind}:{digest}"

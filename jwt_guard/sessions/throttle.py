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
        per_address: attempts from one address.
    """

    store: Store
    key: bytes
    window: int = 300
    per_pair: int = 10
    per_account: int = 100
    per_address: int = 1000

    def attempt(self, account: str, address: str | None, now: float) -> Flow[None]:
        """Count one more attempt.

        Raises:
            Refusal: `throttled`, with the seconds until a new count begins, when it is one too
                many; whether the account exists does not matter.
        """
        for kind, name, most in self._counts(account, address or ""):
            key = self._key(kind, name)
            count = yield from self.store.tally(
                key, now=int(now * _MILLISECONDS), until=int((now + self.window) * _MILLISECONDS)
            )
            if count > most:
                raise Refusal(Reason.THROTTLED, retry_after=self.window)

    def succeeded(self, account: str, address: str | None) -> Flow[None]:
        """Begin the account's counts anew: its owner knows the password."""
        for kind, name, _ in self._counts(account, address or "")[:2]:
            yield from self.store.forget(self._key(kind, name))

    def _counts(self, account: str, address: str) -> tuple[tuple[str, str, int], ...]:
        return (
            ("pair", f"{address}\x00{account}", self.per_pair),
            ("account", account, self.per_account),
            ("address", address, self.per_address),
        )

    def _key(self, kind: str, name: str) -> str:
        digest = hmac.new(self.key, name.encode("utf-8", "surrogatepass"), sha256).hexdigest()
        return f"login:{kind}:{digest}"

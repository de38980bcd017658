"""Tokens that are good for one request: known by their `jti`, in all processes of a store."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from hashlib import sha256

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.principal import Principal
from jwt_guard.sessions.revocation import milliseconds
from jwt_guard.stores.protocol import Store

__all__ = ["OneTimeTokens"]

_SKEW = 60.0
"""How far the clocks of processes and stores may differ, in seconds."""


class OneTimeTokens:
    """Lets each token of some issuers through the first time only.

    Args:
        store: remembers them until they have expired.
        issuers: whose tokens are good for one request, at any time.
        leeway: how long after its expiry a token may still be accepted, in seconds.
        clock: seconds since 1970 UTC.
    """

    __slots__ = ("_clock", "_leeway", "_store", "issuers")

    def __init__(
        self,
        store: Store,
        issuers: AbstractSet[str],
        *,
        leeway: float,
        clock: Callable[[], float],
    ) -> None:
        self.issuers = issuers
        self._store = store
        self._leeway = leeway
        self._clock = clock

    def use_up(self, principal: Principal) -> Flow[None]:
        """Let a token through, if it is the first time.

        Raises:
            Refusal: `token_replayed`; `claim_missing`, without a `jti` to know it by;
                `store_unavailable`.
        """
        if principal.token_id is None:
            raise Refusal(Reason.CLAIM_MISSING, claim="jti")
        name = f"{principal.issuer}\x00{principal.token_id}".encode("utf-8", "surrogatepass")
        times = yield from self._store.tally(
            f"jti:{sha256(name).hexdigest()}",
            now=milliseconds(self._clock()),
            until=milliseconds(principal.expires_at + self._leeway + _SKEW),
        )
        if times > 1:
            raise Refusal(Reason.TOKEN_REPLAYED, claim="jti")

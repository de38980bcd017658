"""What a store keeps, and what it can do with it. Every store behaves alike: one test body says so.

Times are whole milliseconds since 1970 UTC: they compare alike in Python, SQL and Lua. A store
that cannot answer raises `store_unavailable`, whatever its driver said.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow

__all__ = [
    "FOREVER",
    "Session",
    "Store",
    "UnusableStore",
    "changeable",
    "cut_off_key",
    "unavailable",
]

FOREVER = 2**53 - 1
"""A cut-off that no token comes after: what is cut off never comes back. Lua can still count it."""

_RETRY_AFTER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login, from which access tokens are drawn. Nothing in it can be presented as a token.

    Attributes:
        sid: its identifier, also the `sid` of its access tokens; begins with its birth.
        subject: who logged in; with our issuer a global name.
        client_id: the client that it was granted to, and to no other.
        tenant: the tenant that it is for, if any.
        roles: the roles at login.
        scopes: the scopes granted at login, never to be exceeded.
        auth_time: when the user authenticated, in whole seconds since 1970 UTC.
        acr: the authentication context class, if known.
        amr: the authentication methods (RFC 8176).
        claims: further claims of its access tokens.
        device: what the client called itself, and must call itself at each refresh.
        thumbprint: the `jkt` of the key that it is bound to (RFC 9449 section 6.1), if any.
        salt: random; its refresh tokens are derived from it and from the server's key.
        created_at: its birth.
        expires_at: its end, whatever its use.
        generation: the confirmed generation n of its refresh tokens.
        branch: the branch of n.
        presented_at: when n was presented last, and so the branch of n + 1; None before.
        used_at: when it was used last.
        idle_expires_at: its end without further use; not after `expires_at`.
        agent: the user agent at its last use.
        place: where it was used last: an address, or what the application makes of it.
        ended_at: when it was ended, if it was.
        end_reason: why.
        version: counts the changes; a change names the version that it saw.
    """

    sid: str
    subject: str
    client_id: str
    tenant: str | None = None
    roles: Sequence[str] = ()
    scopes: Sequence[str] = ()
    auth_time: int
    acr: str | None = None
    amr: Sequence[str] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    thumbprint: str | None = None
    salt: str = field(repr=False)
    created_at: int
    expires_at: int
    generation: int = 0
    branch: int = 0
    presented_at: int | None = None
    used_at: int
    idle_expires_at: int
    agent: str | None = None
    place: str | None = None
    ended_at: int | None = None
    end_reason: str | None = None
    version: int = 0

    @classmethod
    def restored(cls, row: Mapping[str, Any]) -> "Session":
        """A session from what a store kept of its fields."""
        return cls(**{**row, **{name: tuple(row[name]) for name in _LISTS}})

    def row(self) -> dict[str, Any]:
        """The fields as a store keeps them: JSON has lists and no tuples."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        return row | {name: list(row[name]) for name in _LISTS} | {"claims": dict(self.claims)}

    def ended(self, at: int, reason: str) -> "Session":
        """The same session, ended."""
        return replace(self, ended_at=at, end_reason=reason, version=self.version + 1)


_LISTS = ("roles", "scopes", "amr")
_CHANGEABLE = (
    "generation",
    "branch",
    "presented_at",
    "used_at",
    "idle_expires_at",
    "agent",
    "place",
    "version",
)
assert set(_CHANGEABLE) < {f.name for f in fields(Session)}  # noqa: S101 - a slip of the pen


def changeable(session: Session) -> dict[str, Any]:
    """The fields that a refresh may change, with their values."""
    return {name: getattr(session, name) for name in _CHANGEABLE}


class Store(Protocol):
    """Where sessions and cut-offs are kept. Shared by all threads and tasks of a process.

    Every operation is atomic, and raises `store_unavailable` when it cannot be done.
    """

    @property
    def has_no_cut_offs(self) -> bool:
        """Whether it is known, without asking anybody, that there is no cut-off at all."""
        ...

    def create(self, session: Session) -> Flow[None]:
        """Keep a new session."""
        ...

    def read(self, sid: str) -> Flow[Session | None]:
        """The session of that name, also when it was ended, unless it was purged."""
        ...

    def change(self, seen: Session, changed: Session) -> Flow[bool]:
        """Put the changeable fields in place, if the session is as it was seen; else False."""
        ...

    def end(self, sid: str, *, at: int, reason: str, until: int) -> Flow[bool]:
        """End a session and cut off its access tokens for ever (`cut_off_key`), in one step.

        Args:
            sid: the session.
            at: now.
            reason: why, a short code.
            until: when nobody can ask for the cut-off any more.

        Returns:
            Whether it was this call that ended it; the cut-off is made in any case.
        """
        ...

    def sessions_of(self, subject: str) -> Flow[list[Session]]:
        """All kept sessions of a subject, the youngest first."""
        ...

    def latest_cut_off(self, keys: Sequence[str]) -> Flow[int | None]:
        """The latest cut-off of these keys, in one round trip; None when none has one."""
        ...

    def cut_off(self, key: str, *, at: int, until: int) -> Flow[None]:
        """Cut off all that was born until `at`. A later cut-off is never made earlier.

        Args:
            key: what it is for.
            at: the time of the cut-off.
            until: when nobody can ask for it any more.
        """
        ...

    def tally(self, key: str, *, now: int, until: int, by: int = 1) -> Flow[int]:
        """Count one more of something; 1 says that it is the first.

        Args:
            key: what is counted.
            now: the present.
            until: when the count begins anew; taken from the first that is counted.
            by: how many are counted; -1 takes back one that was counted.
        """
        ...

    def forget(self, key: str) -> Flow[None]:
        """Begin a count anew."""
        ...

    def purge(self, *, now: int, limit: int) -> Flow[int]:
        """Remove at most `limit` of each kind of what has expired; how many were removed."""
        ...

    def close(self) -> None:
        """Close what was opened by blocking use."""
        ...

    async def aclose(self) -> None:
        """Close what was opened on the running event loop, and all else."""
        ...


def cut_off_key(sid: str) -> str:
    """The key of the cut-off of one of our own sessions; stores keep it beside the session."""
    return f"s.{sid}"


class UnusableStore(Exception):
    """A URL that no store can be opened by. The text says why, without the URL and its password.

    Attributes:
        remedy: what would help, where that is more than another URL.
    """

    def __init__(self, why: str, remedy: str | None = None) -> None:
        self.remedy = remedy
        super().__init__(why)


_logger = logging.getLogger("jwt_guard.stores")


def unavailable(error: BaseException) -> Refusal:
    """The refusal for a driver's error; what the driver said goes to the log alone."""
    cause = getattr(error, "orig", None) or error
    said = (str(cause).strip().splitlines() or [""])[0]
    _logger.warning("store unavailable: %s: %s", type(cause).__name__, said)
    return Refusal(Reason.STORE_UNAVAILABLE, retry_after=_RETRY_AFTER)

"""Who is cut off: a token, a session, a subject, a tenant, everybody.

A cut-off is a moment: what was born until then is refused, and the latest of all that apply
counts. Tokens and sessions are cut off for ever. What counts as a token's birth is, for our own
sessions, the birth of the session, which its identifier tells: so a token that a refresh makes in
the very moment of a revocation is refused with the rest.

Keys are digests of fixed length, of names and never of a token's text: a token written in another
way is still the same token.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from jwt_guard.audit.observer import EventName, Observer, Occurrence, tell
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.principal import Principal
from jwt_guard.sessions.refresh_token import birth_of
from jwt_guard.stores.protocol import FOREVER, Store, cut_off_key

__all__ = ["Keeping", "Revocations", "milliseconds"]

_SKEW = 1000
"""How far the clocks of processes may differ, in milliseconds, and the grain of `iat`."""

_AHEAD = 86_400_000
"""No clocks differ by so many milliseconds: a session born so long after its token is none."""

_logger = logging.getLogger("jwt_guard")


def milliseconds(seconds: float) -> int:
    """Seconds as stores count them; a time that they cannot count is the last that they can."""
    return int(min(seconds * 1000, FOREVER))


def _key(kind: str, *names: str) -> str:
    raw = "\0".join((kind, *names)).encode("utf-8", "surrogatepass")
    return blake2b(raw, digest_size=16).hexdigest()


_EVERYTHING = _key("everything")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How long cut-offs are kept, in seconds: as long as what they refuse could live.

    Attributes:
        tokens: the longest life of an access token of ours.
        sessions: the longest life of a session of ours, or of a foreign token.
    """

    tokens: float
    sessions: float


class Revocations:
    """Revokes, and looks up what was revoked. Where an issuer is not named, ours is meant.

    Args:
        store: where cut-offs are kept.
        issuer: our own `iss`, if we issue.
        keeping: how long cut-offs are kept.
        clock: seconds since 1970 UTC.
        observers: who is told.
        fail_open: whether callers are let in while the store does not answer.
    """

    def __init__(
        self,
        store: Store,
        *,
        issuer: str | None,
        keeping: Keeping,
        clock: Callable[[], float],
        observers: Iterable[Observer] = (),
        fail_open: bool = False,
    ) -> None:
        self.store = store
        self.issuer = issuer
        self.fail_open = fail_open
        self._keeping = keeping
        self._clock = clock
        self.observers = observers
        self._last = 0

    def check(self, principal: Principal) -> Flow[None]:
        """Whether a verified caller was revoked since; one round trip.

        Raises:
            Refusal: `token_revoked`, or `store_unavailable` unless it fails open.
        """
        if self.store.has_no_cut_offs:
            return
        try:
            birth = self._own_birth(principal)
            latest = yield from self.store.latest_cut_off(_keys_of(principal, birth))
        except Refusal:
            if not self.fail_open:
                raise
            _logger.warning("revocation was not looked up: the store does not answer")
            return
        if latest is not None and _born(principal, birth) <= latest:
            raise Refusal(Reason.TOKEN_REVOKED)

    def _own_birth(self, principal: Principal) -> int | None:
        """The birth of the session, if it is one of ours."""
        if principal.issuer != self.issuer or principal.session_id is None:
            return None
        return birth_of(principal.session_id)

    def birth(self, subject: str, tenant: str | None) -> Flow[int]:
        """The birth of a new session of ours: now, but after every cut-off that would apply.

        Raises:
            Refusal: `store_unavailable`.
        """
        latest = yield from self.latest(subject, tenant)
        self._last = max(self._last, self._now(), latest + 1)
        return max(self._now(), latest + 1)

    def latest(self, subject: str, tenant: str | None) -> Flow[int]:
        """The latest cut-off that a session of ours is subject to, 0 if there is none.

        Raises:
            Refusal: `store_unavailable`.
        """
        if self.store.has_no_cut_offs:
            return 0
        keys = [_EVERYTHING, _key("subject", self._issuer(None), subject)]
        keys += [_key("tenant", tenant)] if tenant is not None else []
        found = yield from self.store.latest_cut_off(keys)
        return found or 0

    def revoke_token(
        self, token_id: str, *, expires_at: float | None = None, issuer: str | None = None
    ) -> Flow[None]:
        """Revoke one token by its `jti`.

        Args:
            token_id: `jti`.
            expires_at: its `exp`: the revocation is kept until then; when it is not known, as
                long as any token could live.
            issuer: its `iss`.

        Raises:
            Refusal: `store_unavailable`.
        """
        kept = self._keeping
        until = self._clock() + kept.sessions if expires_at is None else expires_at + kept.tokens
        key = _key("token", self._issuer(issuer), token_id)
        yield from self._cut(key, FOREVER, milliseconds(until))
        yield from self._told("token", issuer=issuer, token_id=token_id)

    def revoke_session(
        self, sid: str, *, issuer: str | None = None, reason: str = "revoked"
    ) -> Flow[bool]:
        """End a session for ever, and its access tokens with it.

        Args:
            sid: `sid`.
            issuer: its `iss`; a session that is none of ours is only cut off here.
            reason: why, a short code that the session keeps.

        Returns:
            Whether this ended a session that we knew and that had not ended.

        Raises:
            Refusal: `store_unavailable`.
        """
        ours = self._issuer(issuer) == self.issuer and birth_of(sid) is not None
        session = (yield from self.store.read(sid)) if ours else None
        ended = yield from self.end(sid, issuer=issuer, reason=reason)
        yield from self._told(
            "session",
            issuer=issuer,
            subject=session.subject if session else None,
            tenant=session.tenant if session else None,
            session_id=sid,
        )
        return ended

    def end(self, sid: str, *, issuer: str | None = None, reason: str) -> Flow[bool]:
        """As `revoke_session`, without telling anybody."""
        name, now = self._issuer(issuer), self._now()
        if name != self.issuer or birth_of(sid) is None:
            until = now + milliseconds(self._keeping.sessions)
            yield from self._cut(_key("session", name, sid), FOREVER, until)
            return False
        until = now + milliseconds(self._keeping.tokens)
        ended = yield from self.store.end(sid, at=now, reason=reason, until=until)
        return ended

    def revoke_subject(self, subject: str, *, issuer: str | None = None) -> Flow[None]:
        """Cut off all sessions and tokens that a subject has now.

        Raises:
            Refusal: `store_unavailable`.
        """
        yield from self._cut_now(_key("subject", self._issuer(issuer), subject))
        yield from self._told("subject", issuer=issuer, subject=subject)

    def revoke_tenant(self, tenant: str) -> Flow[None]:
        """Cut off all sessions and tokens of a tenant, whoever issued them.

        Raises:
            Refusal: `store_unavailable`.
        """
        yield from self._cut_now(_key("tenant", tenant))
        yield from self._told("tenant", tenant=tenant)

    def revoke_everything(self) -> Flow[None]:
        """Cut off every session and token there is, whoever issued them.

        Raises:
            Refusal: `store_unavailable`.
        """
        yield from self._cut_now(_EVERYTHING)
        yield from self._told("everything")

    def _cut_now(self, key: str) -> Flow[None]:
        """Cut off what was born until now by any clock, and all that this process saw born."""
        now = self._now()
        at = max(now + _SKEW, self._last)
        yield from self._cut(key, at, now + milliseconds(self._keeping.sessions))

    def _cut(self, key: str, at: int, until: int) -> Flow[None]:
        yield from self.store.cut_off(key, at=at, until=until)

    def _told(
        self,
        scope: str,
        *,
        issuer: str | None = None,
        subject: str | None = None,
        tenant: str | None = None,
        session_id: str | None = None,
        token_id: str | None = None,
    ) -> Flow[None]:
        yield from tell(
            self.observers,
            Occurrence(
                name=EventName.REVOKED,
                issuer=issuer or self.issuer,
                subject=subject,
                tenant=tenant,
                session_id=session_id,
                token_id=token_id,
                detail={"scope": scope},
            ),
        )

    def _issuer(self, issuer: str | None) -> str:
        name = issuer or self.issuer
        if name is None:
            raise ValueError("name the issuer: this guard issues no tokens of its own")
        return name

    def _now(self) -> int:
        return milliseconds(self._clock())

    def __repr__(self) -> str:
        return f"Revocations({self.store!r})"


def _born(principal: Principal, own_birth: int | None) -> int:
    """The birth of the session, unless an application's own `sid` only looks like one of ours."""
    issued = _issued(principal)
    return issued if own_birth is None or own_birth > issued + _AHEAD else own_birth


def _issued(principal: Principal) -> int:
    """The `iat`; without one, or before 1970, a token is as old as can be."""
    return milliseconds(max(0, principal.issued_at or 0))


def _keys_of(principal: Principal, own_birth: int | None) -> list[str]:
    issuer, sid = principal.issuer, principal.session_id
    keys = [_EVERYTHING, _key("subject", issuer, principal.subject)]
    if principal.token_id is not None:
        keys.append(_key("token", issuer, principal.token_id))
    if sid is not None:
        keys.append(_key("session", issuer, sid) if own_birth is None else cut_off_key(sid))
    if principal.tenant is not None:
        keys.append(_key("tenant", principal.tenant))
    return keys

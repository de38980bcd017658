"""First-party sessions: begun at login, refreshed, listed, ended."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from jwt_guard.audit.observer import EventName, Observer, Occurrence, tell
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.http import RequestView
from jwt_guard.sessions.grants import Client, Grant, SessionInfo
from jwt_guard.sessions.hooks import AskApplication, StillValid, User
from jwt_guard.sessions.lineage import advanced
from jwt_guard.sessions.refresh_token import RefreshKeys, RefreshToken, new_salt, new_sid
from jwt_guard.sessions.revocation import Revocations, milliseconds
from jwt_guard.stores.protocol import Session, Store
from jwt_guard.tokens.issuer import Authentication, TokenIssuer

__all__ = ["Sessions"]

_ATTEMPTS = 100
"""Each attempt that fails is one by which another request got on; more than these never race."""


_LONGEST = 256
"""How much is kept of a device's, an agent's or a place's name."""


@dataclass(frozen=True, slots=True)
class _Refresh:
    """One refresh in progress."""

    token: RefreshToken
    client: Client
    scopes: frozenset[str] | None
    view: RequestView | None


class Sessions:
    """The sessions of users who log in here. Every method is a flow: see `jwt_guard.flow`.

    Args:
        store: where they are kept.
        issuer: issues their access tokens.
        keys: derive their refresh tokens.
        revocations: cuts them off.
        window: for how many seconds a refresh token that is presented again gets the same answer.
        clock: seconds since 1970 UTC.
        observers: who is told.

    Attributes:
        still_valid: asked at each refresh, if set; see `StillValid`.
    """

    def __init__(
        self,
        store: Store,
        *,
        issuer: TokenIssuer,
        keys: RefreshKeys,
        revocations: Revocations,
        window: float,
        clock: Callable[[], float],
        observers: Iterable[Observer] = (),
    ) -> None:
        self.store = store
        self.revocations = revocations
        self.still_valid: StillValid | None = None
        self._issuer = issuer
        self._keys = keys
        self._window = milliseconds(window)
        self._clock = clock
        self._observers = observers

    # Begun and refreshed

    def start(
        self,
        subject: str,
        *,
        client: Client,
        user: User | None = None,
        authentication: Authentication | None = None,
        view: RequestView | None = None,
    ) -> Flow[Grant]:
        """Begin a session for a user who has just authenticated.

        Args:
            subject: who logged in.
            client: with what.
            user: their roles, scopes, tenant and further claims.
            authentication: how they authenticated; just now, when not given.
            view: the request, for the audit log.

        Raises:
            Refusal: `store_unavailable`.
        """
        user = user or User()
        birth = yield from self.revocations.birth(subject, user.tenant)
        how = authentication or Authentication(time=self._clock())
        session = self._new_session(subject, client, user, how, birth)
        yield from self.store.create(session)
        yield from self._tell(EventName.ISSUED, session, view)
        token = self._keys.token(session, session.generation, session.branch)
        return self._grant(session, token, session.scopes)

    def _new_session(
        self, subject: str, client: Client, user: User, how: Authentication, birth: int
    ) -> Session:
        roles = tuple(user.roles or ())
        lifetimes = self._issuer.lifetimes.of(client.client_id, roles, user.tenant)
        expires_at = birth + milliseconds(lifetimes.absolute)
        return Session(
            sid=new_sid(birth),
            subject=subject,
            client_id=client.client_id,
            tenant=user.tenant,
            roles=roles,
            scopes=tuple(user.scopes or ()),
            auth_time=int(how.time),
            acr=how.acr,
            amr=tuple(how.amr),
            claims=dict(user.claims or {}),
            device=_plain(client.device),
            thumbprint=client.thumbprint,
            salt=new_salt(),
            created_at=birth,
            expires_at=expires_at,
            used_at=birth,
            idle_expires_at=min(birth + milliseconds(lifetimes.idle), expires_at),
            agent=_plain(client.agent),
            place=_plain(client.place),
        )

    def refresh(
        self,
        token: object,
        *,
        client: Client,
        scopes: Iterable[str] | None = None,
        view: RequestView | None = None,
    ) -> Flow[Grant]:
        """New tokens for a refresh token (RFC 6749 section 6).

        Args:
            token: as it was presented.
            client: who presents it.
            scopes: fewer scopes for the new access token, if that is wanted.
            view: the request, for the audit log.

        Raises:
            Refusal: `grant_invalid`, for a token that is none of ours, not this client's, or of a
                session that has ended; `grant_reused` for a theft, which ends the session; both
                are `invalid_grant` to the caller. `grant_exceeded` for more scopes than were
                granted. `store_unavailable`.
        """
        parsed = RefreshToken.parse(token)
        if parsed is None:
            raise (yield from self._refused("malformed", None, view))
        wanted = None if scopes is None else frozenset(scopes)
        grant = yield from self._refreshed(_Refresh(parsed, client, wanted, view))
        return grant

    def _refreshed(self, asked: _Refresh) -> Flow[Grant]:
        token, user = asked.token, None
        for _ in range(_ATTEMPTS):
            session = yield from self._genuine(token, asked.view)
            yield from self._check(session, asked)
            now = milliseconds(self._clock())
            moved = advanced(session, token.generation, token.branch, now=now, window=self._window)
            if moved is None:
                raise (yield from self._stolen(session, asked.view))
            user = user or (yield from self._welcome(session, asked.view))
            if moved is session or (yield from self._keep(session, moved, asked.client, now)):
                return (yield from self._answer(moved, user, asked))
        raise Refusal(Reason.STORE_UNAVAILABLE, retry_after=1)

    def _genuine(self, token: RefreshToken, view: RequestView | None) -> Flow[Session]:
        session = yield from self.store.read(token.sid)
        if session is None:
            raise (yield from self._refused("unknown", None, view))
        if not self._keys.made(token, session):
            raise (yield from self._refused("forged", None, view))
        return session

    def _check(self, session: Session, asked: _Refresh) -> Flow[None]:
        """Whether the session lives, and belongs to who asks for no more than was granted."""
        client = asked.client
        if session.ended_at is not None:
            raise (yield from self._refused("ended", session, asked.view))
        if milliseconds(self._clock()) >= session.idle_expires_at:
            raise (yield from self._refused("expired", session, asked.view))
        if session.client_id != client.client_id:
            raise (yield from self._refused("client", session, asked.view, alert=True))
        if session.device is not None and session.device != _plain(client.device):
            raise (yield from self._refused("device", session, asked.view, alert=True))
        if session.thumbprint is not None and session.thumbprint != client.thumbprint:
            raise (yield from self._refused("key", session, asked.view, alert=True))
        if asked.scopes is not None and not asked.scopes.issubset(session.scopes):
            exceeded = Reason.GRANT_EXCEEDED
            raise (yield from self._refused("scope", session, asked.view, reason=exceeded))
        latest = yield from self.revocations.latest(session.subject, session.tenant)
        if session.created_at <= latest:
            raise (yield from self._refused("revoked", session, asked.view))

    def _stolen(self, session: Session, view: RequestView | None) -> Flow[Refusal]:
        """Two hold tokens of one session, and nobody can tell whose they are: both lose it."""
        yield from self.revocations.end(session.sid, reason="reuse")
        yield from self._tell(EventName.REUSE_DETECTED, session, view, reason=Reason.GRANT_REUSED)
        return Refusal(Reason.GRANT_REUSED)

    def _welcome(self, session: Session, view: RequestView | None) -> Flow[User]:
        """What is known of the user now; a user who is not welcome any more loses the session."""
        if self.still_valid is None:
            return User()
        answer = yield from AskApplication(self.still_valid, session)
        if isinstance(answer, User) and answer.tenant in {None, session.tenant}:
            return answer
        if answer is True:
            return User()
        yield from self.revocations.end(session.sid, reason="unwelcome")
        raise (yield from self._refused("unwelcome", session, view))

    def _keep(self, seen: Session, moved: Session, client: Client, now: int) -> Flow[bool]:
        idle = self._issuer.lifetimes.of(seen.client_id, seen.roles, seen.tenant).idle
        changed = replace(
            moved,
            used_at=now,
            idle_expires_at=min(now + milliseconds(idle), moved.expires_at),
            agent=_plain(client.agent) or moved.agent,
            place=_plain(client.place) or moved.place,
            version=seen.version + 1,
        )
        kept = yield from self.store.change(seen, changed)
        return kept

    def _answer(self, session: Session, user: User, asked: _Refresh) -> Flow[Grant]:
        yield from self._tell(EventName.REFRESHED, session, asked.view)
        token = self._keys.token(session, session.generation + 1, session.presented_at or 0)
        allowed = set(session.scopes if user.scopes is None else user.scopes)
        allowed &= asked.scopes if asked.scopes is not None else allowed
        scopes = [scope for scope in session.scopes if scope in allowed]
        now = replace(
            session,
            roles=session.roles if user.roles is None else tuple(user.roles),
            claims=session.claims if user.claims is None else user.claims,
        )
        return self._grant(now, token, scopes)

    def _grant(self, session: Session, refresh_token: str, scopes: Sequence[str]) -> Grant:
        lifetimes = self._issuer.lifetimes.of(session.client_id, session.roles, session.tenant)
        left = session.expires_at / 1000 - self._clock()
        lifetime = max(1, int(min(lifetimes.access, left)))
        bound = session.thumbprint is not None
        return Grant(
            access_token=self._access_token(session, scopes, lifetime),
            refresh_token=refresh_token,
            expires_in=lifetime,
            token_type="DPoP" if bound else "Bearer",
            scope=" ".join(scopes),
            session_id=session.sid,
            session_expires_in=int(min(lifetimes.idle, left)),
        )

    def _access_token(self, session: Session, scopes: Sequence[str], lifetime: int) -> str:
        how = Authentication(time=session.auth_time, acr=session.acr, amr=session.amr)
        bound = {} if session.thumbprint is None else {"cnf": {"jkt": session.thumbprint}}
        return self._issuer.issue(
            session.subject,
            client_id=session.client_id,
            roles=session.roles,
            scopes=scopes,
            tenant=session.tenant,
            claims={**session.claims, **how.claims(), **bound, "sid": session.sid},
            lifetime=lifetime,
        )

    # Shown and ended

    def owner_of(self, token: object, *, client: Client) -> Flow[Session]:
        """The session of a refresh token, which is not used by that: to end it by.

        Raises:
            Refusal: `grant_invalid`, for a token that is none of ours or not this client's;
                `store_unavailable`.
        """
        parsed = RefreshToken.parse(token)
        if parsed is None:
            raise (yield from self._refused("malformed", None, None))
        session = yield from self._genuine(parsed, None)
        if session.client_id != client.client_id:
            raise (yield from self._refused("client", session, None, alert=True))
        return session

    def list(self, subject: str) -> Flow[list[SessionInfo]]:
        """The living sessions of a subject, the youngest first.

        Raises:
            Refusal: `store_unavailable`.
        """
        living = yield from self._living(subject)
        return [SessionInfo.of(session) for session in living]

    def _living(self, subject: str) -> Flow[Sequence[Session]]:
        kept = yield from self.store.sessions_of(subject)
        now = milliseconds(self._clock())
        living = [s for s in kept if s.ended_at is None and now < s.idle_expires_at]
        latest = {}
        for tenant in {session.tenant for session in living}:
            latest[tenant] = yield from self.revocations.latest(subject, tenant)
        return [session for session in living if session.created_at > latest[session.tenant]]

    def logout(self, session_id: str, *, view: RequestView | None = None) -> Flow[bool]:
        """End a session because its user wants it to end.

        Returns:
            Whether it had not ended before.

        Raises:
            Refusal: `store_unavailable`.
        """
        ended = yield from self.revocations.end(session_id, reason="logout")
        session = (yield from self.store.read(session_id)) if ended else None
        if session is not None:
            yield from self._tell(EventName.LOGGED_OUT, session, view)
        return ended

    def revoke_session(self, session_id: str, *, reason: str = "revoked") -> Flow[bool]:
        """End any session, as an administrator does. See `Revocations.revoke_session`."""
        ended = yield from self.revocations.revoke_session(session_id, reason=reason)
        return ended

    def revoke_subject(self, subject: str) -> Flow[int]:
        """End all sessions of a subject, now and everywhere; how many were alive.

        Raises:
            Refusal: `store_unavailable`.
        """
        living = yield from self._living(subject)
        yield from self.revocations.revoke_subject(subject)
        for session in living:
            yield from self.revocations.end(session.sid, reason="revoked")
        return len(living)

    def end_others(self, subject: str, *, keep: str) -> Flow[int]:
        """End all sessions of a subject but one, as after a change of password.

        Returns:
            How many were ended.

        Raises:
            Refusal: `store_unavailable`.
        """
        ended = 0
        for session in (yield from self._living(subject)):
            if session.sid != keep:
                ended += yield from self.revoke_session(session.sid, reason="others")
        return ended

    def revoke_tenant(self, tenant: str) -> Flow[None]:
        """End all sessions of a tenant. See `Revocations.revoke_tenant`."""
        yield from self.revocations.revoke_tenant(tenant)

    def revoke_everything(self) -> Flow[None]:
        """End all sessions there are. See `Revocations.revoke_everything`."""
        yield from self.revocations.revoke_everything()

    # Told

    def _refused(
        self,
        why: str,
        session: Session | None,
        view: RequestView | None,
        *,
        alert: bool = False,
        reason: Reason = Reason.GRANT_INVALID,
    ) -> Flow[Refusal]:
        """The refusal of a refresh token: one answer for all, the reason for the log."""
        if alert and session is not None:
            yield from self._tell(EventName.ALERT, session, view, why=why)
        yield from self._tell(EventName.REFRESH_FAILED, session, view, why=why, reason=reason)
        return Refusal(reason)

    def _tell(
        self,
        name: EventName,
        session: Session | None,
        view: RequestView | None,
        *,
        why: str | None = None,
        reason: Reason | None = None,
    ) -> Flow[None]:
        occurrence = Occurrence(
            name=name,
            issuer=self._issuer.issuer,
            subject=session.subject if session else None,
            tenant=session.tenant if session else None,
            client_id=session.client_id if session else None,
            session_id=session.sid if session else None,
            reason=reason,
            view=view,
            detail={"why": why} if why else {},
        )
        yield from tell(self._observers, occurrence)

    def __repr__(self) -> str:
        return f"Sessions({self.store!r})"


def _plain(text: str | None) -> str | None:
    """What a stranger wrote, as every store and terminal can take it."""
    if text is None:
        return None
    return "".join(character for character in text if character.isprintable())[:_LONGEST]

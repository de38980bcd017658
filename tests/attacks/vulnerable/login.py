"""The sound API with sessions: login, rotating refresh tokens, logout, logout everywhere."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from tests.attacks.vulnerable.base import Claims, Refused, SoundServer
from tests.attacks.vulnerable.web import Call, Reply, reply


@dataclass(slots=True, kw_only=True)
class Session:
    """One session: the token in force, its predecessor, and whether it is over.

    The predecessor gives the same successor again until that one is used.
    """

    sid: str
    sub: str
    current: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    previous: str | None = None
    older: set[str] = field(default_factory=set)
    over: bool = False


class LoginServer(SoundServer):
    """Sessions in memory; every access token names its session."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, Session] = {}
        self.disabled: set[str] = set()

    def route(self, call: Call) -> Reply:
        """The routes of sessions, then the others."""
        match call.method, call.path:
            case ("POST", "/auth/login"):
                return self.log_in(call)
            case ("POST", "/auth/refresh"):
                return self.refresh(call)
            case ("POST", "/auth/logout"):
                return self.log_out(self.authenticate(call))
            case ("POST", "/auth/logout-everywhere"):
                return self.log_out_everywhere(self.authenticate(call))
            case ("POST", "/account/disable"):
                return self.disable(self.authenticate(call))
            case _:
                return super().route(call)

    def open_session(self, sub: str) -> Session:
        """A new session."""
        session = Session(sid=secrets.token_hex(8), sub=sub)
        self.sessions[session.sid] = session
        return session

    def log_in(self, call: Call) -> Reply:
        """A session for who knows the password."""
        document = call.json()
        if document.get("password") != "ada-demo":
            raise Refused(401, "invalid_grant")
        return self.tokens(self.open_session(str(document.get("username"))))

    def tokens(self, session: Session) -> Reply:
        """What a login or refresh answers."""
        access = self.issue(session.sub, sid=session.sid)
        return reply(200, {"access_token": access, "refresh_token": session.current})

    def refresh(self, call: Call) -> Reply:
        """Trade a refresh token; reuse of an old one ends the session."""
        token = str(call.json().get("refresh_token"))
        session = self.session_of(token)
        if session is None or session.over or session.sub in self.disabled:
            raise Refused(400, "invalid_grant")
        if token == session.current:
            self.rotate(session)
        elif token != session.previous:
            self.reused(session)
        return self.tokens(session)

    def session_of(self, token: str) -> Session | None:
        """The session that a refresh token belongs to, or did."""
        for session in self.sessions.values():
            if token in {session.current, session.previous} | session.older:
                return session
        return None

    def rotate(self, session: Session) -> None:
        """The next token of the session."""
        if session.previous is not None:
            session.older.add(session.previous)
        session.previous, session.current = session.current, secrets.token_urlsafe(24)

    def reused(self, session: Session) -> None:
        """Theft: the session is over."""
        session.over = True
        raise Refused(400, "invalid_grant")

    def log_out(self, claims: Claims) -> Reply:
        """End this session."""
        self.sessions[claims["sid"]].over = True
        return reply(200, {})

    def log_out_everywhere(self, claims: Claims) -> Reply:
        """End all of the user's sessions."""
        for session in self.sessions.values():
            session.over = session.over or session.sub == claims["sub"]
        return reply(200, {})

    def disable(self, claims: Claims) -> Reply:
        """Disable the account."""
        self.disabled.add(claims["sub"])
        return reply(200, {})

    def check_session(self, claims: Claims, text: str) -> None:
        """The session lives, and so does the account."""
        sid = claims.get("sid")
        if sid is None:
            return
        session = self.sessions.get(sid) if isinstance(sid, str) else None
        if session is None or session.over or session.sub in self.disabled:
            raise Refused

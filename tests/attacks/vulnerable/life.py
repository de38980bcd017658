"""Holes in the life cycle (group G)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

from tests.attacks.vulnerable.base import Claims, Refused, SoundServer
from tests.attacks.vulnerable.declared import found_by
from tests.attacks.vulnerable.login import LoginServer, Session
from tests.attacks.vulnerable.web import Call, Message, Reply, call_of, reply


@found_by("G1", "G7", "G9", "G12", "G13")
class LogoutForgets(LoginServer):
    """Logs out by telling the client to forget its tokens."""

    def log_out(self, claims: Claims) -> Reply:
        """Nothing is kept."""
        return reply(200, {})


@found_by("G2")
class OnlyThisOne(LoginServer):
    """Ends one session when asked to end all."""

    def log_out_everywhere(self, claims: Claims) -> Reply:
        """Only this one."""
        return self.log_out(claims)


@found_by("G3")
class DisabledStays(LoginServer):
    """Disables for the next login only."""

    def disable(self, claims: Claims) -> Reply:
        """Nothing that is open is closed."""
        return reply(200, {})


@found_by("G4", "G5", "G6")
class ReuseAccepted(LoginServer):
    """Every refresh token makes another session's worth of tokens."""

    def refresh(self, call: Call) -> Reply:
        """Old tokens work for ever, each use with a successor of its own."""
        token = str(call.json().get("refresh_token"))
        session = self.session_of(token)
        if session is None or session.over or session.sub in self.disabled:
            raise Refused(400, "invalid_grant")
        session.older.add(session.current)
        session.current = secrets.token_urlsafe(24)
        return self.tokens(session)


@found_by("G4")
class NoRotation(LoginServer):
    """Gives the same refresh token again and again."""

    def rotate(self, session: Session) -> None:
        """Nothing changes."""


@found_by("G5")
class RaceLogsOut(LoginServer):
    """Takes the loser of a race for a thief."""

    def refresh(self, call: Call) -> Reply:
        """No second chance for the predecessor."""
        token = str(call.json().get("refresh_token"))
        session = self.session_of(token)
        if session is not None and token == session.previous:
            self.reused(session)
        return super().refresh(call)


@found_by("G6")
class ReuseUnnoticed(LoginServer):
    """Refuses an old token, and draws no conclusion."""

    def reused(self, session: Session) -> None:
        """The session lives on."""
        raise Refused(400, "invalid_grant")


@found_by("G7")
class RefreshOutlives(LoginServer):
    """A refresh right before the logout leaves a session of its own."""

    def refresh(self, call: Call) -> Reply:
        """A new session each time."""
        token = str(call.json().get("refresh_token"))
        session = self.session_of(token)
        if session is None or session.over or session.sub in self.disabled:
            raise Refused(400, "invalid_grant")
        if token != session.current:
            return super().refresh(call)
        self.rotate(session)
        heir = self.open_session(session.sub)
        access = self.issue(heir.sub, sid=heir.sid)
        return reply(200, {"access_token": access, "refresh_token": session.current})

    def reused(self, session: Session) -> None:
        """Theft ends the heirs too."""
        for other in self.sessions.values():
            other.over = True
        super().reused(session)


@found_by("G8")
class AccessRefreshes(LoginServer):
    """Takes an access token at the refresh endpoint."""

    def refresh(self, call: Call) -> Reply:
        """Any token of a session that lives."""
        token = str(call.json().get("refresh_token"))
        if token.count(".") == 2:
            claims = self.verified(token)
            self.check_claims(claims)
            self.check_session(claims, token)
            return self.tokens(self.sessions[claims["sid"]])
        return super().refresh(call)


@found_by("G1", "G2", "G3", "G6", "G7", "G9", "G12", "G13")
class VerdictCached(LoginServer):
    """Remembers for a while that a token was good."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, Claims] = {}

    def authenticate(self, call: Call) -> Claims:
        """Hit or miss."""
        text = self.token_of(call)
        if text not in self.cache:
            self.cache[text] = super().authenticate(call)
        self.check_claims(self.cache[text])
        return self.cache[text]


@found_by("G10")
class CachedPastExpiry(SoundServer):
    """Remembers claims, and that they were fresh."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, Claims] = {}

    def authenticate(self, call: Call) -> Claims:
        """Hit or miss."""
        text = self.token_of(call)
        if text not in self.cache:
            self.cache[text] = super().authenticate(call)
        return self.cache[text]


@found_by(*["A2", "A7", "A8", "B7", "B8", "B10", "E8", "E10", "E11", "F11", "G11", "J3", "J13"])
class CachedBySignature(SoundServer):
    """Keys its cache by the signature, which is short and looks unique."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, Claims] = {}

    def verified(self, text: str) -> Claims:
        """Hit or miss."""
        tail = self.split(text)[2]
        if tail not in self.cache:
            self.cache[tail] = super().verified(text)
        return self.cache[tail]


@found_by("A14", "G7", "G12")
class RevokedByText(LoginServer):
    """Keeps revoked tokens as text, and reads tokens in several spellings."""

    def __init__(self) -> None:
        super().__init__()
        self.revoked: set[str] = set()

    def route(self, call: Call) -> Reply:
        """Logging out writes the text down."""
        if call.path == "/auth/logout":
            claims = self.authenticate(call)
            self.revoked.add(self.token_of(call))
            self.sessions[claims["sid"]].current = ""
            return reply(200, {})
        return super().route(call)

    def split(self, text: str) -> tuple[str, str, str]:
        """Padding does not matter."""
        return super().split(text.rstrip("="))

    def check_session(self, claims: Claims, text: str) -> None:
        """Looked up as it was sent."""
        if text in self.revoked:
            raise Refused
        super().check_session(claims, text)


@found_by("G13")
class NewLoginPardons(LoginServer):
    """Logging in again lifts the cut-off for all sessions."""

    def log_in(self, call: Call) -> Reply:
        """Everything is forgotten."""
        answer = super().log_in(call)
        for session in self.sessions.values():
            session.over = False
        return answer


class Streaming(LoginServer):
    """Keeps a stream and a WebSocket open for as long as the token is good."""

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """HTTP, and a WebSocket at /ws."""
        if scope["type"] != "websocket":
            await super().__call__(scope, receive, send)
            return
        await receive()
        claims = self.welcome(call_of({**scope, "method": "GET"}))
        if claims is not None:
            await send({"type": "websocket.accept"})
            while self.goes_on("socket", claims):
                await send({"type": "websocket.send", "text": "x"})
                await asyncio.sleep(0.1)
        await send({"type": "websocket.close", "code": 1008})

    async def serve(self, call: Call, send: Callable[[Message], Awaitable[None]]) -> None:
        """A stream at /stream."""
        claims = self.welcome(call) if call.path == "/stream" else None
        if claims is None:
            await super().serve(call, send)
            return
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while self.goes_on("stream", claims):
            await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})
            await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": b""})

    def welcome(self, call: Call) -> Claims | None:
        """The caller's claims, or None for a stranger."""
        try:
            return self.authenticate(call)
        except Refused:
            return None

    def goes_on(self, kind: str, claims: Claims) -> bool:
        """Until the token expires or its session is over."""
        return self.fresh(kind, claims) and self.living(kind, claims)

    def fresh(self, kind: str, claims: Claims) -> bool:
        """Not yet expired."""
        return time.time() < float(claims["exp"])

    def living(self, kind: str, claims: Claims) -> bool:
        """The session goes on."""
        try:
            self.check_session(claims, "")
        except Refused:
            return False
        return True


@found_by("G14")
class EndlessStream(Streaming):
    """A stream once open outlives its token."""

    def fresh(self, kind: str, claims: Claims) -> bool:
        """For ever."""
        return kind == "stream" or super().fresh(kind, claims)


@found_by("G14")
class EndlessSocket(Streaming):
    """A WebSocket once open outlives its token."""

    def fresh(self, kind: str, claims: Claims) -> bool:
        """For ever."""
        return kind == "socket" or super().fresh(kind, claims)


@found_by("G14")
class SocketAfterLogout(Streaming):
    """A WebSocket once open outlives its session."""

    def living(self, kind: str, claims: Claims) -> bool:
        """Until the token expires."""
        return kind == "socket" or super().living(kind, claims)


@found_by("G14", signing_key=None)
class StreamAfterLogout(Streaming):
    """A stream once open outlives its session, as a login alone can tell."""

    def living(self, kind: str, claims: Claims) -> bool:
        """Until the token expires."""
        return kind == "stream" or super().living(kind, claims)


@found_by("G15", policies=frozenset({"device-bound"}))
class AnyDevice(LoginServer):
    """Promises to bind sessions to devices, and does not."""

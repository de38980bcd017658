"""The sound API with the token in a cookie, and a proof against forged requests."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace

from tests.attacks.vulnerable.base import STRONG, Claims, Refused, claims_of
from tests.attacks.vulnerable.login import LoginServer, Session
from tests.attacks.vulnerable.web import Call, Reply, reply

COOKIE = "__Host-access"
HEADER = "X-CSRF-Token"


class CookieServer(LoginServer):
    """The access token travels in a cookie; unsafe methods need a proof bound to the token."""

    attributes = "Path=/; Secure; HttpOnly; SameSite=Strict"

    def token_of(self, call: Call) -> str:
        """The token of the cookie, and none elsewhere."""
        if "access_token" in call.query or b"access_token=" in call.body:
            raise Refused(400, "invalid_request")
        text = call.cookie(COOKIE)
        if not text:
            raise Refused(401, "no_token")
        return text

    def authenticate(self, call: Call) -> Claims:
        """The claims, and on unsafe methods the proof."""
        claims = super().authenticate(call)
        if call.method not in {"GET", "HEAD", "OPTIONS"}:
            self.check_proof(call, claims)
        return claims

    def check_proof(self, call: Call, claims: Claims) -> None:
        """The proof is that of this token."""
        given = call.header(HEADER).encode()
        if not hmac.compare_digest(given, self.proof(claims).encode()):
            raise Refused(403, "invalid_request")

    def proof(self, claims: Claims) -> str:
        """The proof for a token."""
        return hmac.new(STRONG.encode(), str(claims["jti"]).encode(), "sha256").hexdigest()

    def tokens(self, session: Session) -> Reply:
        """The cookie too."""
        access = self.issue(session.sub, sid=session.sid)
        document = {"access_token": access, "refresh_token": session.current}
        return reply(200, document, Set_Cookie=f"{COOKIE}={access}; {self.attributes}")


class BrowserServer(LoginServer):
    """API clients bring tokens; a browser has an opaque cookie, and a proof in another one."""

    attributes = "Path=/; Secure; HttpOnly; SameSite=Lax"

    def __init__(self) -> None:
        super().__init__()
        self.browsers: dict[str, Session] = {}
        self.proofs: dict[str, str] = {}

    def route(self, call: Call) -> Reply:
        """The browser's login, then the others."""
        if (call.method, call.path) == ("POST", "/browser/login"):
            return self.welcome(self.open_session(str(call.json().get("username"))))
        return super().route(call)

    def welcome(self, session: Session) -> Reply:
        """Two cookies."""
        name = secrets.token_urlsafe(24)
        self.browsers[name], self.proofs[session.sid] = session, secrets.token_urlsafe(24)
        own = f"__Host-session={name}; {self.attributes}"
        proof = f"__Host-csrf={self.proofs[session.sid]}; Path=/; Secure; SameSite=Strict"
        return replace(reply(200, {}), cookies=(own, proof))

    def authenticate(self, call: Call) -> Claims:
        """The cookie's session where no token is; unsafe methods need its proof."""
        session = self.browsers.get(call.cookie("__Host-session"))
        if session is None or call.all("authorization"):
            return super().authenticate(call)
        if call.method not in {"GET", "HEAD", "OPTIONS"}:
            self.check_proof(call, session)
        return claims_of(session.sub, sid=session.sid)

    def check_proof(self, call: Call, session: Session) -> None:
        """The proof is that of this session."""
        given = call.header(HEADER).encode()
        if not hmac.compare_digest(given, self.proofs[session.sid].encode()):
            raise Refused(403, "invalid_request")

"""The sound API with the token in a cookie, and a proof against forged requests."""

from __future__ import annotations

import hmac

from tests.attacks.vulnerable.base import STRONG, Claims, Refused
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

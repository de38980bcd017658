"""Holes in the transport (group H)."""

from __future__ import annotations

import atexit
import re
import tempfile
import time
from pathlib import Path

from tests.attacks.vulnerable.base import STRONG, Claims, Refused, SoundServer
from tests.attacks.vulnerable.cookies import BrowserServer, CookieServer
from tests.attacks.vulnerable.declared import found_by
from tests.attacks.vulnerable.login import Session
from tests.attacks.vulnerable.web import Call, Reply, reply

_FOLDER = tempfile.TemporaryDirectory()
atexit.register(_FOLDER.cleanup)
LOG = Path(_FOLDER.name) / "requests.log"
LOG.touch()


@found_by("H1", "H3")
class TokenInQuery(SoundServer):
    """Takes the token from the query first."""

    def token_of(self, call: Call) -> str:
        """The query, then the header."""
        return call.parameter("access_token") or super().token_of(call)


@found_by("H1")
class TokenInForm(SoundServer):
    """Takes the token from the form first, whatever the method."""

    def token_of(self, call: Call) -> str:
        """The form, then the header."""
        form = re.search(rb"access_token=([\w.-]+)", call.body)
        return form[1].decode() if form else super().token_of(call)


@found_by("H2")
class LastHeaderCounts(SoundServer):
    """Reads the last of several headers."""

    def token_of(self, call: Call) -> str:
        """One of them."""
        values = call.all("authorization")
        kept = tuple(h for h in call.headers if h[0] != "authorization")
        last = tuple(("authorization", value) for value in values[-1:])
        return super().token_of(_with(call, (*kept, *last)))


def _with(call: Call, headers: tuple[tuple[str, str], ...]) -> Call:
    return Call(
        method=call.method,
        path=call.path,
        raw_path=call.raw_path,
        query=call.query,
        headers=headers,
        body=call.body,
    )


@found_by("H4")
class NoScheme(SoundServer):
    """Takes a token without a scheme."""

    def token_of(self, call: Call) -> str:
        """The last word."""
        values = call.all("authorization")
        if len(values) == 1 and values[0].startswith("eyJ"):
            return values[0]
        return super().token_of(call)


@found_by("H5")
class BareCookie(CookieServer):
    """Sets the cookie without any attribute."""

    attributes = "Path=/"


@found_by("H6")
class NoCsrfProof(CookieServer):
    """Believes that a cookie says it all."""

    def check_proof(self, call: Call, claims: Claims) -> None:
        """No proof."""


@found_by("H6")
class DoubleSubmit(CookieServer):
    """Compares the header with a cookie that anyone can set."""

    def check_proof(self, call: Call, claims: Claims) -> None:
        """Only that the two are alike."""
        if not call.header("x-csrf-token") or call.header("x-csrf-token") != call.cookie("csrf"):
            raise Refused(403, "invalid_request")


@found_by("H6")
class CsrfBreaks(CookieServer):
    """Fails on a proof that is not ASCII."""

    def check_proof(self, call: Call, claims: Claims) -> None:
        """The library's TypeError."""
        if not call.header("x-csrf-token").isascii():
            raise TypeError("comparing strings with non-ASCII characters is not supported")
        super().check_proof(call, claims)


@found_by("H6", other_csrf_proof=STRONG)
class AnySessionsProof(CookieServer):
    """Takes a proof that was made for somebody, whoever it was."""

    def check_proof(self, call: Call, claims: Claims) -> None:
        """The proof of this session, or of one that is known here."""
        if call.header("x-csrf-token") != STRONG:
            super().check_proof(call, claims)


@found_by("H5")
class BareSessionCookie(BrowserServer):
    """Sets an opaque cookie without any attribute."""

    attributes = "Path=/"


@found_by("H6")
class SessionCookieIsEnough(BrowserServer):
    """Asks a browser for no proof."""

    def check_proof(self, call: Call, session: Session) -> None:
        """None."""


@found_by("H6")
class ProofOfAnySession(BrowserServer):
    """Takes every session's proof from every session."""

    def check_proof(self, call: Call, session: Session) -> None:
        """One of those that were given out."""
        if call.header("x-csrf-token") not in self.proofs.values():
            raise Refused(403, "invalid_request")


@found_by("H7")
class HeadForgotten(SoundServer):
    """Guards GET and forgets HEAD."""

    def guarded(self, call: Call) -> Reply:
        """HEAD is answered."""
        if call.method == "HEAD":
            return reply(200, {"subject": "ada", "tenant": "acme"})
        return super().guarded(call)


@found_by("H7")
class MethodOverride(SoundServer):
    """Lets a header say that this is a harmless method."""

    def guarded(self, call: Call) -> Reply:
        """Preflights are free."""
        if call.header("x-http-method-override") == "OPTIONS":
            return reply(200, {"subject": "ada", "tenant": "acme"})
        return super().guarded(call)


@found_by("H8")
class PathByText(SoundServer):
    """Guards paths that start with /me, and routes after tidying."""

    def guarded(self, call: Call) -> Reply:
        """The router sees another path than the guard."""
        tidy = re.sub(r"/+", "/", call.path).rstrip("/")
        if tidy == "/me" and not call.path.startswith("/me"):
            return reply(200, {"subject": "ada", "tenant": "acme"})
        return super().guarded(call)


@found_by("H8")
class OriginalUrl(SoundServer):
    """Believes a proxy header about the path, after the guard."""

    def route(self, call: Call) -> Reply:
        """A public path on the outside."""
        if call.path == "/public" and call.header("x-original-url") == "/me":
            return reply(200, {"subject": "ada", "tenant": "acme"})
        return super().route(call)


@found_by("H9")
class Talkative(SoundServer):
    """Says what is wrong with a token."""

    def split(self, text: str) -> tuple[str, str, str]:
        """Malformed is another status."""
        try:
            return super().split(text)
        except Refused:
            raise Refused(422, "invalid_token") from None


@found_by("H9")
class ExpiredTakesLonger(SoundServer):
    """Writes an expired token down, slowly, before it says no like to any other."""

    def check_times(self, claims: Claims, now: float) -> None:
        """A wait that can be measured."""
        if isinstance(claims.get("exp"), int) and claims["exp"] <= now:
            time.sleep(0.1)
        super().check_times(claims, now)


@found_by("H10", logs=(LOG,))
class LogsTokens(SoundServer):
    """Writes every request's headers down."""

    def answer(self, call: Call) -> Reply:
        """As ever, and a line more."""
        with LOG.open("a") as log:
            log.write(f"{call.method} {call.header('authorization')}\n")
        return super().answer(call)


@found_by("H10")
class EchoesToken(SoundServer):
    """Gives the token back."""

    def me(self, call: Call, claims: Claims) -> Reply:
        """In the body."""
        return reply(200, {"subject": claims["sub"], "token": call.header("authorization")})


@found_by("H10")
class Cacheable(SoundServer):
    """Says nothing about caches."""

    def me(self, call: Call, claims: Claims) -> Reply:
        """Without Cache-Control."""
        answer = super().me(call, claims)
        headers = {"Content-Type": "application/json"}
        return Reply(status=answer.status, body=answer.body, headers=headers)

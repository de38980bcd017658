"""Holes in format and claims (groups E and F)."""

from __future__ import annotations

import json
import zlib

from jwt_guard.attacks.forge import unb64
from tests.attacks.vulnerable.base import (
    AUDIENCE,
    ISSUER,
    Claims,
    Refused,
    SoundServer,
    verifies,
)
from tests.attacks.vulnerable.declared import found_by
from tests.attacks.vulnerable.web import Call, Reply, reply


@found_by("E1", "E2")
class CritIgnored(SoundServer):
    """Ignores what the issuer marked as critical."""

    def check_header(self, header: Claims) -> None:
        """Without crit."""
        super().check_header({k: v for k, v in header.items() if k != "crit"})


@found_by("E2", "E10")
class CritBreaks(SoundServer):
    """Goes through crit without looking what it is."""

    def check_header(self, header: Claims) -> None:
        """Fails on numbers."""
        if "crit" in header and [name for name in header["crit"] if name]:
            raise Refused
        super().check_header({k: v for k, v in header.items() if k != "crit"})


@found_by("E3")
class UnencodedPayload(SoundServer):
    """Implements RFC 7797 for tokens."""

    def check_header(self, header: Claims) -> None:
        """Knows b64."""
        known = header.get("crit") == ["b64"] and header.get("b64") is False
        super().check_header({k: v for k, v in header.items() if not known or k not in "crit b64"})

    def verified(self, text: str) -> Claims:
        """The signature covers the payload's bytes."""
        head, body, tail = self.split(text)
        header = self.load(self.decode(head))
        if header.get("b64") is not False or header.get("crit") != ["b64"]:
            return super().verified(text)
        key = self.key_for(header)
        if not verifies(key, f"{head}.".encode() + self.decode(body), self.decode(tail)):
            raise Refused
        return self.load(self.decode(body))


@found_by("E4", "J5")
class Inflating(SoundServer):
    """Decompresses payloads, before the signature, without a bound."""

    def check_header(self, header: Claims) -> None:
        """Knows zip."""
        super().check_header({k: v for k, v in header.items() if k != "zip"})

    def verified(self, text: str) -> Claims:
        """Inflates first."""
        if text.count(".") != 2:
            raise Refused
        head, body, tail = text.split(".")
        header = self.load(self.decode(head))
        if header.get("zip") != "DEF":
            return super().verified(text)
        content = zlib.decompress(self.decode(body), -15)
        self.check_header(header)
        key = self.key_for(header)
        if not self.genuine(header, key, f"{head}.{body}".encode(), self.decode(tail)):
            raise Refused
        return self.load(content)


@found_by("E5")
class AnyKind(SoundServer):
    """Never looks at typ."""

    def check_header(self, header: Claims) -> None:
        """Any typ."""
        super().check_header({**header, "typ": self.typ})


@found_by("E6")
class JsonForm(SoundServer):
    """Takes flattened JSON."""

    def token_of(self, call: Call) -> str:
        """JSON turned into the compact form."""
        value = call.header("authorization").removeprefix("Bearer ")
        if not value.startswith("{"):
            return super().token_of(call)
        form = self.load(value.encode())
        return ".".join(str(form.get(name)) for name in ("protected", "payload", "signature"))


@found_by("E7")
class AllOfNone(SoundServer):
    """Checks all signatures of a general JSON token, even when there is none."""

    def token_of(self, call: Call) -> str:
        """Everything after the scheme."""
        value = call.header("authorization").removeprefix("Bearer ")
        return value if value.startswith("{") else super().token_of(call)

    def verified(self, text: str) -> Claims:
        """All of an empty list are good."""
        if not text.startswith("{"):
            return super().verified(text)
        form = self.load(text.encode())
        signatures = form.get("signatures")
        if not isinstance(signatures, list) or signatures:
            raise Refused
        return self.load(self.decode(str(form.get("payload"))))


@found_by("E8")
class Polyglot(SoundServer):
    """Verifies the JSON, and reads the claims from the text split at dots."""

    def token_of(self, call: Call) -> str:
        """Everything after the scheme."""
        value = call.header("authorization").removeprefix("Bearer ")
        return value if value.startswith("{") else super().token_of(call)

    def verified(self, text: str) -> Claims:
        """Two readers of one text."""
        if not text.startswith("{"):
            return super().verified(text)
        form = self.load(text.encode())
        parts = (str(form.get(name)) for name in ("protected", "payload", "signature"))
        super().verified(".".join(parts))
        if text.count(".") < 2:
            raise Refused
        return self.load(unb64(text.split(".")[1]))


@found_by("E9")
class LastOneCounts(SoundServer):
    """Parses JSON as the standard library does."""

    def load(self, data: bytes) -> Claims:
        """The last of several members."""
        return super().load(_once_only(data) or data)


def _once_only(data: bytes) -> bytes | None:
    try:
        text = data.decode()
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or text.count('"exp"') + text.count('"sub"') < 2:
        return None
    return json.dumps(value).encode()


@found_by("E10")
class ScopeBreaks(SoundServer):
    """Splits scope without looking what it is, too early."""

    def verified(self, text: str) -> Claims:
        """Fails on numbers."""
        claims = self.load(self.decode(self.split(text)[1]))
        claims.get("scope", "").split()
        return super().verified(text)


@found_by("E11")
class AnyUnicode(SoundServer):
    """Lets the JSON parser guess the encoding."""

    def load(self, data: bytes) -> Claims:
        """UTF-16 and byte order marks included."""
        try:
            text = data.decode(json.detect_encoding(data))
        except UnicodeDecodeError:
            raise Refused from None
        return super().load(text.lstrip("\ufeff").encode("utf-8", "replace"))


@found_by("E12")
class Trimmed(SoundServer):
    """Trims quotes and brackets from the token."""

    def split(self, text: str) -> tuple[str, str, str]:
        """Without its wrapping."""
        return super().split(text.strip("\"'{}<>"))


@found_by("F1", "F6")
class ExpiryIgnored(SoundServer):
    """Never looks whether a token has expired."""

    def check_times(self, claims: Claims, now: float) -> None:
        """As if it were fresh."""
        exp = self.moment(claims, "exp")
        super().check_times(claims, now if exp is None else min(now, exp - 1))


@found_by("F2")
class ExpiryOptional(SoundServer):
    """A token without exp lives for ever."""

    def check_times(self, claims: Claims, now: float) -> None:
        """With a default."""
        exp = now + 60 if claims.get("exp") is None else claims["exp"]
        super().check_times({**claims, "exp": exp}, now)


@found_by("F3")
class DigitsAsTime(SoundServer):
    """Reads exp with int()."""

    def check_times(self, claims: Claims, now: float) -> None:
        """Strings of digits too."""
        exp = claims.get("exp")
        number = int(exp) if isinstance(exp, str) and exp.isdigit() else exp
        super().check_times({**claims, "exp": number} if "exp" in claims else claims, now)


@found_by("F3", "F4", "F6")
class NotBeforeIgnored(SoundServer):
    """Never looks at nbf."""

    def check_times(self, claims: Claims, now: float) -> None:
        """Only its type is looked at."""
        self.moment(claims, "nbf")
        super().check_times({k: v for k, v in claims.items() if k != "nbf"}, now)


@found_by("F5")
class IssuedInFuture(SoundServer):
    """Never compares iat with the clock."""

    def check_times(self, claims: Claims, now: float) -> None:
        """Only its type is looked at."""
        self.moment(claims, "iat")
        super().check_times({**claims, "iat": now}, now)


@found_by("F6")
class FiveMinutes(SoundServer):
    """Tolerates five minutes, where none were agreed on."""

    leeway = 300


@found_by("F7")
class IssuerPrefix(SoundServer):
    """Compares the start of the issuer."""

    def check_issuer(self, claims: Claims) -> None:
        """Longer names pass."""
        if not str(claims.get("iss")).startswith(ISSUER):
            raise Refused


@found_by("F8")
class AudienceOptional(SoundServer):
    """No audience is every audience."""

    def check_audience(self, claims: Claims) -> None:
        """Only when there is one."""
        if "aud" in claims:
            super().check_audience(claims)


@found_by("F9")
class AudienceSubstring(SoundServer):
    """Looks for its name in the audience's text."""

    def check_audience(self, claims: Claims) -> None:
        """Anywhere in it."""
        if AUDIENCE not in str(claims.get("aud")):
            raise Refused


@found_by("F10")
class Nobody(SoundServer):
    """Needs no subject."""

    def check_subject(self, claims: Claims) -> None:
        """Anybody."""

    def me(self, call: Call, claims: Claims) -> Reply:
        """Whoever it is."""
        return reply(200, {"subject": str(claims.get("sub"))})


@found_by("F11")
class AnyPayload(SoundServer):
    """Takes every payload for an object, once the signature is good."""

    def verified(self, text: str) -> Claims:
        """Fails behind the signature."""
        try:
            return super().verified(text)
        except Refused:
            head, body, tail = self.split(text)
            header = self.load(self.decode(head))
            self.check_header(header)
            key, message = self.key_for(header), f"{head}.{body}".encode()
            if not self.genuine(header, key, message, self.decode(tail)):
                raise
            try:
                payload = json.loads(self.decode(body))
            except ValueError:
                raise Refused from None
            if isinstance(payload, (dict, list)):
                raise
            return dict(payload)


@found_by("F12")
class RoleInText(SoundServer):
    """Looks for the role in the text of the claim."""

    def need_role(self, claims: Claims, role: str) -> None:
        """Anywhere in it."""
        if role not in str(claims.get("roles")):
            raise Refused(403, "insufficient_scope")


@found_by("F13")
class TenantIgnored(SoundServer):
    """Shows every tenant's data."""

    def need_tenant(self, claims: Claims, tenant: str) -> None:
        """Nothing is compared."""


@found_by("F14")
class SubjectInQuery(SoundServer):
    """Builds a query of the subject."""

    def me(self, call: Call, claims: Claims) -> Reply:
        """A quote breaks it."""
        if "'" in str(claims["sub"]):
            raise RuntimeError("syntax error at or near")
        return super().me(call, claims)


@found_by("F15", policies=frozenset({"one-time-tokens"}))
class OneTimeTwice(SoundServer):
    """Promises one use, and keeps no record."""


@found_by("F16", policies=frozenset({"client-bound"}))
class AnyClient(SoundServer):
    """Promises to serve one client, and serves all."""

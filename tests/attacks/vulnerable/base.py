"""A tiny API that does everything right, in small steps that a broken one can override."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
from base64 import b64decode
from functools import cache
from typing import Any, ClassVar

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from jwt_guard.attacks.forge import HmacSigner, Signer, b64, sign
from jwt_guard.attacks.material import JoseSigner
from tests.attacks.vulnerable.web import Call, Reply, Web, reply

ISSUER = "https://issuer.test"
AUDIENCE = "https://api.test"
ORIGIN = "http://testserver"
STRONG = "8f0b6f6d9d2c4a71b3e5c0d4f1a29687e5d3c2b1a0998877"
Claims = dict[str, Any]


class Refused(Exception):
    """The request is refused."""

    def __init__(self, status: int = 401, error: str = "invalid_token") -> None:
        super().__init__(error)
        self.status, self.error = status, error


@cache
def rsa_key() -> RSAKey:
    """The issuer's RSA key."""
    return RSAKey.generate_key(2048)


@cache
def ec_key() -> ECKey:
    """The issuer's EC key."""
    return ECKey.generate_key("P-256")


def signer(alg: str = "ES256", kid: str = "ec-1") -> Signer:
    """What the issuer signs with."""
    if alg.startswith("HS"):
        return HmacSigner(key=STRONG.encode(), alg=alg, kid=kid)
    return JoseSigner(key=rsa_key() if alg[:2] in {"RS", "PS"} else ec_key(), alg=alg, kid=kid)


def claims_of(sub: str = "ada", **changes: object) -> Claims:
    """Claims of a good token; a claim of None is left out."""
    now = int(time.time())
    honest: Claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": sub,
        "client_id": "web",
        "iat": now,
        "exp": now + 600,
        "jti": secrets.token_hex(8),
        "roles": ["admin"],
        "tenant": "acme",
        "scope": "read write",
    }
    return {name: value for name, value in {**honest, **changes}.items() if value is not None}


class SoundServer(Web):
    """The API: /me for anyone with a token, /reports for admins, a tenant's invoices, /public."""

    alg: ClassVar[str] = "ES256"
    kid: ClassVar[str | None] = "ec-1"
    typ: ClassVar[str] = "at+jwt"
    leeway: ClassVar[int] = 0

    def __init__(self) -> None:
        self.keys: dict[str | None, Signer] = {self.kid: self.signing()}

    def signing(self) -> Signer:
        """The issuer's key."""
        return signer(self.alg, str(self.kid))

    def issue(self, sub: str = "ada", **claims: object) -> str:
        """A good token, with changes."""
        header = {"alg": self.alg, "typ": self.typ, "kid": self.kid}
        return sign(self.keys[self.kid], header, claims_of(sub, **claims))

    def published(self) -> list[dict[str, object]]:
        """The public halves of the keys."""
        known = [key for key in self.keys.values() if isinstance(key, JoseSigner)]
        return [{**key.public_jwk, "alg": key.alg, "use": "sig"} for key in known]

    def jwks(self) -> dict[str, object]:
        """The published key set."""
        return {"keys": self.published()}

    # What a request needs

    def answer(self, call: Call) -> Reply:
        """Answer one request."""
        try:
            return self.route(call)
        except Refused as refusal:
            return self.refuse(call, refusal)

    def refuse(self, call: Call, refusal: Refused) -> Reply:
        """The one refusal for all."""
        anonymous = refusal.error == "no_token"
        challenge = "Bearer" if anonymous else f'Bearer error="{refusal.error}"'
        return reply(refusal.status, {"title": "Refused"}, WWW_Authenticate=challenge)

    def route(self, call: Call) -> Reply:
        """The routes."""
        match call.method, call.path:
            case ("GET", "/.well-known/jwks.json"):
                return reply(200, self.jwks())
            case (_, "/public"):
                return reply(200, {"public": True})
            case _:
                return self.guarded(call)

    def guarded(self, call: Call) -> Reply:
        """The routes that need a token."""
        claims = self.authenticate(call)
        parts = call.path.strip("/").split("/")
        match parts:
            case ["me"]:
                return self.me(call, claims)
            case ["reports"]:
                self.need_role(claims, "admin")
                return reply(200, {"reports": []})
            case ["tenants", tenant, "invoices"]:
                self.need_tenant(claims, tenant)
                return reply(200, {"invoices": []})
            case _:
                return reply(404, {"title": "Not found"})

    def me(self, call: Call, claims: Claims) -> Reply:
        """Who is calling."""
        return reply(200, {"subject": claims["sub"], "tenant": claims.get("tenant")})

    def need_role(self, claims: Claims, role: str) -> None:
        """The role must be one of the list."""
        roles = claims.get("roles")
        if not isinstance(roles, list) or role not in roles:
            raise Refused(403, "insufficient_scope")

    def need_tenant(self, claims: Claims, tenant: str) -> None:
        """The token's tenant must be that of the data."""
        if claims.get("tenant") != tenant:
            raise Refused(403, "insufficient_scope")

    # From the request to the claims

    def authenticate(self, call: Call) -> Claims:
        """The claims of the request's token."""
        text = self.token_of(call)
        claims = self.verified(text)
        self.check_claims(claims)
        self.check_binding(call, text, claims)
        self.check_session(claims, text)
        return claims

    def token_of(self, call: Call) -> str:
        """The one token of the one Authorization header, and none elsewhere."""
        if "access_token" in call.query or b"access_token=" in call.body:
            raise Refused(400, "invalid_request")
        values = call.all("authorization")
        if not values:
            raise Refused(401, "no_token")
        if len(values) > 1:
            raise Refused(400, "invalid_request")
        found = re.fullmatch(r"(?:Bearer|DPoP) +(\S+)", values[0])
        if found is None:
            raise Refused
        return found[1]

    def verified(self, text: str) -> Claims:
        """The claims of a token whose signature is good."""
        head, body, tail = self.split(text)
        header, signature = self.load(self.decode(head)), self.decode(tail)
        self.check_header(header)
        key = self.key_for(header)
        if not self.genuine(header, key, f"{head}.{body}".encode(), signature):
            raise Refused
        return self.load(self.decode(body))

    def split(self, text: str) -> tuple[str, str, str]:
        """Exactly three segments of base64url, not too long."""
        if len(text) > 8192 or not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", text, re.ASCII):
            raise Refused
        head, body, tail = text.split(".")
        return head, body, tail

    def decode(self, segment: str) -> bytes:
        """The bytes of canonical base64url."""
        try:
            data = b64decode(segment + "=" * (-len(segment) % 4), b"-_", validate=True)
        except ValueError:
            raise Refused from None
        if b64(data) != segment:
            raise Refused
        return data

    def load(self, data: bytes) -> Claims:
        """A JSON object in strict UTF-8, every name once, no odd number."""
        try:
            value = json.loads(
                data.decode("utf-8"), object_pairs_hook=_once, parse_int=_small, parse_constant=_no
            )
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except (ValueError, RecursionError):
            raise Refused from None
        if not isinstance(value, dict):
            raise Refused
        return value

    def check_header(self, header: Claims) -> None:
        """The kind of token, and nothing that we would have to understand."""
        if header.get("typ") not in (self.typ, f"application/{self.typ}"):
            raise Refused
        if {"crit", "zip", "b64"} & header.keys():
            raise Refused

    def key_for(self, header: Claims) -> Signer:
        """The key that the kid names."""
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise Refused
        key = self.keys.get(kid)
        if key is None:
            raise Refused
        return key

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """Whether the signature is good under the key's own algorithm."""
        return header.get("alg") == key.alg and verifies(key, message, signature)

    # From the claims to the verdict

    def check_claims(self, claims: Claims) -> None:
        """Every claim that the API relies on."""
        self.check_times(claims, time.time())
        self.check_issuer(claims)
        self.check_audience(claims)
        self.check_subject(claims)

    def check_times(self, claims: Claims, now: float) -> None:
        """Required times are numbers, and now lies between them."""
        exp, iat, nbf = (self.moment(claims, name) for name in ("exp", "iat", "nbf"))
        if exp is None or now >= exp + self.leeway:
            raise Refused
        if nbf is not None and now < nbf - self.leeway:
            raise Refused
        if iat is None or now < iat - 5 or iat > exp or exp - iat > 86_400:
            raise Refused

    def moment(self, claims: Claims, name: str) -> float | None:
        """A time, or None where the claim is absent."""
        value = claims.get(name)
        if name in claims and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise Refused
        return value

    def check_issuer(self, claims: Claims) -> None:
        """The issuer is ours."""
        if claims.get("iss") != ISSUER:
            raise Refused

    def check_audience(self, claims: Claims) -> None:
        """We are the audience, or one of it."""
        aud = claims.get("aud")
        listed = [aud] if isinstance(aud, str) else aud
        if not isinstance(listed, list) or not all(isinstance(a, str) for a in listed):
            raise Refused
        if AUDIENCE not in listed:
            raise Refused

    def check_subject(self, claims: Claims) -> None:
        """Somebody, and no client in a user's place."""
        sub = claims.get("sub")
        if not isinstance(sub, str) or not sub or sub == claims.get("client_id"):
            raise Refused

    def check_binding(self, call: Call, text: str, claims: Claims) -> None:
        """A bound token needs its proof; this server knows no binding."""
        if "cnf" in claims:
            raise Refused

    def check_session(self, claims: Claims, text: str) -> None:
        """Nothing is revoked here."""


def _once(pairs: list[tuple[str, object]]) -> Claims:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _small(digits: str) -> int:
    if len(digits) > 15:
        raise ValueError("a number beyond any date")
    return int(digits)


def _no(name: str) -> object:
    raise ValueError(name)


def verifies(key: Signer, message: bytes, signature: bytes) -> bool:
    """Whether a signature is good under a key."""
    if isinstance(key, HmacSigner):
        return hmac.compare_digest(key.sign(message), signature)
    if not isinstance(key, JoseSigner):
        return False
    try:
        return bool(JWSRegistry.algorithms[key.alg].verify(message, signature, key.key))
    except (JoseError, ValueError):
        return False

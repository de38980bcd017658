"""Holes in the keys and where they come from (groups C and D)."""

from __future__ import annotations

import json
import re
import sqlite3
import time
import urllib.request
from base64 import b64decode
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from jwt_guard.attacks.forge import HmacSigner, Signer, b64
from jwt_guard.attacks.material import JoseSigner, integer
from tests.attacks.vulnerable.base import ISSUER, ORIGIN, STRONG, Claims, Refused, SoundServer
from tests.attacks.vulnerable.declared import HmacServer, RsaServer, found_by
from tests.attacks.vulnerable.web import Call, Reply, reply

OTHER_ISSUER = "https://second-issuer.test"


def as_key(jwk: object) -> Signer:
    """A JWK as a key, whatever it is."""
    if not isinstance(jwk, dict):
        raise Refused
    kind = RSAKey if jwk.get("kty") == "RSA" else ECKey
    try:
        key = kind.import_key({k: v for k, v in jwk.items() if isinstance(v, str)})
    except (JoseError, ValueError, KeyError, TypeError):
        raise Refused from None
    return JoseSigner(key=key, alg="RS256" if jwk.get("kty") == "RSA" else "ES256")


def fetched(url: str) -> bytes:
    """What lies at a URL, as a careless server fetches it."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bytes(response.read())
    except (OSError, ValueError):
        raise Refused from None


class WithSecret(HmacServer):
    """HS256 with a secret of its own."""

    secret = STRONG

    def signing(self) -> Signer:
        """The secret."""
        return HmacSigner(key=self.secret.encode(), kid=self.kid)


@found_by("C1", "C5")
class GuessableSecret(WithSecret):
    """A secret that people think of."""

    secret = "Secret2026"


@found_by("C1", "C4", "C5")
class CommonSecret(WithSecret):
    """The most common secret."""

    secret = "secret"


@found_by("C2")
class EmptySecret(SoundServer):
    """A second, forgotten way in: HMAC with a secret that was never set."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """The environment variable is empty."""
        if header.get("alg") == "HS256":
            return HmacSigner(key=b"").sign(message) == signature
        return super().genuine(header, key, message, signature)


@found_by("C3")
class UnknownKid(SoundServer):
    """Turns an unknown kid into the text None."""

    def key_for(self, header: Claims) -> Signer:
        """str() of what a dictionary did not hold."""
        kid = header.get("kid")
        known = self.keys.get(kid) if isinstance(kid, str) else None
        return known or HmacSigner(key=b"None")


@found_by("C4")
class DevelopmentSecret(SoundServer):
    """Still takes the secret of the first days."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """Two keys."""
        old = HmacSigner(key=b"changeme")
        if header.get("alg") == "HS256":
            return old.sign(message) == signature
        return super().genuine(header, key, message, signature)


@found_by("C5")
class ShortSecret(WithSecret):
    """A random secret, but of 16 bytes."""

    secret = "q8Zr1vX0sK3mT7eB"


@found_by("C6")
class ShortRsaKey(RsaServer):
    """Publishes a key of 1024 bits beside the good one."""

    def jwks(self) -> dict[str, object]:
        """Two keys."""
        numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
        weak = {"kty": "RSA", "kid": "short", "n": integer(numbers.n), "e": integer(numbers.e)}
        return {"keys": [*self.published(), weak]}


@found_by("C7")
class SecretPublished(SoundServer):
    """Publishes an HMAC secret among the public keys."""

    def jwks(self) -> dict[str, object]:
        """One too many."""
        secret = {"kty": "oct", "k": b64(STRONG.encode()), "kid": "internal"}
        return {"keys": [*self.published(), secret]}


@found_by("C7")
class OnlySecretPublished(HmacServer):
    """Publishes its HMAC secret, and nothing beside it."""

    def jwks(self) -> dict[str, object]:
        """The secret that everything rests on."""
        return {"keys": [{"kty": "oct", "k": b64(STRONG.encode()), "kid": self.kid}]}


@found_by("C8")
class EncryptionKey(SoundServer):
    """Verifies with a key that is published for encryption."""

    def jwks(self) -> dict[str, object]:
        """The wrong use."""
        return {"keys": [{**key, "use": "enc"} for key in self.published()]}


RETIRED = ECKey.generate_key("P-256")


@found_by("C9", retired_key=json.dumps({**RETIRED.as_dict(private=True), "kid": "retired"}))
class RetiredKey(SoundServer):
    """Never drops a key."""

    def __init__(self) -> None:
        super().__init__()
        self.keys["retired"] = JoseSigner(key=RETIRED, alg="ES256", kid="retired")


@found_by("D1")
class EmbeddedKey(SoundServer):
    """Takes the key from the header."""

    def key_for(self, header: Claims) -> Signer:
        """The token's own key first."""
        return as_key(header["jwk"]) if "jwk" in header else super().key_for(header)


class Fetching(SoundServer):
    """Fetches a key set from a URL in the header."""

    member = "jku"

    def allowed(self, url: str) -> bool:
        """Any URL."""
        return url.startswith("http")

    def fetch(self, url: str) -> bytes:
        """What lies there."""
        return fetched(url)

    def key_for(self, header: Claims) -> Signer:
        """The set at the URL, the key by kid."""
        url = header.get(self.member)
        if not isinstance(url, str) or not self.allowed(url):
            return super().key_for(header)
        try:
            keys = json.loads(self.fetch(url))["keys"]
            return as_key(next(key for key in keys if key["kid"] == header.get("kid")))
        except (ValueError, LookupError, TypeError, StopIteration):
            raise Refused from None


@found_by("D2", "D3", "D10", "D17")
class JkuFollowed(Fetching):
    """Follows jku anywhere."""


@found_by("D3")
class JkuPrefix(Fetching):
    """Allows the issuer's name anywhere in the URL."""

    def allowed(self, url: str) -> bool:
        """A search in the text."""
        return url.startswith("http") and urlsplit(ISSUER).netloc in url


@found_by("D3", redirect_route="/out?to={url}")
class JkuRedirected(Fetching):
    """Allows its own host, on which something redirects to wherever one likes."""

    def allowed(self, url: str) -> bool:
        """This host."""
        return url.startswith(f"{ORIGIN}/")

    def fetch(self, url: str) -> bytes:
        """What lies where the redirect leads."""
        if urlsplit(url).path != "/out":
            raise Refused
        return fetched(parse_qs(urlsplit(url).query)["to"][0])


@found_by("D10")
class JkuLoopbackDenied(Fetching):
    """Denies two spellings of this machine."""

    def allowed(self, url: str) -> bool:
        """A list of bad hosts, as text."""
        host = urlsplit(url).hostname
        return url.startswith("http") and host not in {"127.0.0.1", "::1"}


@found_by("D4", "D17")
class CertificateFetched(SoundServer):
    """Fetches x5u, and then does not even use it."""

    def key_for(self, header: Claims) -> Signer:
        """A fetch on the way."""
        url = header.get("x5u")
        if isinstance(url, str) and url.startswith("http"):
            fetched(url)
        return super().key_for(header)


@found_by("D5")
class CertificateBelieved(SoundServer):
    """Takes the certificate from the header, whoever signed it."""

    def key_for(self, header: Claims) -> Signer:
        """The chain is not checked."""
        chain = header.get("x5c")
        if not isinstance(chain, list):
            return super().key_for(header)
        try:
            certificate = x509.load_der_x509_certificate(b64decode(chain[0]))
        except (ValueError, TypeError, IndexError):
            raise Refused from None
        spki = certificate.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return _imported(spki)


def _imported(pem: bytes) -> Signer:
    try:
        return JoseSigner(key=ECKey.import_key(pem), alg="ES256")
    except (JoseError, ValueError, TypeError):
        return JoseSigner(key=RSAKey.import_key(pem), alg="RS256")


@found_by("D6")
class ThumbprintBreaks(SoundServer):
    """An unknown thumbprint is an unhandled error."""

    certificates: dict[str, Signer] = {}  # noqa: RUF012 - empty for all

    def key_for(self, header: Claims) -> Signer:
        """A lookup without a net."""
        if isinstance(header.get("x5t#S256"), str):
            return self.certificates[header["x5t#S256"]]
        return super().key_for(header)


@found_by("D7", "D17")
class AnyIssuer(SoundServer):
    """Discovers the keys of whatever issuer a token names."""

    def verified(self, text: str) -> Claims:
        """Asks the issuer before believing anything."""
        claims = self.load(self.decode(self.split(text)[1]))
        issuer = claims.get("iss")
        if isinstance(issuer, str) and issuer.startswith("http://"):
            fetched(f"{issuer}/.well-known/openid-configuration")
        return super().verified(text)


@found_by("D8")
class InlineKeySet(Fetching):
    """Follows jku into data: URLs."""

    def allowed(self, url: str) -> bool:
        """Only what needs no network."""
        return url.startswith("data:")


@found_by("D11")
class KidIsPath(SoundServer):
    """Reads the key from the file that kid names."""

    def key_for(self, header: Claims) -> Signer:
        """Any file will do."""
        kid = header.get("kid")
        if not isinstance(kid, str) or "/" not in kid:
            return super().key_for(header)
        try:
            return HmacSigner(key=(Path("/srv/keys") / kid).read_bytes())
        except (OSError, ValueError):
            raise Refused from None


@found_by("D12")
class KidIsSql(SoundServer):
    """Builds a query of kid, for keys in a database."""

    def key_for(self, header: Claims) -> Signer:
        """A database of its own for each look-up: nothing can be destroyed."""
        kid = header.get("kid")
        if not isinstance(kid, str) or kid in self.keys:
            return super().key_for(header)
        database = sqlite3.connect(":memory:")
        database.execute("CREATE TABLE keys (kid TEXT, secret TEXT)")
        try:
            row = database.execute(f"SELECT secret FROM keys WHERE kid = '{kid}'").fetchone()
        except (sqlite3.Error, UnicodeError, sqlite3.Warning):
            raise Refused from None
        if row is None:
            raise Refused
        return HmacSigner(key=str(row[0]).encode())


@found_by("D13")
class KidIsCommand(SoundServer):
    """Acts like a shell that is given kid: it sleeps when told to."""

    def key_for(self, header: Claims) -> Signer:
        """Sleep as a command would."""
        order = re.search(r"[;|$`&].*\bsleep (\d)", str(header.get("kid")))
        if order is not None:
            time.sleep(int(order[1]))
        return super().key_for(header)


@found_by("D14")
class KidInHeader(SoundServer):
    """Writes kid into a header of the answer, line breaks and all."""

    def refuse(self, call: Call, refusal: Refused) -> Reply:
        """What a lenient server makes of a line break in a header."""
        basic = super().refuse(call, refusal)
        try:
            header = self.load(self.decode(call.header("authorization")[7:].split(".")[0]))
        except Refused:
            return basic
        lines = str(header.get("kid")).split("\r\n")
        injected = dict(line.split(": ", 1) for line in lines if ": " in line)
        return reply(
            basic.status,
            {"title": "Refused"},
            WWW_Authenticate=basic.headers["WWW-Authenticate"],
            **{name.replace("-", "_"): value for name, value in injected.items()},
        )


@found_by("D15", "E10")
class KidBreaks(SoundServer):
    """Takes kid for text without looking."""

    def key_for(self, header: Claims) -> Signer:
        """Fails on numbers."""
        return super().key_for({**header, "kid": header.get("kid", "").strip()})


@found_by("D16", second_issuer=OTHER_ISSUER)
class AnyTrustedIssuer(SoundServer):
    """Trusts two issuers, and any of their keys for each."""

    def check_issuer(self, claims: Claims) -> None:
        """One of the two."""
        if claims.get("iss") not in (ISSUER, OTHER_ISSUER):
            raise Refused


@found_by("D17")
class FetchesPicture(SoundServer):
    """Fetches the picture of whoever comes, before knowing who it is."""

    def verified(self, text: str) -> Claims:
        """A preview, too early."""
        claims = self.load(self.decode(self.split(text)[1]))
        picture = claims.get("picture")
        if isinstance(picture, str) and picture.startswith("http"):
            fetched(picture)
        return super().verified(text)

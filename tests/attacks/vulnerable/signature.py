"""Holes in the signature and the algorithm (groups A and B)."""

from __future__ import annotations

import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwe
from joserfc.errors import JoseError

from jwt_guard.attacks.forge import HmacSigner, Signer, unb64
from jwt_guard.attacks.material import JoseSigner, public_key
from tests.attacks.vulnerable.base import Claims, Refused, SoundServer, ec_key, rsa_key, verifies
from tests.attacks.vulnerable.declared import HmacServer, RsaServer, found_by
from tests.attacks.vulnerable.web import Call, Reply, reply

LOOSE = r"[\w-]*\.[\w-]*\.[\w-]*"


class Loose(SoundServer):
    """Takes empty segments, so that broken steps behind it can be reached."""

    def split(self, text: str) -> tuple[str, str, str]:
        """Three segments, empty or not."""
        if len(text) > 8192 or not re.fullmatch(LOOSE, text, re.ASCII):
            raise Refused
        head, body, tail = text.split(".")
        return head, body, tail


@found_by("A1")
class NoChallenge(SoundServer):
    """Refuses without saying how to authenticate."""

    def refuse(self, call: Call, refusal: Refused) -> Reply:
        """The refusal without a challenge."""
        return reply(refusal.status, {"title": "Refused"})


@found_by(
    *[
        "A2",
        "A3",
        "A4",
        "A6",
        "A7",
        "A8",
        "A10",
        "A11",
        "A12",
        "B1",
        "B2",
        "B3",
        "B4",
        "B5",
        "B6",
        "B7",
        "B8",
        "B10",
        "C2",
        "C4",
        "D1",
        "D5",
        "D6",
        "D17",
        "E10",
        "G11",
    ]
)
class SignatureUnchecked(Loose):
    """Believes every token."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """No check at all."""
        return True


@found_by("A3")
class PrefixCompared(HmacServer):
    """Compares as much of the signature as there is."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """The start of the signature is enough."""
        return header.get("alg") == key.alg and key.sign(message).startswith(signature)


@found_by("A4")
class EmptySignature(Loose):
    """Skips the check when there is nothing to check."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """An empty signature passes."""
        return header.get("alg") == key.alg and (not signature or verifies(key, message, signature))


@found_by("A5")
class ExtraSegments(SoundServer):
    """Reads three segments and ignores the rest."""

    def split(self, text: str) -> tuple[str, str, str]:
        """The first three."""
        return super().split(".".join(text.split(".")[:3]))


@found_by("A6")
class NoneAccepted(Loose):
    """Does what alg says."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """None in any case, without a signature."""
        alg = header.get("alg")
        unsigned = isinstance(alg, str) and alg.lower() == "none" and not signature
        return unsigned or super().genuine(header, key, message, signature)


@found_by("A7", "E10")
class AlgAbsent(SoundServer):
    """Takes a header without alg for one that needs no check."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """Nothing to do without alg."""
        return not header.get("alg") or super().genuine(header, key, message, signature)


@found_by("A8")
class NullTerminated(HmacServer):
    """Compares signatures as C strings."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """Up to the first null byte, of a signature that has none."""
        stripped = signature.rstrip(bytes(1))
        return super().genuine(header, key, message, stripped)


@found_by("A9")
class EmptyToken(Loose):
    """A token of nothing is nobody, and nobody is let in."""

    def verified(self, text: str) -> Claims:
        """Dots are an anonymous session."""
        if text == "..":
            return {"sub": "nobody"}
        return super().verified(text)

    def check_claims(self, claims: Claims) -> None:
        """Nobody has no claims to check."""
        if claims != {"sub": "nobody"}:
            super().check_claims(claims)


@found_by("A8", "A10", "A11")
class PsychicSignature(SoundServer):
    """Verifies r = s = 0, as Java did."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """Zero fits every message."""
        zero = len(signature) == 64 and not (int.from_bytes(signature[:32]) and any(signature[32:]))
        return zero or super().genuine(header, key, message, signature)


@found_by("A12")
class DerSignature(SoundServer):
    """Takes ECDSA signatures in DER too."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """Any encoding."""
        if super().genuine(header, key, message, signature):
            return True
        try:
            ec_key().public_key.verify(signature, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return header.get("alg") == key.alg


@found_by("A13")
class PaddedNumber(RsaServer):
    """Reads the RSA signature as a number of any length."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """Leading zeros and multiples of the modulus vanish."""
        number = int.from_bytes(signature) % rsa_key().public_key.public_numbers().n
        return super().genuine(header, key, message, number.to_bytes(256, "big"))


@found_by("A14")
class LenientBase64(SoundServer):
    """Decodes whatever looks like base64."""

    def split(self, text: str) -> tuple[str, str, str]:
        """Padding and junk at the end do not matter."""
        return super().split(text.rstrip("=!*~$"))

    def decode(self, segment: str) -> bytes:
        """Unused bits do not matter."""
        try:
            return unb64(segment)
        except ValueError:
            raise Refused from None


@found_by("A15", "H9")
class Reflecting(SoundServer):
    """Tells the caller whose token it refuses."""

    def refuse(self, call: Call, refusal: Refused) -> Reply:
        """A helpful answer."""
        basic = super().refuse(call, refusal)
        try:
            claims = self.load(self.decode(call.header("authorization").split(".")[1]))
        except (Refused, IndexError):
            return basic
        return reply(refusal.status, {"bad token of": claims.get("sub")}, **_dashed(basic))


def _dashed(basic: Reply) -> dict[str, str]:
    return {"WWW_Authenticate": basic.headers["WWW-Authenticate"]}


@found_by("A16")
class LocksOut(SoundServer):
    """Closes for everybody after ten bad tokens."""

    failures = 0

    def refuse(self, call: Call, refusal: Refused) -> Reply:
        """Count."""
        self.failures += 1
        return super().refuse(call, refusal)

    def authenticate(self, call: Call) -> Claims:
        """Closed after ten."""
        if self.failures > 10:
            raise Refused(403, "access_denied")
        return super().authenticate(call)


class Confused(RsaServer):
    """Lets the header choose HMAC, with some bytes of the public key as the secret."""

    forms: tuple[str, ...] = ("pem",)

    def secrets(self) -> list[bytes]:
        """What a careless configuration passes as the key."""
        published = public_key(self.published()[0])
        return [getattr(published, form) for form in self.forms]

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """HMAC when the header says so."""
        alg = header.get("alg")
        if alg in ("HS256", "HS384", "HS512"):
            keys = (HmacSigner(key=secret, alg=str(alg)) for secret in self.secrets())
            return any(verifies(hmac, message, signature) for hmac in keys)
        return super().genuine(header, key, message, signature)


@found_by("B1")
class PemAsSecret(Confused):
    """The PEM file is the HMAC secret."""


@found_by("B2")
class StrippedPemAsSecret(Confused):
    """The PEM without its last newline, as environment variables hold it."""

    def secrets(self) -> list[bytes]:
        """Stripped."""
        return [secret.rstrip() for secret in super().secrets()]


@found_by("B2", "B6")
class DerAsSecret(Confused):
    """The DER is the HMAC secret."""

    forms = ("der",)


@found_by("B3")
class JwkAsSecret(Confused):
    """The JWK's text is the HMAC secret."""

    def secrets(self) -> list[bytes]:
        """As json.dumps writes it."""
        return [json.dumps(self.published()[0]).encode()]


@found_by("B4")
class UnpublishedPem(Confused):
    """The PEM is the secret, and nobody is told it."""

    alg, kid = "ES256", "ec-1"

    def secrets(self) -> list[bytes]:
        """The PEM of a key that is not published."""
        return [ec_key().as_pem(private=False)]

    def jwks(self) -> dict[str, object]:
        """Nothing."""
        return {"keys": []}


@found_by("B5", "B6")
class PointAsSecret(Confused):
    """The bytes of the EC point are the secret."""

    alg, kid = "ES256", "ec-1"
    forms = ("point",)


@found_by("B7", "D1", "D5")
class MismatchBreaks(SoundServer):
    """A key of the wrong kind is an unhandled error."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """Raises what the library raises."""
        if header.get("alg") in ("RS256", "PS256"):
            raise TypeError("expected an RSA key")
        return super().genuine(header, key, message, signature)


@found_by("B8")
class AnyHash(RsaServer):
    """Verifies under whatever RSA algorithm the header names."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """The header chooses padding and hash."""
        alg = header.get("alg")
        if alg not in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
            return False
        return verifies(JoseSigner(key=rsa_key(), alg=str(alg)), message, signature)


@found_by("B9", "E6")
class UnprotectedAlg(SoundServer):
    """Takes the JSON serialization, and alg from where nothing protects it."""

    def token_of(self, call: Call) -> str:
        """Everything after the scheme."""
        value = call.header("authorization").removeprefix("Bearer ")
        return value if value.startswith("{") else super().token_of(call)

    def verified(self, text: str) -> Claims:
        """Flattened JSON, its unprotected alg believed."""
        if not text.startswith("{"):
            return super().verified(text)
        form = self.load(text.encode())
        if form.get("header", {}).get("alg") == "none":
            return self.load(self.decode(str(form.get("payload"))))
        parts = (str(form.get(name)) for name in ("protected", "payload", "signature"))
        return super().verified(".".join(parts))


@found_by("B10")
class AnySpelling(SoundServer):
    """Reads alg in any case."""

    def genuine(self, header: Claims, key: Signer, message: bytes, signature: bytes) -> bool:
        """Upper case and stripped."""
        alg = str(header.get("alg")).strip().upper()
        return alg == key.alg and verifies(key, message, signature)


class Decrypting(RsaServer):
    """Takes encrypted tokens."""

    inner = "claims"

    def split(self, text: str) -> tuple[str, str, str]:
        """Longer tokens, for what is inside."""
        head, body, tail = text.split(".")
        return head, body, tail

    def verified(self, text: str) -> Claims:
        """Decrypts with the private key that also signs."""
        if text.count(".") != 4:
            return super().verified(super().split(text) and text)
        try:
            opened = jwe.decrypt_compact(text, rsa_key(), algorithms=["RSA-OAEP", "A128GCM"])
        except (JoseError, ValueError):
            raise Refused from None
        return self.inside(opened.plaintext or b"")

    def inside(self, plaintext: bytes) -> Claims:
        """What was encrypted is believed."""
        return self.load(plaintext)


@found_by("B11")
class EncryptionBelieved(Decrypting):
    """Takes claims that anyone encrypted."""


@found_by("B12")
class InnerUnchecked(Decrypting):
    """Takes an unsigned token that anyone encrypted."""

    def inside(self, plaintext: bytes) -> Claims:
        """The inner token's signature is not looked at."""
        parts = plaintext.decode().split(".")
        if len(parts) != 3:
            raise Refused
        return self.load(self.decode(parts[1]))

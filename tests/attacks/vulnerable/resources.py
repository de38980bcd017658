"""Holes in the use of time and memory (group J)."""

from __future__ import annotations

import hashlib
import json
import time

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import RSAKey

from jwt_guard.attacks.forge import Signer, unb64
from tests.attacks.vulnerable.base import Claims, Refused, SoundServer, rsa_key
from tests.attacks.vulnerable.declared import RsaServer, found_by


@found_by("J1")
class LongBreaks(SoundServer):
    """Keeps tokens in a column of 400,000 characters."""

    def split(self, text: str) -> tuple[str, str, str]:
        """The database's error, unhandled."""
        if len(text) > 400_000 and text.count(".") == 2:
            raise RuntimeError("value too long for type character varying(400000)")
        return super().split(text)


@found_by("J2")
class DotsCounted(SoundServer):
    """Goes through the segments one inside the other."""

    def split(self, text: str) -> tuple[str, str, str]:
        """Recursion by dots."""
        if text.count(".") > 900:
            raise RecursionError
        return super().split(text)


@found_by("J3")
class DeepBreaks(SoundServer):
    """Parses the header's JSON without a net."""

    def verified(self, text: str) -> Claims:
        """RecursionError goes through."""
        try:
            json.loads(unb64(text.split(".", maxsplit=1)[0]))
        except ValueError:
            raise Refused from None
        return super().verified(text)


@found_by("J4")
class PasswordCost(SoundServer):
    """Derives keys as often as a stranger says; slowed down here instead of done."""

    def verified(self, text: str) -> Claims:
        """Time grows with p2c."""
        header = self.load(self.decode(text.split(".", maxsplit=1)[0]))
        if str(header.get("alg")).startswith("PBES2"):
            hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 1000)
            time.sleep(min(3.0, int(header.get("p2c", 0)) / 3_000_000))
        return super().verified(text)


@found_by("J6")
class FetchPerUnknownKid(SoundServer):
    """Asks a slow provider for every unknown kid."""

    def key_for(self, header: Claims) -> Signer:
        """A miss is a fetch."""
        if str(header.get("kid")).startswith("unknown-"):
            time.sleep(2.2)
        return super().key_for(header)


@found_by("J11")
class PointBreaks(SoundServer):
    """Computes with an ephemeral point before it knows where that lies."""

    def split(self, text: str) -> tuple[str, str, str]:
        """Encrypted tokens are looked at."""
        if text.count(".") == 4:
            self.agree(self.load(self.decode(text.split(".", maxsplit=1)[0])).get("epk"))
        return super().split(text)

    def agree(self, point: object) -> None:
        """The library's ValueError goes through."""
        if isinstance(point, dict):
            x, y = (int.from_bytes(unb64(str(point[name]))) for name in ("x", "y"))
            ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


@found_by("J12")
class PaddingOracle(RsaServer):
    """Tells wrong padding from wrong content."""

    def split(self, text: str) -> tuple[str, str, str]:
        """Encrypted tokens are looked at."""
        if text.count(".") == 4:
            self.opened(text)
        return super().split(text)

    def opened(self, text: str) -> None:
        """Two refusals."""
        key: RSAKey = rsa_key()
        try:
            head = self.load(self.decode(text.split(".", maxsplit=1)[0]))
            size = pow(int.from_bytes(self.decode(text.split(".")[1])), 1)
        except Refused:
            return
        if head.get("alg") != "RSA1_5":
            return
        assert key.private_key is not None
        numbers = key.private_key.private_numbers()
        block = pow(size, numbers.d, numbers.public_numbers.n).to_bytes(256, "big")
        if block[:2] != b"\x00\x02":
            raise Refused(400, "invalid_request")


@found_by("J13")
class NumberBreaks(SoundServer):
    """Turns any exp into a date, too early."""

    def verified(self, text: str) -> Claims:
        """Numbers that are no date break it."""
        try:
            exp = json.loads(unb64(text.split(".")[1])).get("exp")
        except (ValueError, RecursionError, AttributeError, IndexError):
            raise Refused from None
        if isinstance(exp, int) and exp > 10**30:
            time.gmtime(exp)
        return super().verified(text)

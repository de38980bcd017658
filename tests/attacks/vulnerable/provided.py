"""Holes in how a server takes its keys from its provider (D9, J7 to J9)."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import ClassVar

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from jwt_guard.attacks.forge import Signer, unb64
from jwt_guard.attacks.material import JoseSigner
from tests.attacks.vulnerable.base import Claims, Refused
from tests.attacks.vulnerable.declared import RsaServer, found_by


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def http_error_302(self, *_: object, **__: object) -> None:
        """Nowhere."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class Provided(RsaServer):
    """Takes its keys from its provider, and asks again when it meets an unknown kid."""

    patience: ClassVar[float] = 0.5
    largest: ClassVar[int] = 100_000
    source = ""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str | None, Signer] = {}

    def key_for(self, header: Claims) -> Signer:
        """The key that the provider publishes under the kid."""
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise Refused
        if kid not in self.known and self.plausible(kid):
            self.refresh()
        if kid not in self.known:
            raise Refused
        return self.known[kid]

    def plausible(self, kid: str | None) -> bool:
        """Whether the provider could have given that kid; a stranger's flood looks otherwise."""
        return not (kid or "").startswith("unknown-")

    def refresh(self) -> None:
        """The published set, or the last good one."""
        try:
            found = self.read(json.loads(self.fetched()))
        except (OSError, ValueError, TypeError, LookupError):
            return
        self.known = found or self.known

    def fetched(self) -> bytes:
        """What lies at the provider, if it comes soon and is not too much."""
        opener = urllib.request.build_opener(_Stay)
        with opener.open(self.source, timeout=self.patience) as answer:
            return bytes(answer.read(self.largest))

    def read(self, document: Claims) -> dict[str | None, Signer]:
        """The usable keys."""
        found: dict[str | None, Signer] = {}
        for jwk in document["keys"]:
            if self.usable(jwk):
                signer = self.imported(jwk)
                found |= {} if signer is None else {signer.kid: signer}
        return found

    def usable(self, jwk: Claims) -> bool:
        """Not too large."""
        return len(unb64(str(jwk.get("n", "")))) <= 1024

    def imported(self, jwk: Claims) -> Signer | None:
        """The key, or None when it is malformed."""
        try:
            key = RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
        except (JoseError, LookupError, ValueError, TypeError):
            return None
        return JoseSigner(key=key, alg="RS256", kid=jwk.get("kid"))


@found_by("D9")
class FollowsRedirect(Provided):
    """Fetches its keys wherever it is sent."""

    def fetched(self) -> bytes:
        """What lies there, or where that points to."""
        with urllib.request.urlopen(self.source, timeout=self.patience) as answer:
            return bytes(answer.read(self.largest))


@found_by("J6")
class AsksForEveryKid(Provided):
    """Fetches quickly, but for whatever kid a stranger makes up."""

    def plausible(self, kid: str | None) -> bool:
        """All."""
        return True


@found_by("J7")
class AllOrNothing(Provided):
    """Takes a key set only when every key of it is understood."""

    def imported(self, jwk: Claims) -> Signer | None:
        """The key, or no set at all."""
        signer = super().imported(jwk)
        if signer is None:
            raise ValueError("malformed")
        return signer


@found_by("J8")
class AnySize(Provided):
    """Takes RSA keys of any length."""

    def usable(self, jwk: Claims) -> bool:
        """All."""
        return True


@found_by("J9")
class ForgetsKeys(Provided):
    """Drops what it knows when its provider serves nothing of use."""

    def refresh(self) -> None:
        """The published set, or none."""
        self.known = {}
        super().refresh()

    def key_for(self, header: Claims) -> Signer:
        """The key, if the last fetch gave it; no second fetch within a moment."""
        known = str(header.get("kid")) in self.known
        if time.monotonic() < self.quiet_until and not known:
            raise Refused
        self.quiet_until = self.quiet_until if known else time.monotonic() + 0.5
        return super().key_for(header)

    quiet_until = 0.0


@found_by("J9")
class WaitsForProvider(Provided):
    """Waits for its provider as long as that likes, and everybody with it."""

    patience = 5.0

"""DPoP proofs (RFC 9449, section 4), right ones and bent ones."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from jwt_guard.attacks.forge import Json, b64, sign
from jwt_guard.attacks.material import JoseSigner
from jwt_guard.attacks.model import Answer, Request


@dataclass(slots=True, kw_only=True, repr=False)
class Prover:
    """Makes proofs with one key for one origin; remembers the server's latest nonce."""

    signer: JoseSigner
    origin: str
    nonce: str | None = None

    def heed(self, answer: Answer) -> None:
        """Take over the nonce that an answer brings (section 8)."""
        self.nonce = answer.header("DPoP-Nonce") or self.nonce

    def header(self, **changes: object) -> dict[str, object]:
        """The proof's header, with changes; None leaves a member out."""
        jwk = {k: v for k, v in self.signer.public_jwk.items() if k != "kid"}
        honest: dict[str, object] = {"typ": "dpop+jwt", "alg": self.signer.alg, "jwk": jwk}
        return _changed(honest, changes)

    def claims(self, request: Request, token: str, **changes: object) -> dict[str, object]:
        """The proof's claims for that request and token, with changes; None leaves one out."""
        honest: dict[str, object] = {
            "jti": secrets.token_urlsafe(16),
            "htm": request.method,
            "htu": self.origin + request.target.partition("?")[0],
            "iat": int(time.time()),
            "ath": b64(hashlib.sha256(token.encode()).digest()),
        }
        if self.nonce is not None:
            honest["nonce"] = self.nonce
        return _changed(honest, changes)

    def proof(
        self, request: Request, token: str, *, header: Json | None = None, **changes: object
    ) -> str:
        """A proof for that request and token; `changes` are to its claims."""
        head = self.header(**(header or {}))
        return sign(self.signer, head, self.claims(request, token, **changes))


def _changed(honest: dict[str, object], changes: Json) -> dict[str, object]:
    return {k: v for k, v in {**honest, **changes}.items() if v is not None}

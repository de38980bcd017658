"""The sound API with tokens bound to a DPoP key (RFC 9449)."""

from __future__ import annotations

import hashlib
import time

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from jwt_guard.attacks.forge import b64
from jwt_guard.attacks.material import JoseSigner
from tests.attacks.vulnerable.base import ORIGIN, Claims, Refused, SoundServer, verifies
from tests.attacks.vulnerable.web import Call, Reply, reply


class BadProof(Refused):
    """The proof is not good."""

    def __init__(self) -> None:
        super().__init__(401, "invalid_dpop_proof")


class BoundServer(SoundServer):
    """Takes only bound tokens, each with a proof of its key."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, float] = {}

    def refuse(self, call: Call, refusal: Refused) -> Reply:
        """The DPoP challenge."""
        anonymous = refusal.error == "no_token"
        challenge = "DPoP" if anonymous else f'DPoP error="{refusal.error}"'
        return reply(refusal.status, {"title": "Refused"}, WWW_Authenticate=challenge)

    def check_binding(self, call: Call, text: str, claims: Claims) -> None:
        """The proof's key is the token's."""
        self.check_scheme(call)
        jwk, proof = self.proof_of(call)
        self.check_target(call, proof)
        self.check_hash(text, proof)
        self.check_age(proof)
        self.check_key(jwk, claims)
        self.check_replay(proof)

    def check_scheme(self, call: Call) -> None:
        """A bound token travels under the DPoP scheme."""
        if not call.header("authorization").startswith("DPoP "):
            raise Refused

    def proof_of(self, call: Call) -> tuple[Claims, Claims]:
        """Key and claims of the one proof, its signature checked."""
        proofs = self.proofs(call)
        if len(proofs) != 1:
            raise BadProof
        try:
            head, body, tail = self.split(proofs[0])
            header = self.load(self.decode(head))
            jwk = self.check_proof_header(header)
            self.check_proof_signature(header, jwk, f"{head}.{body}", self.decode(tail))
            return jwk, self.load(self.decode(body))
        except Refused:
            raise BadProof from None

    def proofs(self, call: Call) -> list[str]:
        """Every proof of the request."""
        return call.all("dpop")

    def check_proof_header(self, header: Claims) -> Claims:
        """Type, algorithm and public key."""
        jwk = header.get("jwk")
        if header.get("typ") != "dpop+jwt" or header.get("alg") != "ES256" or "crit" in header:
            raise BadProof
        if not isinstance(jwk, dict) or "d" in jwk or jwk.get("kty") != "EC":
            raise BadProof
        return jwk

    def check_proof_signature(self, header: Claims, jwk: Claims, signed: str, tail: bytes) -> None:
        """The proof is signed by the key in it."""
        try:
            key = JoseSigner(key=ECKey.import_key(jwk), alg="ES256")
        except (JoseError, ValueError, TypeError):
            raise BadProof from None
        if not verifies(key, signed.encode(), tail):
            raise BadProof

    def check_target(self, call: Call, proof: Claims) -> None:
        """Made for this method and this URL."""
        if proof.get("htm") != call.method or proof.get("htu") != self.url(call):
            raise BadProof

    def url(self, call: Call) -> str:
        """The URL as configured, whatever the request claims."""
        return ORIGIN + call.path

    def check_hash(self, text: str, proof: Claims) -> None:
        """Made for this access token."""
        if proof.get("ath") != b64(hashlib.sha256(text.encode()).digest()):
            raise BadProof

    def check_age(self, proof: Claims) -> None:
        """Made within the last minute."""
        iat = proof.get("iat")
        if isinstance(iat, bool) or not isinstance(iat, int) or abs(time.time() - iat) > 60:
            raise BadProof

    def check_key(self, jwk: Claims, claims: Claims) -> None:
        """The key to which the token is bound."""
        cnf = claims.get("cnf")
        if not isinstance(cnf, dict) or cnf.get("jkt") != ECKey.import_key(jwk).thumbprint():
            raise Refused

    def check_replay(self, proof: Claims) -> None:
        """Never seen before; proofs are forgotten only when too old anyway."""
        jti = proof.get("jti")
        if not isinstance(jti, str) or jti in self.seen:
            raise BadProof
        self.seen[jti] = time.time()

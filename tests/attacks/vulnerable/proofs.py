"""Holes in sender-constrained tokens (group I)."""

from __future__ import annotations

from tests.attacks.vulnerable.base import ORIGIN, Claims, SoundServer
from tests.attacks.vulnerable.bound import BoundServer
from tests.attacks.vulnerable.declared import found_by
from tests.attacks.vulnerable.web import Call


@found_by("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10")
class BindingIgnored(BoundServer):
    """Takes a bound token like any other."""

    def check_binding(self, call: Call, text: str, claims: Claims) -> None:
        """No proof is asked for."""


@found_by("I1")
class AnyScheme(BoundServer):
    """Takes a bound token as Bearer."""

    def check_scheme(self, call: Call) -> None:
        """The scheme says nothing."""


@found_by("I2", "I3")
class NoReplayMemory(BoundServer):
    """Remembers no proof."""

    def check_replay(self, proof: Claims) -> None:
        """Only that there is a jti."""
        self.seen.clear()
        super().check_replay(proof)


@found_by("I3")
class ShortMemory(BoundServer):
    """Remembers the last hundred proofs."""

    def check_replay(self, proof: Claims) -> None:
        """The oldest goes."""
        if len(self.seen) >= 100:
            del self.seen[next(iter(self.seen))]
        super().check_replay(proof)


@found_by("I4", "I5")
class AnyRequest(BoundServer):
    """Never asks what a proof was made for."""

    def check_target(self, call: Call, proof: Claims) -> None:
        """Any request."""


@found_by("I5")
class BelievesForwardedHost(BoundServer):
    """Compares htu with what a header says is the host."""

    def url(self, call: Call) -> str:
        """As forwarded."""
        host = call.header("x-forwarded-host")
        return f"https://{host}{call.path}" if host else ORIGIN + call.path


@found_by("I6")
class AnyAccessToken(BoundServer):
    """Never asks for which token a proof was made."""

    def check_hash(self, text: str, proof: Claims) -> None:
        """Any token."""


@found_by("I7")
class AnyKey(BoundServer):
    """Takes a proof by any key."""

    def check_key(self, jwk: Claims, claims: Claims) -> None:
        """Any key."""


@found_by("I8")
class AnyProofType(BoundServer):
    """Takes any token for a proof."""

    def check_proof_header(self, header: Claims) -> Claims:
        """Without typ."""
        return super().check_proof_header({**header, "typ": "dpop+jwt"})


@found_by("I7", "I8")
class ProofUnsigned(BoundServer):
    """Never checks the proof's signature."""

    def check_proof_signature(self, header: Claims, jwk: Claims, signed: str, tail: bytes) -> None:
        """Any signature."""


@found_by("I9")
class AnyAge(BoundServer):
    """Takes proofs of any age."""

    def check_age(self, proof: Claims) -> None:
        """Any time."""


@found_by("I10")
class FirstProofCounts(BoundServer):
    """Reads the first of several proofs."""

    def proofs(self, call: Call) -> list[str]:
        """One of them."""
        return super().proofs(call)[:1]


@found_by("I1", "I11")
class CertificateIgnored(SoundServer):
    """Never looks whether a token is bound to a certificate."""

    def check_binding(self, call: Call, text: str, claims: Claims) -> None:
        """No certificate is asked for."""

"""Signatures over places in a chain: checkpoints in the log, and the head beside it."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jwt_guard.audit.chain import Link

__all__ = ["Checkpoint", "Head", "SealKey", "Seals", "UnusableSealKey", "new_jwk"]

_PURPOSE = b"jwt-guard audit seal v1\n"


class UnusableSealKey(Exception):
    """A sealing key cannot be read, or is no Ed25519 JWK."""


class Checkpoint(msgspec.Struct, frozen=True):
    """A signed statement that a chain stood at a link at some time."""

    chain: str
    sequence: int
    fingerprint: str
    time: float
    kid: str
    signature: str = ""


class Head(msgspec.Struct, frozen=True):
    """A signed statement of where a log begins and where it ends.

    Attributes:
        chain: the chain's id.
        sequence: how many records there are.
        fingerprint: of the newest one.
        size: the current file's size in bytes.
        checkpointed: the sequence number of the last checkpoint.
        opened: when the current file was begun, seconds since 1970 UTC.
        time: when this was written.
        writing: what is being written behind it, None at rest. A head that says so after its
            writer died tells a crash from a log that was cut off.
        purged: the number and fingerprint of the last record that was purged, None while the log
            is whole: it begins behind that one.
        kid: the key that signed.
        signature: by that key, over all the rest.
    """

    chain: str
    sequence: int
    fingerprint: str
    size: int
    checkpointed: int
    opened: float
    time: float
    kid: str
    writing: tuple[int, str] | None = None
    purged: tuple[int, str] | None = None
    signature: str = ""

    @property
    def link(self) -> Link:
        """The place in the chain where the log ends."""
        return Link(self.sequence, self.fingerprint.encode())

    @property
    def start(self) -> Link:
        """The place in the chain behind which it begins."""
        if self.purged is None:
            return Link()
        sequence, fingerprint = self.purged
        return Link(sequence, fingerprint.encode())


_Statement = Checkpoint | Head
_encode = msgspec.json.Encoder().encode


def _signed_bytes(statement: _Statement) -> bytes:
    unsigned = msgspec.structs.replace(statement, signature="")
    return _PURPOSE + type(statement).__name__.encode() + b"\n" + _encode(unsigned)


class Seals:
    """Public keys that are trusted to seal a log.

    Raises:
        UnusableSealKey: there is none.
    """

    def __init__(self, keys: Iterable[Mapping[str, Any]]) -> None:
        self._keys = {thumbprint(jwk): _public(jwk) for jwk in keys}
        if not self._keys:
            raise UnusableSealKey("there is no key")

    @classmethod
    def read(cls, file: Path) -> "Seals":
        """From a JWK or a JWK set.

        Raises:
            UnusableSealKey: it cannot be read.
        """
        document = _document(file)
        return cls(document.get("keys", [document]))

    def know(self, kid: object) -> bool:
        """Whether a key is one of them."""
        return isinstance(kid, str) and kid in self._keys

    def approve(self, statement: _Statement) -> bool:
        """Whether one of the keys signed a statement."""
        key = self._keys.get(statement.kid)
        if key is None:
            return False
        try:
            key.verify(_decoded(statement.signature), _signed_bytes(statement))
        except (InvalidSignature, ValueError):
            return False
        return True


class SealKey:
    """The private key with which a log is sealed."""

    def __init__(self, jwk: Mapping[str, Any]) -> None:
        self._key = _private(jwk)
        self.public_jwk = {"kty": "OKP", "crv": "Ed25519", "x": jwk["x"]}
        self.kid = thumbprint(self.public_jwk)
        self.seals = Seals([self.public_jwk])

    @classmethod
    def read_or_make(cls, file: Path) -> "SealKey":
        """The key in a file, made with mode 600 where there is none.

        Raises:
            UnusableSealKey: it cannot be read.
            OSError: it cannot be made.
        """
        if not file.exists():
            _write_new(file, _encode(new_jwk()))
        return cls(_document(file))

    def sign(self, statement: Any) -> Any:
        """The statement, signed by this key."""
        named = msgspec.structs.replace(statement, kid=self.kid)
        signature = _encoded(self._key.sign(_signed_bytes(named)))
        return msgspec.structs.replace(named, signature=signature)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The RFC 7638 thumbprint of an Ed25519 key, as RFC 8037 section 2 has it."""
    canonical = _encode({"crv": "Ed25519", "kty": "OKP", "x": str(jwk.get("x"))})
    return _encoded(sha256(canonical).digest())


def new_jwk() -> dict[str, str]:
    """A new private Ed25519 JWK."""
    key = Ed25519PrivateKey.generate()
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _encoded(key.public_key().public_bytes_raw()),
        "d": _encoded(key.private_bytes_raw()),
    }


def _write_new(file: Path, content: bytes) -> None:
    """Complete or not at all, and never over what another process wrote meanwhile."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _document(file: Path) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise UnusableSealKey(f"{file.name}: {error}") from None
    if not isinstance(document, dict):
        raise UnusableSealKey(f"{file.name} holds no JWK")
    return document


def _private(jwk: Mapping[str, Any]) -> Ed25519PrivateKey:
    try:
        key = Ed25519PrivateKey.from_private_bytes(_decoded(jwk["d"]))
    except (KeyError, TypeError, ValueError):
        raise UnusableSealKey("not a private Ed25519 JWK") from None
    if _encoded(key.public_key().public_bytes_raw()) != jwk.get("x"):
        raise UnusableSealKey("the JWK's x does not belong to its d")
    return key


def _public(jwk: Mapping[str, Any]) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(_decoded(jwk["x"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnusableSealKey("not an Ed25519 JWK") from None


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))

"""From key material as users have it (JWKS, JWK, PEM, secret) to a `KeySet`.

Only parsed objects and typed keys reach joserfc, for it would take the text of a public key for
an HMAC secret. Keys come in one by one: a bad one is skipped and reported, as RFC 7517 section 5
advises, unless nothing is left or the set as a whole is ambiguous.
"""

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509 import load_pem_x509_certificate
from joserfc.errors import SecurityWarning
from joserfc.jwk import JWKRegistry, OctKey

from jwt_guard.errors import JWTGuardError
from jwt_guard.keys.algorithms import JoseKey, algorithms_for
from jwt_guard.keys.keyset import KeySet, VerifyingKey
from jwt_guard.keys.rules import secret_weakness, weakness_of

__all__ = [
    "Loaded",
    "UnusableKeys",
    "import_jwk",
    "load_jwks",
    "load_pem",
    "load_secret",
    "load_text",
    "refuse_duplicates",
    "refuse_mixture",
    "without_warnings",
]

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
"""What only who signs needs of a key pair (RFC 7518 section 6, RFC 8037 section 2)."""
_log = logging.getLogger("jwt_guard.keys")

MAX_KEYS = 200
"""More keys than any issuer publishes; a longer set is refused."""


class UnusableKeys(JWTGuardError):
    """Key material of which nothing can be used.

    Attributes:
        reasons: why, without any of its value.
        remedy: what would help, where that is more than other keys.
    """

    def __init__(self, *reasons: str, remedy: str | None = None) -> None:
        self.reasons = reasons
        self.remedy = remedy
        super().__init__("; ".join(reasons))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What came of loading.

    Attributes:
        keys: the keys that can be used.
        skipped: why each of the others cannot.
    """

    keys: KeySet
    skipped: tuple[str, ...] = ()


def load_text(text: str, algorithms: Sequence[str]) -> Loaded:
    """Keys from the text of a file: a JWKS, a JWK, or PEM blocks.

    Raises:
        UnusableKeys: nothing in it can be used with these algorithms.
    """
    stripped = text.strip()
    if stripped.startswith("{"):
        return load_jwks(_parsed(stripped), algorithms, symmetric=True)
    if "-----BEGIN " in stripped:  # tools write explanations in front (RFC 7468 section 2)
        return load_pem(stripped, algorithms)
    raise UnusableKeys("neither PEM nor the JSON of a JWK or a JWK set")


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise UnusableKeys("JSON that cannot be read") from None


def load_jwks(document: Any, algorithms: Sequence[str], *, symmetric: bool = False) -> Loaded:
    """Keys from a parsed JWK set (RFC 7517 section 5) or a single JWK.

    Args:
        document: the parsed JSON.
        algorithms: the values of `alg` that the keys may serve, decided by us.
        symmetric: whether secrets may stand in it; never for a set that came over the network.

    Raises:
        UnusableKeys: it is no key set, no key of it can be used, it mixes secrets with public
            keys, or two keys share a `kid`.
    """
    entries = _entries(document)
    refuse_mixture(entries)
    usable: list[VerifyingKey] = []
    skipped: list[str] = []
    for place, entry in enumerate(entries):
        try:
            key = import_jwk(_without_private_part(entry))
            usable.append(_usable(key, algorithms, symmetric=symmetric))
        except UnusableKeys as error:
            skipped.append(f"key {place}: {error}")
    refuse_duplicates(key.kid for key in usable)
    return _loaded(usable, skipped)


def _without_private_part(entry: Any) -> Any:
    """A JWK as verifiers need it: checking that a private part is right takes up to seconds."""
    if not isinstance(entry, Mapping):
        return entry
    return {name: entry[name] for name in entry if name not in _PRIVATE}


def _entries(document: Any) -> list[Any]:
    if not isinstance(document, Mapping):
        raise UnusableKeys("not a JSON object")
    entries = document.get("keys", [document])
    if not isinstance(entries, list):
        raise UnusableKeys("its `keys` is not a list")
    if len(entries) > MAX_KEYS:
        raise UnusableKeys(f"more than {MAX_KEYS} keys")
    return entries


def import_jwk(entry: Any) -> JoseKey:
    """One key from a parsed JWK.

    Raises:
        UnusableKeys: it is malformed, of an unknown type, or not for verifying signatures.
    """
    if not isinstance(entry, Mapping):
        raise UnusableKeys("not a JSON object")
    if entry.get("use", "sig") != "sig":
        raise UnusableKeys("its `use` is not sig")
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not {"verify", "sign"} & {*map(str, operations)}:
        raise UnusableKeys("its `key_ops` do not hold verify")
    if not isinstance(entry.get("kid", "-"), str) or entry.get("kid") == "":
        raise UnusableKeys("its `kid` is not a non-empty string")
    known = {name: entry[name] for name in entry if name not in {"key_ops", "x5c", "x5u"}}
    return _imported(known)


def _imported(entry: Mapping[str, Any]) -> JoseKey:
    try:
        key = without_warnings(JWKRegistry.import_key, dict(entry))
        if not isinstance(key, OctKey):
            key.public_key  # noqa: B018 - numbers that are no key are noticed only here
    except Exception as error:  # noqa: BLE001 - whatever joserfc and cryptography raise
        raise UnusableKeys(f"malformed or unsupported ({type(error).__name__})") from None
    return key


def without_warnings(function: Callable[..., JoseKey], *arguments: Any) -> JoseKey:
    """Call joserfc, which warns of what our own rules refuse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return function(*arguments)


def _usable(key: JoseKey, algorithms: Sequence[str], *, symmetric: bool) -> VerifyingKey:
    if isinstance(key, OctKey) and not symmetric:
        raise UnusableKeys("a secret, where only public keys may stand")
    fitting = algorithms_for(key, algorithms)
    weakness = weakness_of(key, fitting)
    if weakness is not None:
        raise UnusableKeys(weakness)
    if not fitting:
        raise UnusableKeys(f"an {key.key_type} key for none of {', '.join(algorithms)}")
    return VerifyingKey(kid=key.kid, algorithms=fitting, key=key)


def refuse_mixture(entries: Iterable[Any]) -> None:
    """A set of secrets and public keys would let a token choose between them.

    Raises:
        UnusableKeys: these JWKs are such a set (RFC 8725bis section 3.1).
    """
    if len({entry.get("kty") == "oct" for entry in entries if isinstance(entry, Mapping)}) > 1:
        raise UnusableKeys("secrets and public keys in one set")


def refuse_duplicates(kids: Iterable[str | None]) -> None:
    """Keys with one name would leave it to chance which of them verifies.

    Raises:
        UnusableKeys: an identifier occurs twice (RFC 7517 section 4.5).
    """
    repeated = [kid for kid, times in Counter(kids).items() if times > 1 and kid is not None]
    if repeated:
        raise UnusableKeys(f"{len(repeated)} `kid` used by several keys")


def _loaded(usable: list[VerifyingKey], skipped: list[str]) -> Loaded:
    if not usable:
        raise UnusableKeys(*(skipped or ["no keys"]))
    if skipped:
        _log.info("of a key set some are not used: %s", "; ".join(skipped))
    return Loaded(keys=KeySet(usable), skipped=tuple(skipped))


def load_pem(text: str, algorithms: Sequence[str]) -> Loaded:
    """Keys from PEM blocks: public keys, certificates, or private keys (their public part).

    Raises:
        UnusableKeys: none of the blocks can be used with these algorithms.
    """
    usable: list[VerifyingKey] = []
    skipped: list[str] = []
    for place, block in enumerate(_pem_blocks(text)):
        try:
            usable.append(_usable(_pem_key(block), algorithms, symmetric=False))
        except UnusableKeys as error:
            skipped.append(f"PEM block {place}: {error}")
    return _loaded(usable, skipped)


def _pem_blocks(text: str) -> list[bytes]:
    starts = text.split("-----BEGIN ")[1:]
    return [f"-----BEGIN {block}".encode("utf-8", "replace") for block in starts[:MAX_KEYS]]


def _pem_key(block: bytes) -> JoseKey:
    try:
        native = _native_key(block)
        pem = native.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:  # noqa: BLE001 - whatever cryptography raises
        raise UnusableKeys(f"unreadable ({type(error).__name__})") from None
    for key_type in ("RSA", "EC", "OKP"):
        try:
            key = without_warnings(JWKRegistry.import_key, pem, key_type)
            getattr(key, "curve_name", None)  # a curve without a name in JOSE is noticed only here
        except Exception:  # noqa: BLE001, S112 - not of this type
            continue
        return key
    raise UnusableKeys("of a type that signs no token")


def _native_key(block: bytes) -> Any:
    if b"CERTIFICATE" in block:
        return load_pem_x509_certificate(block).public_key()
    if b"PRIVATE" in block:
        return load_pem_private_key(block, password=None).public_key()
    return load_pem_public_key(block)


def load_secret(secret: bytes, algorithms: Sequence[str]) -> Loaded:
    """One HMAC secret.

    Raises:
        UnusableKeys: it is shorter than the hash (RFC 7518 section 3.2), has too little variety
            to be random, or is itself the text of a public key.
    """
    weakness = secret_weakness(secret, algorithms)
    if weakness is not None:
        raise UnusableKeys(weakness)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)  # raised for what resembles a key
            key = OctKey.import_key(secret)
    except (ValueError, SecurityWarning):
        raise UnusableKeys("the text of a public key, which is no secret") from None
    return _loaded([_usable(key, algorithms, symmetric=True)], [])

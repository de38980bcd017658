"""Private keys for encrypted tokens (RFC 7516), each bound to how it may be used.

Never among the algorithms: RSA1_5 (RFC 8725bis section 3.2), and PBES2, whose cost a token would
choose (section 3.13).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import JWKRegistry, OctKey, OKPKey

from jwt_guard.keys.algorithms import JoseKey
from jwt_guard.keys.loading import UnusableKeys, refuse_duplicates, without_warnings
from jwt_guard.keys.rules import weakness_of

__all__ = [
    "CONTENT_ENCRYPTION",
    "KEY_MANAGEMENT",
    "DecryptionKey",
    "load_decryption_keys",
]

_AGREEMENT = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW")
_SHARED = {"A128KW": (16,), "A192KW": (24,), "A256KW": (32,), "dir": (16, 24, 32, 48, 64)}

KEY_MANAGEMENT = ("RSA-OAEP-256", *_AGREEMENT, *_SHARED)
"""Every value of `alg` that a configuration can allow for encrypted tokens."""

CONTENT_ENCRYPTION = (
    "A256GCM",
    "A192GCM",
    "A128GCM",
    "A256CBC-HS512",
    "A192CBC-HS384",
    "A128CBC-HS256",
)
"""Every value of `enc` that a configuration can allow."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecryptionKey:
    """One private or shared key and the algorithms that it may serve.

    Attributes:
        kid: its identifier, or None for a key that has none.
        algorithms: the values of `alg`, decided by us, never by a token.
        key: the key itself; it has no repr.
    """

    kid: str | None
    algorithms: frozenset[str]
    key: JoseKey = field(repr=False)


def load_decryption_keys(
    material: str | Mapping[str, Any], allowed: Collection[str]
) -> tuple[DecryptionKey, ...]:
    """Keys from a JWK, a JWK set, or the PEM of one private key.

    Args:
        material: the text, or the parsed JSON.
        allowed: the values of `alg` that may be used.

    Raises:
        UnusableKeys: one of them cannot be used: what is ours is not skipped.
    """
    if isinstance(material, str) and material.lstrip().startswith("-----BEGIN"):
        return (_bound(_from_pem(material), None, allowed),)
    keys = [_from_jwk(entry, allowed) for entry in _entries(material)]
    refuse_duplicates(key.kid for key in keys)
    return tuple(keys)


def _entries(material: str | Mapping[str, Any]) -> Sequence[Any]:
    try:
        document = msgspec.json.decode(material) if isinstance(material, str) else material
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UnusableKeys("neither PEM nor the JSON of a JWK or a JWK set") from None
    entries = document.get("keys", [document]) if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise UnusableKeys("no key in it")
    return entries


def _from_jwk(entry: Any, allowed: Collection[str]) -> DecryptionKey:
    if not isinstance(entry, Mapping) or entry.get("use", "enc") != "enc":
        raise UnusableKeys("a key that is not for encryption")
    kid = entry.get("kid")
    if kid is not None and (not isinstance(kid, str) or not kid):
        raise UnusableKeys("its `kid` is not a non-empty string")
    known = {name: entry[name] for name in entry if name not in {"key_ops", "x5c", "x5u"}}
    return _bound(_imported(known), kid, allowed)


def _imported(known: Any, key_type: str | None = None) -> JoseKey:
    try:
        arguments = (known, key_type) if key_type else (known,)
        key = without_warnings(JWKRegistry.import_key, *arguments)
        private = bool(key.is_private)
    except Exception as error:  # noqa: BLE001 - whatever joserfc and cryptography raise
        raise UnusableKeys(f"malformed or unsupported ({type(error).__name__})") from None
    if not private:
        raise UnusableKeys("a public key, which decrypts nothing")
    return key


def _from_pem(text: str) -> JoseKey:
    try:
        native = load_pem_private_key(text.encode(), password=None)
    except Exception as error:  # noqa: BLE001 - whatever cryptography raises
        raise UnusableKeys(f"unreadable ({type(error).__name__})") from None
    types = {RSAPrivateKey: "RSA", EllipticCurvePrivateKey: "EC"}
    key_type = next((name for kind, name in types.items() if isinstance(native, kind)), "OKP")
    return _imported(text.encode(), key_type)


def _bound(key: JoseKey, kid: str | None, allowed: Collection[str]) -> DecryptionKey:
    fitting = frozenset(_fitting(key)) & {*allowed}
    weakness = weakness_of(key, ())
    if weakness is not None:
        raise UnusableKeys(weakness)
    if not fitting:
        raise UnusableKeys(f"a {key.key_type} key for none of {', '.join(sorted(allowed))}")
    return DecryptionKey(kid=kid, algorithms=fitting, key=key)


def _fitting(key: JoseKey) -> Collection[str]:
    """The algorithms that a key can serve; the one that it names, where it names one."""
    if isinstance(key, OctKey):
        sizes = _SHARED.get(str(key.alg), ())
        return [str(key.alg)] if len(key.raw_value) in sizes else []
    if isinstance(key, OKPKey) and not str(key.curve_name).startswith("X"):
        return []  # it signs
    able = ("RSA-OAEP-256",) if key.key_type == "RSA" else _AGREEMENT
    return [name for name in able if key.alg in {None, name}]

"""Keys in an attacker's hands: the target's public ones, his own, and those the owner lends."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeyParameters, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from jwt_guard.attacks.forge import HASHES, HmacSigner, Signer, b64

AnyPublic = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)
AsymmetricKey = RSAKey | ECKey | OKPKey
KEY_MEMBERS = frozenset(["kty", "n", "e", "d", "p", "q", "dp", "dq", "qi", "crv", "x", "y"])
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}


class BadKey(ValueError):
    """A key that the user named cannot be used; the message never holds key material."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """One published key: the JWK as it was published, and the key in it."""

    jwk: Mapping[str, object]
    key: AnyPublic

    @property
    def kid(self) -> str | None:
        """The key id, if it is text."""
        kid = self.jwk.get("kid")
        return kid if isinstance(kid, str) else None

    @property
    def pem(self) -> bytes:
        """SubjectPublicKeyInfo in PEM, ending in a newline as OpenSSL writes it."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def der(self) -> bytes:
        """SubjectPublicKeyInfo in DER."""
        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def ssh(self) -> bytes | None:
        """The one-line OpenSSH form, where that exists."""
        try:
            return self.key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        except ValueError:
            return None

    @property
    def pkcs1(self) -> bytes | None:
        """PKCS#1 PEM, of RSA keys only."""
        if not isinstance(self.key, rsa.RSAPublicKey):
            return None
        return self.key.public_bytes(Encoding.PEM, PublicFormat.PKCS1)

    @property
    def point(self) -> bytes | None:
        """The uncompressed point of an EC key, or an Edwards key's raw bytes."""
        if isinstance(self.key, ec.EllipticCurvePublicKey):
            return self.key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        if isinstance(self.key, rsa.RSAPublicKey):
            return None
        return self.key.public_bytes(Encoding.Raw, PublicFormat.Raw)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class JoseSigner:
    """A private key under one algorithm."""

    key: AsymmetricKey
    alg: str
    kid: str | None = None

    def sign(self, message: bytes) -> bytes:
        """The signature over the message."""
        signature: bytes = JWSRegistry.algorithms[self.alg].sign(message, self.key)
        return signature

    def under(self, alg: str) -> JoseSigner | None:
        """The same key under another algorithm, or None where the two do not fit."""
        signer = JoseSigner(key=self.key, alg=alg, kid=self.kid)
        try:
            signer.sign(b"")
        except (JoseError, KeyError, ValueError, TypeError, AttributeError):
            return None
        return signer

    @property
    def public_jwk(self) -> dict[str, object]:
        """The public half as a JWK."""
        jwk: dict[str, object] = dict(self.key.as_dict(private=False))
        return jwk if self.kid is None else {**jwk, "kid": self.kid}

    def __repr__(self) -> str:
        return f"JoseSigner(alg={self.alg!r}, kid={self.kid!r})"


def _asymmetric(jwk: Mapping[str, object]) -> AsymmetricKey:
    kinds: dict[object, type[AsymmetricKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    kind = kinds.get(jwk.get("kty"))
    if kind is None:
        raise BadKey("not an RSA, EC or OKP key")
    wanted = {k: v for k, v in jwk.items() if k in KEY_MEMBERS and isinstance(v, str)}
    try:
        with warnings.catch_warnings():
            # A weak key is a finding of C6, not a warning about the attacking side.
            warnings.simplefilter("ignore")
            return kind.import_key(dict(wanted), parameters=_named(jwk))
    except (JoseError, ValueError, TypeError, KeyError):
        raise BadKey("the key's members do not fit together") from None


def _named(jwk: Mapping[str, object]) -> KeyParameters | None:
    kid = jwk.get("kid")
    return {"kid": kid} if isinstance(kid, str) else None


def public_key(jwk: Mapping[str, object]) -> PublicKey:
    """The public key that a JWK holds. Raises BadKey."""
    key = _asymmetric(jwk).public_key
    if not isinstance(key, AnyPublic):
        raise BadKey("no signature key")
    return PublicKey(jwk=jwk, key=key)


def public_keys(text: str) -> tuple[PublicKey, ...]:
    """The usable public keys of a JWKS, a JWK or a PEM text. Raises BadKey when there is none."""
    found: list[PublicKey] = []
    for jwk in raw_jwks(text):
        try:
            found.append(public_key(jwk))
        except BadKey:
            continue
    if not found:
        raise BadKey("no usable public key in it")
    return tuple(found)


def raw_jwks(text: str) -> tuple[Mapping[str, object], ...]:
    """The JWKs of a JWKS, a JWK or a PEM text, unchecked. Raises BadKey."""
    if "-----BEGIN" in text:
        return (_pem_jwk(text),)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise BadKey("neither PEM nor JSON") from None
    keys = document.get("keys", [document]) if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise BadKey("not a JWK or a JWK set")
    return tuple(key for key in keys if isinstance(key, dict))


def _pem_jwk(text: str) -> Mapping[str, object]:
    try:
        key = load_pem_public_key(text.encode())
    except ValueError:
        raise BadKey("the PEM holds no public key") from None
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            return dict(kind.import_key(pem).as_dict(private=False))
        except (JoseError, ValueError, TypeError):
            continue
    raise BadKey("no signature key")


def signer_from(text: str, *, alg: str, kid: str | None) -> Signer:
    """The owner's signing key: a private JWK or JWKS, a PEM, or the text of an HMAC secret.

    Raises BadKey when the key does not fit the algorithm.
    """
    if alg in HASHES:
        return HmacSigner(key=_secret(text), alg=alg, kid=kid)
    if alg not in JWSRegistry.algorithms or alg == "none":
        raise BadKey(f"no such algorithm: {alg!r}")
    key = _private(text, kid)
    return JoseSigner(key=key, alg=alg, kid=key.kid or kid)


def _secret(text: str) -> bytes:
    stripped = text.strip()
    if not stripped.startswith("{"):
        return stripped.encode()
    (jwk, *_) = raw_jwks(stripped)
    try:
        return OctKey.import_key({k: v for k, v in jwk.items() if isinstance(v, str)}).raw_value
    except (JoseError, ValueError, KeyError):
        raise BadKey("not an oct JWK") from None


def _private(text: str, kid: str | None) -> AsymmetricKey:
    key = _private_pem(text) if "-----BEGIN" in text else _private_jwk(text, kid)
    if not key.is_private:
        raise BadKey("that is a public key; a signing key is private")
    return key


def _private_jwk(text: str, kid: str | None) -> AsymmetricKey:
    jwks = raw_jwks(text)
    if not jwks:
        raise BadKey("the set is empty")
    return _asymmetric(next((jwk for jwk in jwks if jwk.get("kid") == kid), jwks[0]))


def _private_pem(text: str) -> AsymmetricKey:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        raise BadKey("the PEM holds no unencrypted private key") from None
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAKey.import_key(key)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ECKey.import_key(key)
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return OKPKey.import_key(key)
    raise BadKey("not an RSA, EC or Edwards key")


def natural_algorithm(key: AsymmetricKey) -> str:
    """The algorithm that a key of that kind is used with when nobody says otherwise."""
    if isinstance(key, RSAKey):
        return "RS256"
    if isinstance(key, ECKey):
        return CURVES[key.public_key.curve.name]
    return "Ed448" if isinstance(key.public_key, ed448.Ed448PublicKey) else "Ed25519"


def proof_signer(text: str) -> JoseSigner:
    """A DPoP key: a private JWK or PEM. Raises BadKey."""
    key = _private(text, None)
    return JoseSigner(key=key, alg=natural_algorithm(key))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AttackerKeys:
    """The attacker's own keys, made once for each run."""

    rsa: JoseSigner
    ec: JoseSigner
    secret: bytes = field(default=b"attacker-controlled-secret-of-32+bytes")

    def like(self, alg: str) -> JoseSigner:
        """A key of the attacker's that suits the algorithm; RSA where it is unknown."""
        key = self.ec if alg.startswith("E") else self.rsa
        return JoseSigner(key=key.key, alg=_alg_for(key, alg), kid=key.kid)


def _alg_for(signer: JoseSigner, alg: str) -> str:
    usable = isinstance(signer.key, RSAKey) and alg[:2] in {"RS", "PS"}
    return alg if usable and alg in JWSRegistry.algorithms else signer.alg


@cache
def attacker_keys() -> AttackerKeys:
    """The attacker's keys; making an RSA key takes a tenth of a second, so once a process."""
    return AttackerKeys(
        rsa=JoseSigner(key=RSAKey.generate_key(2048), alg="RS256", kid="attacker-rsa"),
        ec=JoseSigner(key=ECKey.generate_key("P-256"), alg="ES256", kid="attacker-ec"),
    )


def thumbprint(signer: JoseSigner) -> str:
    """The SHA-256 JWK thumbprint of a signer's key (RFC 7638)."""
    return signer.key.thumbprint()


def integer(value: int) -> str:
    """An integer as base64url of its big-endian bytes (RFC 7518, section 2)."""
    return b64(value.to_bytes((value.bit_length() + 7) // 8 or 1, "big"))


def attacker_jwks() -> tuple[Mapping[str, object], ...]:
    """The attacker's public keys, as a callback listener hands them out."""
    keys = attacker_keys()
    return keys.rsa.public_jwk, keys.ec.public_jwk

"""Group B: can the token choose the algorithm by which it is judged?"""

from __future__ import annotations

import json
from collections.abc import Iterator

from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey

from jwt_guard.attacks import forge
from jwt_guard.attacks.context import Context
from jwt_guard.attacks.ecdsa import recovered_keys
from jwt_guard.attacks.forge import b64, compact, dumps, header_of, rehashed
from jwt_guard.attacks.material import PublicKey
from jwt_guard.attacks.model import Attack, Need, Probe, Severity, each

BIND = (
    "Bind one algorithm to each key and take it from the key, never from the token; "
    "keep HMAC secrets and public keys apart."
)
HMACS = ("HS256", "HS384", "HS512")


def _pem(context: Context) -> Iterator[Probe]:
    for alg in HMACS:
        text = rehashed(context.token, context.known_key.pem, alg)
        yield context.attempt(text, f"{alg} keyed with the PEM")


def pem_forms(key: PublicKey) -> dict[str, bytes]:
    """The spellings of a public key in which it may lie in a target's configuration."""
    pem = key.pem
    lines = pem.decode().splitlines()
    forms = {
        "PEM without the last newline": pem.rstrip(b"\n"),
        "PEM with CRLF": pem.replace(b"\n", b"\r\n"),
        "PEM with two newlines": pem + b"\n",
        "PEM with a leading newline": b"\n" + pem,
        "PEM with a leading space": b" " + pem,
        "PEM with text before it": b"public key:\n" + pem,
        "PEM's base64 in one line": "".join(lines[1:-1]).encode(),
        "PEM with literal \\n": "\\n".join(lines).encode(),
        "DER": key.der,
    }
    optional = {"PKCS#1 PEM": key.pkcs1, "OpenSSH": key.ssh}
    forms |= {name: form for name, form in optional.items() if form is not None}
    if key.pkcs1 is not None:
        forms["PKCS#1 PEM without the last newline"] = key.pkcs1.rstrip(b"\n")
    return forms


def _pem_variants(context: Context) -> Iterator[Probe]:
    for name, form in pem_forms(context.known_key).items():
        yield context.attempt(rehashed(context.token, form), f"HS256 keyed with {name}")


def jwk_forms(context: Context) -> dict[str, bytes]:
    """The spellings of the key as JSON that an attacker can copy from the published set."""
    jwk = dict(context.known_key.jwk)
    whole = {"keys": [dict(key) for key in context.jwks] or [jwk]}
    forms = {}
    for name, value in (("JWK", jwk), ("JWKS", whole)):
        forms[f"{name}, compact"] = dumps(value)
        forms[f"{name}, with spaces"] = json.dumps(value).encode()
        forms[f"{name}, indented"] = json.dumps(value, indent=2).encode()
        forms[f"{name}, sorted"] = json.dumps(value, sort_keys=True).encode()
    members = {"n": jwk.get("n"), "x": jwk.get("x")}
    return forms | {f"member {n}": str(v).encode() for n, v in members.items() if v}


def _jwk_text(context: Context) -> Iterator[Probe]:
    for name, form in jwk_forms(context).items():
        yield context.attempt(rehashed(context.token, form), f"HS256 keyed with the {name}")


def _derived(context: Context) -> Iterator[Probe]:
    for key in recovered_keys(context.token):
        for name, form in {"PEM": key.pem, **pem_forms(key)}.items():
            text = rehashed(context.token, form)
            yield context.attempt(text, f"HS256 keyed with the recovered key's {name}")


def _ec_bytes(context: Context) -> Iterator[Probe]:
    key = context.known_key
    point = forge.unb64(str(key.jwk["x"])), forge.unb64(str(key.jwk.get("y", "")))
    forms = {
        "x": point[0],
        "y": point[1],
        "x || y": b"".join(point),
        "the uncompressed point": key.point or b"",
        "the point in hexadecimal": (key.point or b"").hex().encode(),
    }
    for name, form in forms.items():
        yield context.attempt(rehashed(context.token, form), f"HS256 keyed with {name}")


def _hmac_under_kid(context: Context) -> Iterator[Probe]:
    key = context.known_key
    raw = key.point or forge.unb64(str(key.jwk.get("n", "")))
    for alg in HMACS:
        for name, form in {"raw key bytes": raw, "DER": key.der}.items():
            text = rehashed(context.token, form, alg)
            yield context.attempt(text, f"{alg} under the key's own kid, keyed with {name}")


def _other_family(alg: str) -> tuple[str, ...]:
    """Algorithms that a key set often allows beside the given one."""
    families = ("RS256", "ES256", "Ed25519", "EdDSA", "HS256", "PS256")
    return tuple(name for name in families if name[:2] != alg[:2])


def _foreign_key(context: Context) -> Iterator[Probe]:
    for alg in _other_family(context.token.alg):
        header = header_of(context.token, alg=alg)
        body = context.token.segments[1]
        label = f"{alg} over the key of {context.token.alg}"
        yield context.attempt(compact(header, body, context.token.signature), label)
    for signer in (context.attacker.rsa, context.attacker.ec):
        header = header_of(context.token, alg=signer.alg)
        text = forge.sign(signer, header, context.fresh())
        yield context.attempt(text, f"{signer.alg} by the attacker under the key's kid")


SWITCHES = {
    "RS256": ("PS256", "RS384", "RS512", "RS1"),
    "RS384": ("PS384", "RS256", "RS512"),
    "RS512": ("PS512", "RS256", "RS384"),
    "PS256": ("RS256", "PS384", "PS512"),
    "PS384": ("RS384", "PS256", "PS512"),
    "PS512": ("RS512", "PS256", "PS384"),
    "ES256": ("ES384", "ES512", "ES256K"),
    "ES384": ("ES256", "ES512"),
    "ES512": ("ES256", "ES384"),
    "HS256": ("HS384", "HS512"),
    "HS384": ("HS256", "HS512"),
    "HS512": ("HS256", "HS384"),
    "EdDSA": ("Ed448", "ES256"),
    "Ed25519": ("Ed448", "ES256"),
}


def _switched(context: Context) -> Iterator[Probe]:
    for alg in SWITCHES.get(context.token.alg, ()):
        header = header_of(context.token, alg=alg)
        text = compact(header, context.token.segments[1], context.token.signature)
        yield context.attempt(text, f"header says {alg}, signature is {context.token.alg}'s")
        yield from _truly_switched(context, alg)


def _truly_switched(context: Context, alg: str) -> Iterator[Probe]:
    """With the owner's key: a true signature under an algorithm that was not agreed on."""
    signer = context.signer.under(alg) if context.signer else None
    if signer is not None:
        text = forge.sign(signer, header_of(context.token, alg=alg), context.fresh())
        label = f"truly signed under {alg} by the same key"
        yield context.attempt(text, label, severity=Severity.LOW)


def _unprotected(context: Context) -> Iterator[Probe]:
    protected = b64(dumps(header_of(context.token, alg=None)))
    payload = context.token.segments[1]
    signature = b64(context.token.signature)
    for alg in ("none", "HS256", context.token.alg):
        document = {
            "payload": payload,
            "protected": protected,
            "header": {"alg": alg},
            "signature": signature if alg == context.token.alg else "",
        }
        yield context.attempt(json.dumps(document), f"alg {alg} in the unprotected header")


def _spelled(context: Context) -> Iterator[Probe]:
    alg, payload = context.token.alg, context.token.segments[1]
    for spelling in (alg.lower(), f"{alg} ", f" {alg}", f"{alg}\t", f"{alg}\u0000", alg[:-1]):
        header = header_of(context.token, alg=spelling)
        text = compact(header, payload, context.token.signature)
        yield context.attempt(text, f"alg {spelling!r}")
        signed = context.signer
        if signed is not None:
            label = f"alg {spelling!r}, truly signed"
            yield context.attempt(forge.sign(signed, header, context.fresh()), label)


def encrypted(context: Context, plaintext: bytes, **header: object) -> Iterator[tuple[str, str]]:
    """The plaintext encrypted to the target's public key: label and JWE."""
    key = encryption_key(context.known_key)
    algs = ("RSA-OAEP", "RSA-OAEP-256") if isinstance(key, RSAKey) else ("ECDH-ES",)
    if key is None:
        return
    for alg in algs:
        head = {"alg": alg, "enc": "A128GCM", "kid": context.known_key.kid, **header}
        head = {name: value for name, value in head.items() if value is not None}
        allowed = [alg, "A128GCM", "DEF"]
        yield alg, jwe.encrypt_compact(head, plaintext, key, algorithms=allowed)


def encryption_key(key: PublicKey) -> RSAKey | ECKey | None:
    """The public key as one to encrypt to; None for kinds that cannot."""
    kinds: dict[object, type[RSAKey | ECKey]] = {"RSA": RSAKey, "EC": ECKey}
    kind = kinds.get(key.jwk.get("kty"))
    members = {k: str(v) for k, v in key.jwk.items() if k in {"kty", "n", "e", "crv", "x", "y"}}
    return None if kind is None else kind.import_key(dict(members))


def _encrypted_claims(context: Context) -> Iterator[Probe]:
    for alg, text in encrypted(context, dumps(context.fresh())):
        yield context.attempt(text, f"claims encrypted by {alg} to the public key")


def _encrypted_unsigned(context: Context) -> Iterator[Probe]:
    inner = compact(header_of(context.token, alg="none"), context.fresh(), b"")
    for alg, text in encrypted(context, inner.encode(), cty="JWT"):
        yield context.attempt(text, f"an unsigned token inside a JWE by {alg}")


ATTACKS = (
    Attack(
        id="B1",
        title="HMAC keyed with the public key's PEM",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.1", "CVE-2015-9235", "ASVS 9.1.2"),
        needs=(Need.ASYMMETRIC_TOKEN, Need.PUBLIC_KEY),
        play=each(_pem),
        proves="Anyone who knows the public key signs tokens with it.",
        remedy=BIND,
    ),
    Attack(
        id="B2",
        title="HMAC keyed with other spellings of the public key",
        severity=Severity.CRITICAL,
        references=("CVE-2022-29217", "CVE-2026-34950", "CVE-2026-102268"),
        needs=(Need.ASYMMETRIC_TOKEN, Need.PUBLIC_KEY),
        play=each(_pem_variants),
        proves="The public key is an HMAC secret in a spelling that a deny-list does not know.",
        remedy=BIND,
    ),
    Attack(
        id="B3",
        title="HMAC keyed with the JWK's or JWKS's text",
        severity=Severity.CRITICAL,
        references=("CVE-2026-48526", "RFC 8725bis 3.1"),
        needs=(Need.ASYMMETRIC_TOKEN, Need.PUBLIC_KEY),
        play=each(_jwk_text),
        proves="The published JSON is used as an HMAC secret.",
        remedy=BIND,
    ),
    Attack(
        id="B4",
        title="HMAC keyed with a public key derived from a signature",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.1", "SEC 1 4.1.6"),
        needs=(Need.RECOVERABLE_TOKEN,),
        play=each(_derived),
        proves="Keeping the public key unpublished is no protection against B1.",
        remedy=BIND,
    ),
    Attack(
        id="B5",
        title="HMAC keyed with the bytes of an EC key",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.1",),
        needs=(Need.EC_PUBLIC_KEY,),
        play=each(_ec_bytes),
        proves="An EC public key is used as a symmetric one.",
        remedy=BIND,
    ),
    Attack(
        id="B6",
        title="HMAC under the kid of a JWK without alg",
        severity=Severity.CRITICAL,
        references=("CVE-2026-22817", "CVE-2026-44699", "RFC 7517 4.4"),
        needs=(Need.ASYMMETRIC_TOKEN, Need.PUBLIC_KEY),
        play=each(_hmac_under_kid),
        proves="Where a JWK names no algorithm, the token's header chooses one.",
        remedy=BIND,
    ),
    Attack(
        id="B7",
        title="An allowed algorithm with a key bound to another",
        severity=Severity.CRITICAL,
        references=("CVE-2026-48523", "RFC 8725bis 3.1"),
        play=each(_foreign_key),
        proves="Key and algorithm are checked apart, or their mismatch breaks the target.",
        remedy=BIND,
    ),
    Attack(
        id="B8",
        title="RS and PS, hash or curve switched",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.1", "RFC 7518 3.1"),
        play=each(_switched),
        proves="A key serves algorithms that nobody agreed on.",
        remedy=BIND,
    ),
    Attack(
        id="B9",
        title="alg in an unprotected header",
        severity=Severity.HIGH,
        references=("RFC 7515 10.7", "RFC 8725bis 3.1"),
        play=each(_unprotected),
        proves="An algorithm that no signature covers is obeyed.",
        remedy="Take the compact form only.",
    ),
    Attack(
        id="B10",
        title="Misspelled algorithm names",
        severity=Severity.MEDIUM,
        references=("RFC 7515 4.1.1", "RFC 8725bis 3.1"),
        play=each(_spelled),
        proves="Algorithm names are normalised, so a deny-list can be passed by.",
        remedy="Compare `alg` exactly with the allow-list.",
    ),
    Attack(
        id="B11",
        title="JWE encrypted to the target's public key",
        severity=Severity.CRITICAL,
        references=("CVE-2023-51774", "RFC 8725bis 3.3"),
        needs=(Need.ENCRYPTION_KEY,),
        play=each(_encrypted_claims),
        proves="Encryption, which everyone can do, is taken for a signature.",
        remedy="Take encrypted tokens only when agreed, with keys of their own, and signed inside.",
    ),
    Attack(
        id="B12",
        title="JWE around an unsigned token",
        severity=Severity.CRITICAL,
        references=("CVE-2026-29000", "RFC 8725bis 3.3"),
        needs=(Need.ENCRYPTION_KEY,),
        play=each(_encrypted_unsigned),
        proves="The token inside is believed because it was encrypted.",
        remedy="Verify the inner token as strictly as any other.",
    ),
)

"""Group C: are the keys themselves strong, separate and current?"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

from jwt_guard.attacks import forge
from jwt_guard.attacks.context import Context
from jwt_guard.attacks.forge import HASHES, HmacSigner, Json, header_of, rehashed
from jwt_guard.attacks.model import (
    Attack,
    CannotTest,
    Need,
    Play,
    Probe,
    Rule,
    Severity,
    each,
    hole,
    safe,
)
from jwt_guard.attacks.wordlist import FEW, weak_secrets

STRONG = (
    "Use a random secret at least as long as the hash (32 bytes for HS256), or asymmetric keys."
)
SECRET_FORM = (
    "Make it with `jwt-guard keys`, keep it out of the source, and rotate the old one now."
)


def _crack(context: Context) -> Play:
    secret = _guessed(context)
    if secret is None:
        yield Rule(about="generated and given words", ruling=safe("no word is the secret"))
        return
    says = f"the HMAC secret is a guessable word of {len(secret)} characters"
    yield Rule(about="offline guessing", ruling=hole(says))


def _guessed(context: Context) -> str | None:
    token = context.token
    message, digest = token.signing_input.encode(), HASHES.get(token.alg, "sha256")
    wanted = token.signature
    for words in (context.plan.words, weak_secrets()):
        for word in words:
            if hmac.digest(word.encode("utf-8", "surrogatepass"), message, digest) == wanted:
                return word
    return None


def _empty_key(context: Context) -> Iterator[Probe]:
    for alg in HASHES:
        for name, key in {"no key": b"", "one null byte": bytes(1)}.items():
            yield context.attempt(rehashed(context.token, key, alg), f"{alg} keyed with {name}")


UNKNOWN_KIDS = ("no-such-key", "null", "none", "undefined", "0", "-1", "__proto__", "constructor")


def _unknown_kid(context: Context) -> Iterator[Probe]:
    for kid in UNKNOWN_KIDS:
        for name, key in {"nothing": b"", "'None'": b"None", "'null'": b"null"}.items():
            text = rehashed(context.token, key, kid=kid)
            yield context.attempt(text, f"kid {kid!r}, HS256 keyed with {name}")
    header = header_of(context.token, kid=None)
    for key in (b"", b"None"):
        text = forge.sign(forge.HmacSigner(key=key), {**header, "alg": "HS256"}, context.fresh())
        yield context.attempt(text, "no kid at all, HS256 keyed with nothing")


def _few_words(context: Context) -> Iterator[Probe]:
    for word in (*FEW, *context.plan.words[:20]):
        text = rehashed(context.token, word.encode("utf-8", "surrogatepass"))
        yield context.attempt(text, f"HS256 keyed with a common word of {len(word)} letters")


def _short_secret(context: Context) -> Play:
    """That the key at hand signs for the target was proved before any attack began."""
    signer = context.owner
    if not isinstance(signer, HmacSigner):
        raise CannotTest("the signing key is no HMAC secret")
    given, wanted = len(signer.key), hashlib.new(HASHES[signer.alg]).digest_size
    says = f"{given} bytes, where {signer.alg} asks for {wanted}"
    yield Rule(about="the secret in use", ruling=hole(says) if given < wanted else safe(says))


SMALL_PRIMES = (
    3,
    5,
    7,
    11,
    13,
    17,
    19,
    23,
    29,
    31,
    37,
    53,
    61,
    71,
    73,
    79,
    97,
    103,
    107,
    109,
    127,
    151,
    157,
)


def roca(modulus: int) -> bool:
    """Whether a modulus bears the mark of CVE-2017-15361: a power of 65537 modulo small primes."""
    return all(_is_power(modulus % prime, prime) for prime in SMALL_PRIMES)


def _is_power(residue: int, prime: int) -> bool:
    value = 1
    for _ in range(prime):
        if value == residue:
            return True
        value = value * 65537 % prime
    return False


def _weak_keys(context: Context) -> Play:
    for number, jwk in enumerate(context.jwks):
        about = f"published key {jwk.get('kid') or number}"
        flaw = _flaw(jwk)
        ruling = safe("nothing weak seen") if flaw is None else hole(flaw)
        yield Rule(about=about, ruling=ruling)


def _flaw(jwk: Json) -> str | None:
    if jwk.get("kty") != "RSA":
        return None
    try:
        n, e = (int.from_bytes(forge.unb64(str(jwk[name])), "big") for name in ("n", "e"))
    except (KeyError, ValueError):
        return "an RSA key without readable n and e"
    if n.bit_length() < 2048:
        return f"an RSA key of {n.bit_length()} bits"
    if e < 3 or e % 2 == 0:
        return f"an RSA key with the public exponent {e}"
    return "an RSA key with the ROCA weakness" if roca(n) else None


def _mixed_set(context: Context) -> Play:
    kids = [jwk["kid"] for jwk in context.jwks if isinstance(jwk.get("kid"), str)]
    twice = sorted({str(kid) for kid in kids if kids.count(kid) > 1})
    secrets = [jwk for jwk in context.jwks if jwk.get("kty") == "oct"]
    private = [jwk for jwk in context.jwks if "d" in jwk]
    flaws = {
        f"the kid {', '.join(twice)} stands for several keys": (twice, Severity.LOW),
        "a symmetric secret is published": (secrets, Severity.CRITICAL),
        "a private key is published": (private, Severity.CRITICAL),
    }
    for says, (found, severity) in flaws.items():
        if found:
            yield Rule(about="the published set", ruling=hole(says, severity))
    yield Rule(about="the published set", ruling=safe(f"{len(context.jwks)} keys read"))


def _wrong_use(context: Context) -> Play:
    jwk = context.known_key.jwk
    operations = jwk.get("key_ops")
    if jwk.get("use") not in {None, "sig"}:
        yield Rule(about="the verifying key", ruling=hole(f"it is published for {jwk['use']!r}"))
    elif isinstance(operations, list) and "verify" not in operations:
        yield Rule(about="the verifying key", ruling=hole("its key_ops do not hold verify"))
    else:
        yield Rule(about="the verifying key", ruling=safe("published for signatures"))


def _retired(context: Context) -> Iterator[Probe]:
    retired = context.retired
    if retired is None:
        return
    for kid in (retired.kid, context.token.kid, None):
        text = forge.sign(retired, header_of(context.token, kid=kid), context.fresh())
        yield context.attempt(text, f"signed by the retired key, kid {kid!r}")


ATTACKS = (
    Attack(
        id="C1",
        title="Guessing the HMAC secret",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.5", "RFC 7518 3.2"),
        needs=(Need.HMAC_TOKEN,),
        play=_crack,
        expected="no word of the list is the secret (tried offline, nothing is sent)",
        proves="Anyone with one token finds the secret and signs whatever he likes.",
        remedy=f"{STRONG} {SECRET_FORM}",
    ),
    Attack(
        id="C2",
        title="HMAC with an empty key",
        severity=Severity.CRITICAL,
        references=("CVE-2026-49852", "CVE-2026-45363", "RFC 8725bis 3.5"),
        play=each(_empty_key),
        proves="A secret that was never set is the empty one.",
        remedy=f"Refuse to start without a secret. {STRONG}",
    ),
    Attack(
        id="C3",
        title="Unknown kid that resolves to an empty key",
        severity=Severity.CRITICAL,
        references=("CVE-2026-44351", "RFC 8725bis 3.10"),
        play=each(_unknown_kid),
        proves="A key id that nobody knows gives a key that everybody knows.",
        remedy="Refuse a token whose kid is not in the issuer's key set.",
    ),
    Attack(
        id="C4",
        title="HMAC with common words",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.1", "RFC 8725bis 3.5"),
        play=each(_few_words),
        proves="A forgotten development secret is still accepted.",
        remedy="Allow only the algorithm in use, and drop every key that is not.",
    ),
    Attack(
        id="C5",
        title="HMAC key shorter than the hash",
        severity=Severity.MEDIUM,
        references=("RFC 7518 3.2", "RFC 8725bis 3.5"),
        needs=(Need.HMAC_TOKEN, Need.SIGNING_KEY),
        play=_short_secret,
        expected="a secret at least as long as the hash (measured, nothing is sent)",
        proves="A key is easier to find than the hash is to break.",
        remedy=STRONG,
    ),
    Attack(
        id="C6",
        title="Weak RSA keys: short, tiny exponent, ROCA",
        severity=Severity.HIGH,
        references=("RFC 7518 3.3", "CVE-2017-15361", "RFC 8725bis 3.5"),
        needs=(Need.KEY_SET,),
        play=_weak_keys,
        expected="every published key is strong (read, nothing is sent)",
        proves="The private key can be computed from the published one.",
        remedy="Make a new RSA key of 2048 bits or more with exponent 65537, or use ES256.",
    ),
    Attack(
        id="C7",
        title="Duplicate kid, or secrets among published keys",
        severity=Severity.CRITICAL,
        references=("RFC 7517 4.5", "RFC 7517 9.2"),
        needs=(Need.KEY_SET,),
        play=_mixed_set,
        expected="every kid once, and public keys only (read, nothing is sent)",
        proves="The set gives secrets away, or does not say which key is meant.",
        remedy="Publish public keys only, each under a kid of its own.",
    ),
    Attack(
        id="C8",
        title="Key published for another use",
        severity=Severity.LOW,
        references=("RFC 7517 4.2", "RFC 7517 4.3"),
        needs=(Need.PUBLIC_KEY,),
        play=_wrong_use,
        expected="the verifying key's use is sig, or unstated",
        proves="One key serves two purposes, so that one can be turned against the other.",
        remedy="Keep keys for signing and encryption apart and publish their use.",
    ),
    Attack(
        id="C9",
        title="Retired key",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.8", "ASVS 9.1.3"),
        needs=(Need.RETIRED_KEY,),
        play=each(_retired),
        proves="Who once had the key still has the power.",
        remedy="Drop a retired key from the trusted set as soon as its last token has expired.",
    ),
)

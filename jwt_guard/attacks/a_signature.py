"""Group A: is the signature checked at all, and strictly?"""

from __future__ import annotations

import json
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from jwt_guard.attacks import forge
from jwt_guard.attacks.context import Context
from jwt_guard.attacks.forge import b64, compact, header_of, payload_of
from jwt_guard.attacks.model import (
    Attack,
    Exchange,
    Need,
    Outcome,
    Play,
    Probe,
    Ruling,
    Send,
    Severity,
    Turn,
    ask,
    each,
    hole,
    must_refuse,
    safe,
    unclear,
)

CANARY = "canary-7f3a91"
ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
        16,
    ),
    "ES512": int(
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
        16,
    ),
    "ES256K": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
}
VERIFY = "Verify the signature of every token before reading a claim, by a maintained library."


def _no_token(context: Context) -> Iterator[Probe]:
    yield context.attempt(None, "no token", check=_challenge)


def _challenge(exchange: Exchange) -> Ruling:
    challenge = exchange.answer.header("WWW-Authenticate")
    if exchange.outcome is not Outcome.REFUSED:
        return must_refuse(exchange)
    if exchange.answer.status != 401:
        return hole(f"{exchange.answer.status} instead of 401", Severity.INFO)
    if challenge is None:
        return hole("401 without WWW-Authenticate", Severity.INFO)
    if "error=" in challenge:
        return hole("the challenge names an error though no token was sent", Severity.INFO)
    return safe("401 with a bare challenge")


def _edited_payload(context: Context) -> Iterator[Probe]:
    header, _, signature = context.token.segments
    for label, claims in _edits(context):
        yield context.attempt(compact(header, claims, signature), label)


def _edits(context: Context) -> Iterator[tuple[str, dict[str, object]]]:
    token = context.token
    yield "a claim added", payload_of(token, edited=True)
    yield "another subject", payload_of(token, sub="admin")
    yield "role admin", payload_of(token, roles=["admin"], role="admin", scope="admin")


def _truncated(context: Context) -> Iterator[Probe]:
    signature, signed = context.token.signature, context.token.signing_input
    for kept in (len(signature) - 1, len(signature) // 2, 16, 8, 1):
        if kept < len(signature):
            yield context.attempt(f"{signed}.{b64(signature[:kept])}", f"{kept} bytes kept")


def _no_signature(context: Context) -> Iterator[Probe]:
    yield context.attempt(f"{context.token.signing_input}.", "signature empty")


def _segments(context: Context) -> Iterator[Probe]:
    text, (header, payload, signature) = context.token.text, context.token.segments
    yield context.attempt(f"{header}.{payload}", "two segments")
    yield context.attempt(header, "one segment")
    yield context.attempt(f"{text}.", "a fourth, empty segment")
    yield context.attempt(f"{text}.{signature}", "a fourth segment")
    yield context.attempt(f"{text}.x.y", "five segments")
    yield context.attempt(f".{text}", "a leading dot")


def _unsigned(context: Context) -> Iterator[Probe]:
    for name in ("none", "None", "NONE", "nOnE"):
        header = header_of(context.token, alg=name)
        yield context.attempt(compact(header, context.fresh(), b""), f"alg {name}, no signature")


def _none_signed(context: Context) -> Iterator[Probe]:
    signature = context.token.signature
    names: tuple[object, ...] = ("none", "", None, [], ["none"], [context.token.alg], 0, True, {})
    for name in names:
        header = {**context.token.header, "alg": name}
        label = f"alg {json.dumps(name)} with the old signature"
        yield context.attempt(compact(header, context.token.segments[1], signature), label)
    header = header_of(context.token, alg=None)
    yield context.attempt(compact(header, context.token.segments[1], signature), "alg absent")


def _null_bytes(context: Context) -> Iterator[Probe]:
    header, payload, _ = context.token.segments
    signature, claims = context.token.signature, forge.unb64(payload)
    signed = f"{header}.{payload}"
    yield context.attempt(f"{signed}.{b64(signature + bytes(1))}", "null appended to signature")
    yield context.attempt(f"{signed}.{b64(bytes(1))}", "signature is one null byte")
    yield context.attempt(f"{signed}.{b64(bytes(len(signature)))}", "signature is all null bytes")
    yield context.attempt(compact(header, claims + bytes(1), signature), "null after the payload")
    yield context.attempt(compact(header, bytes(1), signature), "payload is one null byte")
    yield context.attempt(f"{context.token.text}%00", "%00 after the token")


def _dots(context: Context) -> Iterator[Probe]:
    for text in ("..", ".", "...", "....", ". .", "null.null.null"):
        yield context.attempt(text, f"token {text!r}")


def _signature_probes(context: Context, signatures: Iterator[tuple[str, bytes]]) -> Iterator[Probe]:
    header, payload = header_of(context.token), context.fresh()
    for label, signature in signatures:
        yield context.attempt(compact(header, payload, signature), label)


def _pair(context: Context, r: int, s: int) -> bytes:
    half = len(context.token.signature) // 2
    return r.to_bytes(half, "big") + s.to_bytes(half, "big")


def _psychic(context: Context) -> Iterator[Probe]:
    size = len(context.token.signature)
    yield from _signature_probes(context, iter([("r = s = 0", bytes(size))]))
    der = bytes.fromhex("3006020100020100")
    yield from _signature_probes(context, iter([("r = s = 0 in DER", der)]))


def _out_of_range(context: Context) -> Iterator[Probe]:
    order = ORDERS[context.token.alg]
    pairs = {
        "r = n, s = n": (order, order),
        "r = n, s = 1": (order, 1),
        "r = 1, s = n": (1, order),
        "r = 0, s = 1": (0, 1),
        "r = 1, s = 0": (1, 0),
        "r = s = 1": (1, 1),
        "r = s = n - 1": (order - 1, order - 1),
    }
    made = ((label, _pair(context, r, s)) for label, (r, s) in pairs.items())
    yield from _signature_probes(context, made)
    yield from _overlong(context)


def _overlong(context: Context) -> Iterator[Probe]:
    signature, signed = context.token.signature, context.token.signing_input
    half = len(signature) // 2
    padded = bytes(1) + signature[:half] + bytes(1) + signature[half:]
    yield context.attempt(f"{signed}.{b64(padded)}", "r and s one byte longer")
    yield context.attempt(f"{signed}.{b64(signature + signature)}", "the signature twice")
    highest = b"\xff" * len(signature)
    yield context.attempt(f"{signed}.{b64(highest)}", "r and s at the highest value")


def _der(context: Context) -> Iterator[Probe]:
    signature, signed = context.token.signature, context.token.signing_input
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    yield context.attempt(f"{signed}.{b64(encode_dss_signature(r, s))}", "the signature in DER")


def _padding_mutations(context: Context) -> Iterator[Probe]:
    signature, signed = context.token.signature, context.token.signing_input
    mutated = {
        "a zero byte before": bytes(1) + signature,
        "a zero byte after": signature + bytes(1),
        "first byte changed": bytes([signature[0] ^ 1]) + signature[1:],
        "last byte changed": signature[:-1] + bytes([signature[-1] ^ 1]),
        "all zero": bytes(len(signature)),
        "one": bytes(len(signature) - 1) + b"\x01",
        "all ones": b"\xff" * len(signature),
    }
    for label, changed in mutated.items():
        yield context.attempt(f"{signed}.{b64(changed)}", label)
    yield from _modulus_shift(context)


def _modulus_shift(context: Context) -> Iterator[Probe]:
    """S + n is the same number modulo n, of one byte more at most (RFC 8017, 8.2.2 step 1)."""
    key, signature = context.key, context.token.signature
    modulus = forge.unb64(str(key.jwk["n"])) if key and "n" in key.jwk else b""
    total = int.from_bytes(signature, "big") + int.from_bytes(modulus, "big")
    if modulus and total.bit_length() <= 8 * len(signature):
        shifted = total.to_bytes(len(signature), "big")
        label = "signature plus modulus"
        yield context.attempt(f"{context.token.signing_input}.{b64(shifted)}", label)


def _non_canonical(context: Context) -> Iterator[Probe]:
    text, signed = context.token.text, context.token.signing_input
    signature = context.token.segments[2]
    for mark in ("=", "==", "!", "*", "~", "$$"):
        yield context.attempt(f"{text}{mark}", f"{mark!r} after the token")
    yield context.attempt(f"{signed}.{signature[:4]}!{signature[4:]}", "'!' inside the signature")
    yield from _other_spelling(context, signed, signature)
    header, payload, _ = context.token.segments
    padded = f"{header}{'=' * (-len(header) % 4) or '='}.{payload}.{signature}"
    yield context.attempt(padded, "padding after the header")
    standard = signature.replace("-", "+").replace("_", "/")
    if standard != signature:
        yield context.attempt(f"{signed}.{standard}", "standard instead of URL-safe base64")


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _other_spelling(context: Context, signed: str, signature: str) -> Iterator[Probe]:
    """The last character's unused bits set: other text, same bytes (RFC 4648, section 3.5)."""
    if len(signature) % 4:
        last = ALPHABET[ALPHABET.index(signature[-1]) ^ 1]
        yield context.attempt(f"{signed}.{signature[:-1]}{last}", "unused bits set")


def _canary(context: Context) -> Iterator[Probe]:
    header = header_of(context.token, kid=f"{CANARY}-kid")
    names = ("sub", "iss", "aud", "jti", "scope", "name", "email")
    claims = payload_of(context.token, **{name: f"{CANARY}-{name}<b>" for name in names})
    text = compact(header, claims, context.token.signature)
    yield context.attempt(text, "canaries in header and claims", check=_reflected)
    edited = compact(context.token.segments[0], claims, context.token.signature)
    yield context.attempt(edited, "canaries in the claims", check=_reflected)


def _reflected(exchange: Exchange) -> Ruling:
    answer = exchange.answer
    if exchange.outcome is Outcome.ACCEPTED:
        return safe("accepted: that is A2's finding")
    if any(CANARY in value for _, value in answer.headers):
        return hole("a claim nobody signed stands in the answer's headers", Severity.MEDIUM)
    if CANARY not in answer.text:
        return safe("nothing of it came back") if answer.status else unclear(str(answer.failure))
    raw = f"{CANARY}-sub<b>" in answer.text and "html" in (answer.header("Content-Type") or "")
    severity = Severity.HIGH if raw else Severity.LOW
    return hole("a claim nobody signed stands in the answer's body", severity)


def _after_burst(context: Context) -> Play:
    header, payload, signature = context.token.segments
    bad = (compact(header, payload, forge.flipped(signature, at)) for at in range(20))
    for text in bad:
        yield Send(probes=(context.attempt(text, "a bad signature", check=None),))
    yield from ask(context.attempt(context.token.text, "then the good token", check=passes))


def passes(exchange: Exchange) -> Ruling:
    """The rule for the good token itself: it must be accepted."""
    match exchange.outcome:
        case Outcome.ACCEPTED:
            return safe("the good token passes")
        case Outcome.TIMED_OUT | Outcome.UNSENT:
            return unclear(str(exchange.outcome))
        case _:
            return hole(f"the good token is answered {exchange.answer.status or exchange.outcome}")


ATTACKS = (
    Attack(
        id="A1",
        title="No token",
        severity=Severity.HIGH,
        references=("RFC 6750 3", "ASVS 16.5.3"),
        play=each(_no_token),
        expected="401 with a WWW-Authenticate challenge that names no error",
        proves="A caller without a token is not told how to authenticate, or is let in.",
        remedy="Answer 401 with `WWW-Authenticate: Bearer` and no error code.",
    ),
    Attack(
        id="A2",
        title="Payload edited, signature kept",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.3", "ASVS 9.1.1"),
        play=each(_edited_payload),
        proves="The signature is not checked: anyone can be anyone.",
        remedy=VERIFY,
    ),
    Attack(
        id="A3",
        title="Signature truncated",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.3", "RFC 7518 3.2"),
        play=each(_truncated),
        proves="Only a part of the signature is compared, which can be guessed.",
        remedy="Compare the whole signature; refuse any other length.",
    ),
    Attack(
        id="A4",
        title="Signature segment empty",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.2", "ASVS 9.1.1"),
        play=each(_no_signature),
        proves="A token without a signature passes.",
        remedy=VERIFY,
    ),
    Attack(
        id="A5",
        title="Missing or extra segments",
        severity=Severity.HIGH,
        references=("RFC 7515 7.1", "RFC 8725bis 3.3"),
        play=each(_segments),
        proves="The parser takes what is not a compact token; one token has several spellings.",
        remedy="Refuse whatever is not exactly three segments.",
    ),
    Attack(
        id="A6",
        title="Unsigned token: alg none in four spellings",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.2", "ASVS 9.1.2", "CVE-2015-9235", "CVE-2026-28802"),
        play=each(_unsigned),
        proves="The token itself decides that it needs no signature.",
        remedy="Verify under an allow-list of algorithms that does not hold `none`.",
    ),
    Attack(
        id="A7",
        title="alg none with the old signature; alg absent or of another type",
        severity=Severity.CRITICAL,
        references=("RFC 7515 4.1.1", "RFC 8725bis 3.1"),
        play=each(_none_signed),
        proves="A header without a usable algorithm is taken, or breaks the parser.",
        remedy="Refuse a header whose `alg` is not a string on the allow-list.",
    ),
    Attack(
        id="A8",
        title="Null bytes in signature or payload",
        severity=Severity.HIGH,
        references=("RFC 7515 5.2",),
        play=each(_null_bytes),
        proves="Bytes after or instead of the signature go unseen.",
        remedy="Compare lengths as well as contents; do not handle tokens as C strings.",
    ),
    Attack(
        id="A9",
        title="Only dots",
        severity=Severity.CRITICAL,
        references=("RFC 7515 5.2",),
        play=each(_dots),
        proves="A token with nothing in it passes, or breaks the parser.",
        remedy="Refuse empty segments before decoding.",
    ),
    Attack(
        id="A10",
        title="ECDSA signature r = s = 0",
        severity=Severity.CRITICAL,
        references=("CVE-2022-21449", "RFC 8725bis 3.4"),
        needs=(Need.EC_TOKEN,),
        play=each(_psychic),
        proves="A signature of zeros verifies for every message.",
        remedy="Update the cryptographic library: r and s must lie in 1 to n - 1.",
    ),
    Attack(
        id="A11",
        title="ECDSA signature out of range or over length",
        severity=Severity.CRITICAL,
        references=("RFC 7518 3.4", "RFC 8725bis 3.4"),
        needs=(Need.EC_TOKEN,),
        play=each(_out_of_range),
        proves="Signature numbers outside 1 to n - 1, or of the wrong length, are taken.",
        remedy="Check the length, then let the cryptographic library check the range.",
    ),
    Attack(
        id="A12",
        title="ECDSA signature in DER",
        severity=Severity.LOW,
        references=("RFC 7518 3.4",),
        needs=(Need.EC_TOKEN,),
        play=each(_der),
        proves="A second encoding of the same signature passes: one token, two spellings.",
        remedy="Take only the fixed-length form r || s.",
    ),
    Attack(
        id="A13",
        title="RSA signature mutated",
        severity=Severity.HIGH,
        references=("RFC 8017 8.2.2", "RFC 7518 3.3"),
        needs=(Need.RSA_TOKEN,),
        play=each(_padding_mutations),
        proves="The padding is not checked whole, so signatures can be forged or respelled.",
        remedy="Update the cryptographic library; refuse any length but the modulus's.",
    ),
    Attack(
        id="A14",
        title="Non-canonical base64url, padding, trailing junk",
        severity=Severity.LOW,
        references=("RFC 7515 2", "RFC 8725bis 3.14", "CVE-2026-102269"),
        play=each(_non_canonical),
        proves="One token has several spellings, so a list or cache keyed by text fails.",
        remedy="Decode strictly: no padding, no foreign character, unused bits zero.",
    ),
    Attack(
        id="A15",
        title="Canary in claims that nobody signed",
        severity=Severity.LOW,
        references=("ASVS 16.5.1", "RFC 8725bis 3.10"),
        play=each(_canary),
        expected="an answer that holds nothing of the token",
        proves="Claims are used before the signature is checked.",
        remedy="Answer refusals with a fixed text; put the detail into the log.",
    ),
    Attack(
        id="A16",
        title="A good token after a burst of bad ones",
        severity=Severity.MEDIUM,
        references=("RFC 6750 3.1",),
        play=_after_burst,
        turn=Turn.FIRST,
        expected="200 for the good token",
        proves="Strangers who send bad tokens lock the good users out.",
        remedy="Let nothing but the token itself decide; limit rates by client, not for all.",
    ),
)

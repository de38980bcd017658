"""Group E: are header and format taken strictly?"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator

from jwt_guard.attacks import forge
from jwt_guard.attacks.context import Context
from jwt_guard.attacks.forge import b64, compact, dumps, header_of
from jwt_guard.attacks.model import (
    Attack,
    Check,
    Exchange,
    Need,
    Outcome,
    Probe,
    Ruling,
    Severity,
    each,
    must_not_crash,
    must_refuse,
    must_refuse_signed,
    safe,
)

STRICT = "Refuse whatever is not a compact token with JSON objects, before looking at the claims."


def _signed(context: Context, label: str, **header: object) -> Probe:
    return context.attempt(context.mint(header=header), label, check=must_refuse_signed)


def _unknown_crit(context: Context) -> Iterator[Probe]:
    yield _signed(context, "an unknown extension", crit=["x-unknown"], **{"x-unknown": True})
    url = "https://example.test/must-understand"
    yield _signed(context, "an unknown extension named by URL", crit=[url], **{url: 1})
    yield _signed(context, "a known and an unknown one", crit=["exp", "x-2"], exp=1, **{"x-2": 1})


def _odd_crit(context: Context) -> Iterator[Probe]:
    odd: dict[str, object] = {
        "empty": [],
        "a standard name": ["alg"],
        "a name that is absent": ["x-absent"],
        "a string": "exp",
        "a number": 5,
        "true": True,
        "a list of numbers": [1],
        "a nested list": [["x"]],
        "an object": {"exp": True},
        "a name twice": ["x", "x"],
    }
    for name, crit in odd.items():
        yield _signed(context, f"crit is {name}", crit=crit)
    header = {**context.token.header, "crit": None}
    yield context.attempt(forge.sign(context.owner, header, context.fresh()), "crit is null")


def _unencoded(context: Context) -> Iterator[Probe]:
    for crit in (["b64"], None):
        header = header_of(context.token, b64=False, crit=crit)
        named = "named in crit" if crit else "not in crit"
        encoded = forge.sign(context.owner, header, context.fresh())
        label = f"b64 false, {named}, payload encoded all the same"
        # Unnamed in crit, `b64` is an unknown member, which RFC 7515 says to ignore.
        check = must_refuse_signed if crit else must_not_crash
        yield context.attempt(encoded, label, check=check)
        head, payload = b64(dumps(header)), b64(dumps(context.fresh()))
        signature = context.owner.sign(f"{head}.".encode() + forge.unb64(payload))
        yield context.attempt(f"{head}.{payload}.{b64(signature)}", f"b64 false, {named}")
        yield context.attempt(f"{head}..{b64(signature)}", f"b64 false, {named}, detached")


def _compressed(context: Context) -> Iterator[Probe]:
    for name in ("DEF", "GZIP"):
        header = header_of(context.token, zip=name)
        squeezed = zlib.compress(dumps(context.fresh()))[2:-4]
        text = forge.sign(context.owner, header, squeezed)
        yield context.attempt(text, f"zip {name}, payload compressed")
    probe = _signed(context, "zip DEF, payload plain", zip="DEF")
    yield Probe(label=probe.label, request=probe.request, check=must_not_crash)


OTHER_TYPES = ("dpop+jwt", "logout+jwt", "secevent+jwt", "token-introspection+jwt", "rt+jwt")


def _other_kinds(context: Context) -> Iterator[Probe]:
    for number, text in enumerate(context.plan.other_tokens, 1):
        label = f"other token {number} as an access token"
        yield context.attempt(text, label, severity=Severity.HIGH)
    for typ in OTHER_TYPES if context.signer else ():
        yield _signed(context, f"typ {typ}", typ=typ)
    if context.signer is not None:
        yield from _other_uses(context)


def _other_uses(context: Context) -> Iterator[Probe]:
    """Claims that vendors mark kinds with, where the good token bears them."""
    for name in ("token_use", "token_type", "type"):
        if isinstance(context.token.payload.get(name), str):
            for kind, severity in (("refresh", Severity.HIGH), ("id", Severity.LOW)):
                text = forge.sign(
                    context.owner, context.token.header, context.fresh(**{name: kind})
                )
                yield context.attempt(text, f"{name} {kind}", severity=severity)
    events: dict[str, object] = {"http://schemas.openid.net/event/backchannel-logout": {}}
    if "typ" in context.token.header:
        text = context.mint(header={"typ": "logout+jwt"}, events=events)
        yield context.attempt(text, "a back-channel logout token")


def _flattened(context: Context) -> dict[str, object]:
    header, payload, signature = context.token.segments
    return {"payload": payload, "protected": header, "signature": signature}


def _json_form(context: Context) -> Iterator[Probe]:
    flat = _flattened(context)
    signature = {"protected": flat["protected"], "signature": flat["signature"]}
    general = {"payload": flat["payload"], "signatures": [signature]}
    for name, form in {"flattened": flat, "general": general}.items():
        yield context.attempt(json.dumps(form), f"the good token as {name} JSON")
        yield context.attempt(b64(dumps(form)), "the same, base64url")


def _json_unsigned(context: Context) -> Iterator[Probe]:
    payload = b64(dumps(context.fresh(sub="admin")))
    header = context.token.segments[0]
    forms: dict[str, dict[str, object]] = {
        "no signature member": {"payload": payload, "protected": header},
        "an empty list of signatures": {"payload": payload, "signatures": []},
        "signatures null": {"payload": payload, "signatures": None},
        "an empty signature": {"payload": payload, "protected": header, "signature": ""},
        "payload alone": {"payload": payload},
    }
    for name, form in forms.items():
        yield context.attempt(json.dumps(form), name)


def _polyglot(context: Context) -> Iterator[Probe]:
    header, payload, signature = context.token.segments
    other = b64(dumps(context.fresh(sub="admin")))
    key = f"  {header}.{other}."
    document = {key: 1, "protected": header, "payload": payload, "signature": signature}
    label = "JSON whose first member reads as a compact token"
    yield context.attempt(json.dumps(document), label, check=_other_claims(context))
    yield context.attempt(f"{header}.{other}.{signature}.{json.dumps(_flattened(context))}", "both")
    inside = b64(dumps({**_flattened(context), "sub": "admin"}))
    yield context.attempt(f"{header}.{inside}.{signature}", "a JSON token as payload")


def _other_claims(context: Context) -> Check:
    """Accepted is a hole only when the claims that nobody signed were the ones believed."""

    def check(exchange: Exchange) -> Ruling:
        if exchange.outcome is Outcome.ACCEPTED and exchange.answer.body == context.good.body:
            return safe("accepted for what is signed in it, which is E6's finding")
        return must_refuse(exchange)

    return check


def _doubled(member: str, first: object, second: object, rest: forge.Json) -> bytes:
    others = {name: value for name, value in rest.items() if name != member}
    name = json.dumps(member)
    pair = f"{name}:{json.dumps(first)},{name}:{json.dumps(second)}"
    tail = json.dumps(others, separators=(",", ":"))[1:]
    return f"{{{pair}{',' if others else ''}{tail}".encode()


def _duplicates(context: Context) -> Iterator[Probe]:
    claims, header = context.fresh(), dict(context.token.header)
    past = 1_000_000_000
    exp = claims["exp"]
    cases = {
        "exp past, then future": _doubled("exp", past, exp, claims),
        "exp future, then past": _doubled("exp", exp, past, claims),
        "sub twice": _doubled("sub", "admin", claims.get("sub"), claims),
        "aud twice": _doubled("aud", "other", claims.get("aud"), claims),
    }
    for name, payload in cases.items():
        text = forge.sign(context.owner, header, payload)
        yield context.attempt(text, name, check=must_refuse_signed)
    alg = header["alg"]
    pairs = (("alg none first", "none", alg), ("alg none last", alg, "none"))
    for name, first, second in pairs:
        head = _doubled("alg", first, second, header)
        text = forge.sign(context.owner, head, claims)
        yield context.attempt(text, name, check=must_refuse_signed)


ODD_VALUES: tuple[object, ...] = (None, True, 0, -1, 1.5, "", "x", [], [1], {}, {"a": 1})
HEADER_FIELDS = ("alg", "typ", "cty", "kid", "jwk", "jku", "x5c", "x5t", "crit", "zip", "b64")
CLAIM_FIELDS = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "roles", "cnf", "azp")


def _odd_fields(context: Context) -> Iterator[Probe]:
    signature = context.token.signature
    for field in HEADER_FIELDS:
        for value in ODD_VALUES:
            head = {**context.token.header, field: value}
            text = compact(head, context.token.segments[1], signature)
            yield context.attempt(text, f"header {field} is {json.dumps(value)}")
    yield from _odd_claims(context)


def _odd_claims(context: Context) -> Iterator[Probe]:
    for field in CLAIM_FIELDS:
        for value in ODD_VALUES:
            payload = {**context.fresh(), field: value}
            label = f"claim {field} is {json.dumps(value)}"
            text = compact(context.token.segments[0], payload, context.token.signature)
            yield context.attempt(text, label)
            if context.signer is not None:
                signed = forge.sign(context.signer, context.token.header, payload)
                yield context.attempt(signed, f"{label}, truly signed", check=must_not_crash)


def _encodings() -> dict[str, Callable[[bytes], bytes]]:
    return {
        "UTF-16": lambda text: text.decode().encode("utf-16"),
        "UTF-16 without a mark": lambda text: text.decode().encode("utf-16-le"),
        "UTF-32": lambda text: text.decode().encode("utf-32"),
        "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
        "invalid UTF-8": lambda text: text[:-1] + b',"x":"\xff\xfe"}',
        "an overlong sequence": lambda text: text[:-1] + b',"x":"\xc0\xaf"}',
        "a lone surrogate": lambda text: text[:-1] + b',"x":"\\ud800"}',
        "a lone surrogate as a name": lambda text: text[:-1] + b',"\\ud800":"x"}',
        "a surrogate in UTF-8": lambda text: text[:-1] + b',"x":"\xed\xa0\x80"}',
    }


ESCAPED = frozenset({"a lone surrogate", "a lone surrogate as a name"})


def _bad_text(context: Context) -> Iterator[Probe]:
    header, claims = dumps(context.token.header), dumps(context.fresh())
    for name, encode in _encodings().items():
        text = compact(encode(header), encode(claims), context.token.signature)
        yield context.attempt(text, f"{name}, unsigned")
        if context.signer is not None:
            check = must_not_crash if name in ESCAPED else must_refuse_signed
            for part, head, body in (
                ("payload", header, encode(claims)),
                ("header", encode(header), claims),
            ):
                signed = forge.sign(context.signer, head, body)
                yield context.attempt(signed, f"{name} in the {part}, truly signed", check=check)


def _wrapped(context: Context) -> Iterator[Probe]:
    text = context.token.text
    header, payload, signature = context.token.segments
    wrapped = {
        "in quotes": f'"{text}"',
        "in single quotes": f"'{text}'",
        "in braces": f"{{{text}}}",
        "in angle brackets": f"<{text}>",
        "a space inside": f"{header}.{payload} .{signature}",
        "a space after a dot": f"{header}. {payload}.{signature}",
        "a tab inside": f"{header}\t.{payload}.{signature}",
        "a comma after": f"{text},",
        "a semicolon after": f"{text};",
        "a form feed inside": f"{header}\x0c.{payload}.{signature}",
        "a no-break space inside": f"{header}\u00a0.{payload}.{signature}",
        "a full-width dot": f"{header}\uff0e{payload}\uff0e{signature}",
        "percent-encoded dots": text.replace(".", "%2E"),
    }
    if context.plan.carrier.cookie is not None:
        # There a semicolon ends the cookie, and is no part of the token.
        del wrapped["a semicolon after"]
    for name, changed in wrapped.items():
        yield context.attempt(changed, name)


ATTACKS = (
    Attack(
        id="E1",
        title="Unknown critical extension",
        severity=Severity.MEDIUM,
        references=("RFC 7515 4.1.11", "CVE-2025-59420", "CVE-2026-32597"),
        needs=(Need.SIGNING_KEY,),
        play=each(_unknown_crit),
        proves="What the issuer marked as indispensable is ignored.",
        remedy="Refuse a token with `crit` unless every extension in it is implemented.",
    ),
    Attack(
        id="E2",
        title="crit empty, with standard or absent names, of another type",
        severity=Severity.LOW,
        references=("RFC 7515 4.1.11",),
        needs=(Need.SIGNING_KEY,),
        play=each(_odd_crit),
        proves="A malformed header passes, or breaks the target.",
        remedy="Refuse a token with `crit` unless every extension in it is implemented.",
    ),
    Attack(
        id="E3",
        title="Unencoded payload (b64 false)",
        severity=Severity.MEDIUM,
        references=("RFC 7797 6", "CVE-2026-48525"),
        needs=(Need.SIGNING_KEY,),
        play=each(_unencoded),
        proves="Two readers of one token can see two payloads.",
        remedy="Refuse `b64` in tokens (RFC 7797, section 7).",
    ),
    Attack(
        id="E4",
        title="zip on a signed token",
        severity=Severity.MEDIUM,
        references=("RFC 7516 4.1.3", "RFC 8725bis 3.6", "RFC 8725bis 3.15"),
        needs=(Need.SIGNING_KEY,),
        play=each(_compressed),
        proves="A signed token is decompressed, without a bound.",
        remedy="Never decompress a signed token.",
    ),
    Attack(
        id="E5",
        title="Another kind of token as access token",
        severity=Severity.LOW,
        references=("RFC 8725bis 3.11", "RFC 8725bis 3.12", "ASVS 9.2.2"),
        needs=(Need.OTHER_KIND,),
        play=each(_other_kinds),
        proves="A token made for another purpose opens the API.",
        remedy="Check `typ` (at+jwt) or the issuer's kind claim, and refuse every other.",
    ),
    Attack(
        id="E6",
        title="The good token in JSON serialization",
        severity=Severity.LOW,
        references=("RFC 7519 3", "RFC 7515 7.2"),
        play=each(_json_form),
        proves="A second form passes, in which more than one signature can stand.",
        remedy=STRICT,
    ),
    Attack(
        id="E7",
        title="JSON serialization without signatures",
        severity=Severity.CRITICAL,
        references=("RFC 7515 7.2", "RFC 8725bis 3.3"),
        play=each(_json_unsigned),
        proves="A token without any signature passes.",
        remedy=STRICT,
    ),
    Attack(
        id="E8",
        title="JSON and compact form in one text",
        severity=Severity.CRITICAL,
        references=("CVE-2022-39227",),
        play=each(_polyglot),
        proves="One part is verified and another is believed.",
        remedy=STRICT,
    ),
    Attack(
        id="E9",
        title="Duplicate members",
        severity=Severity.LOW,
        references=("RFC 7515 4", "RFC 7519 4", "RFC 8725bis 2.4"),
        needs=(Need.SIGNING_KEY,),
        play=each(_duplicates),
        proves="Two readers of one token can see two values.",
        remedy="Parse JSON so that a repeated name is refused.",
    ),
    Attack(
        id="E10",
        title="null, true, numbers, lists in every field",
        severity=Severity.HIGH,
        references=("RFC 7519 7.2", "ASVS 16.5.3"),
        play=each(_odd_fields),
        proves="A field of the wrong type is accepted, or breaks the target.",
        remedy="Check the type of every member before using it.",
    ),
    Attack(
        id="E11",
        title="UTF-16, byte order marks, invalid UTF-8, lone surrogates",
        severity=Severity.LOW,
        references=("RFC 8725bis 3.7", "RFC 7519 7.2"),
        play=each(_bad_text),
        proves="Text that is not UTF-8 is read, or breaks the target.",
        remedy="Decode header and payload as strict UTF-8.",
    ),
    Attack(
        id="E12",
        title="White space, braces and quotes around or in the token",
        severity=Severity.LOW,
        references=("RFC 8725bis 3.14", "RFC 6750 2.1"),
        play=each(_wrapped),
        proves="One token has several spellings, so a list or cache keyed by text fails.",
        remedy="Refuse every character but letters, digits, `_`, `-` and the two dots.",
    ),
)

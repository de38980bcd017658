"""Group F: are the claims checked, each for what it says?"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace

from jwt_guard.attacks import forge
from jwt_guard.attacks.context import Context, given
from jwt_guard.attacks.forge import Json, dumps
from jwt_guard.attacks.model import (
    Attack,
    CannotTest,
    Exchange,
    Need,
    Outcome,
    Play,
    Probe,
    Request,
    Rule,
    Ruling,
    Send,
    Severity,
    ask,
    each,
    hole,
    must_not_crash,
    must_refuse,
    must_refuse_signed,
    safe,
    unclear,
)

EARLY = 3
FORBIDDEN = "403, or 404 where even the existence is a secret"
TIMES = "Require exp as a number, and compare exp and nbf with the clock and a leeway of seconds."
PARTIES = "Require iss and aud and compare them exactly with the configured values."


def _claims(context: Context, label: str, claims: Json, severity: Severity | None = None) -> Probe:
    text = forge.sign(context.owner, context.token.header, context.fresh(**claims))
    return context.attempt(text, label, check=must_refuse_signed, severity=severity)


def _raw(context: Context, label: str, claims: Json | bytes) -> Probe:
    text = forge.sign(context.owner, context.token.header, claims)
    return context.attempt(text, label, check=must_refuse_signed)


def _expired(context: Context) -> Iterator[Probe]:
    now = int(time.time())
    for label, ago in {"an hour": 3600, "a day": 86_400, "a year": 31_536_000}.items():
        claims = {"iat": now - ago - 300, "exp": now - ago}
        yield _claims(context, f"expired {label} ago", claims)
    yield _claims(context, "exp 0", {"iat": 0, "exp": 0})
    yield _claims(context, "exp -1", {"iat": 0, "exp": -1})


def _no_expiry(context: Context) -> Iterator[Probe]:
    yield _claims(context, "exp absent", {"exp": None})
    yield _raw(context, "exp null", {**context.fresh(), "exp": None})


def _odd_times(context: Context) -> Iterator[Probe]:
    future = int(time.time()) + 300
    literals = {
        "a digit string": f'"{future}"',
        "a word": '"tomorrow"',
        "true": "true",
        "a list": f"[{future}]",
        "an object": "{}",
        "NaN": "NaN",
        "Infinity": "Infinity",
        "1e400": "1e400",
        "an empty string": '""',
        "a number beyond any date": "99999999999999999999999",
    }
    for name, literal in literals.items():
        for claim in ("exp", "nbf"):
            yield _raw(context, f"{claim} is {name}", _with_literal(context, claim, literal))


def _with_literal(context: Context, claim: str, literal: str) -> bytes:
    rest = {k: v for k, v in context.fresh().items() if k != claim}
    return f"{{{json.dumps(claim)}:{literal},{dumps(rest).decode()[1:]}".encode()


def _not_yet(context: Context) -> Iterator[Probe]:
    now = int(time.time())
    for label, ahead in {"an hour": 3600, "a year": 31_536_000}.items():
        claims = {"nbf": now + ahead, "exp": now + ahead + 300}
        yield _claims(context, f"valid in {label}", claims)


def _issued_at(context: Context) -> Iterator[Probe]:
    now = int(time.time())
    yield _claims(context, "issued in an hour", {"iat": now + 3600, "exp": now + 7200})
    yield _claims(context, "issued after it expires", {"iat": now + 600, "exp": now + 300})
    yield _claims(context, "iat a word", {"iat": "yesterday"})
    decade = {"iat": 1_000_000_000, "exp": now + 300}
    yield _claims(context, "issued decades ago", decade, Severity.INFO)


def _boundary(context: Context) -> Play:
    leeway, now = context.plan.leeway, int(time.time())
    late = {"iat": now - leeway - 400, "exp": now - leeway - 1}
    label = f"expired 1 s beyond the leeway of {leeway} s"
    yield Send(probes=(_claims(context, label, late),))
    yield from _too_early(context, EARLY)


def _too_early(context: Context, ahead: int) -> Play:
    """Asked again where the answer took so long that the time may have come meanwhile."""
    leeway = context.plan.leeway
    nbf = int(time.time()) + leeway + ahead
    label = f"valid {ahead} s after the leeway of {leeway} s"
    probe = _claims(context, label, {"nbf": nbf, "exp": nbf + 300})
    exchange = yield from ask(replace(probe, check=None))
    if exchange.outcome is not Outcome.ACCEPTED or time.time() < nbf - leeway:
        yield Rule(about=label, ruling=must_refuse_signed(exchange), exchange=exchange)
    elif ahead == EARLY:
        yield from _too_early(context, 5 * EARLY)
    else:
        yield Rule(about=label, ruling=unclear("it answers too late to tell"), exchange=exchange)


def _issuer(context: Context) -> Iterator[Probe]:
    own = context.token.payload.get("iss")
    text = own if isinstance(own, str) else "https://issuer.example"
    yield _claims(context, "iss absent", {"iss": None}, Severity.MEDIUM)
    others: dict[str, object] = {
        "another": "https://evil.example",
        "a prefix": text[:-1],
        "one character": text[:1],
        "empty": "",
        "longer": f"{text}.evil.example",
        "with a slash more": f"{text}/",
        "in capitals": text.upper() if text.upper() != text else text.lower(),
        "a list with it": [text],
        "an object": {"iss": text},
        "with a space": f"{text} ",
    }
    for name, value in others.items():
        yield _claims(context, f"iss {name}", {"iss": value})


def _no_audience(context: Context) -> Iterator[Probe]:
    yield _claims(context, "aud absent", {"aud": None})
    yield _claims(context, "aud an empty list", {"aud": []})
    yield _claims(context, "aud an empty string", {"aud": ""})
    yield _raw(context, "aud null", {**context.fresh(), "aud": None})


def _audience(context: Context) -> Iterator[Probe]:
    own = context.token.payload.get("aud")
    first = own[0] if isinstance(own, list) and own else own
    text = first if isinstance(first, str) else "https://api.example"
    others: dict[str, object] = {
        "another": "https://other.example",
        "a list of others": ["https://other.example", "https://third.example"],
        "a prefix": text[:-1],
        "a longer one": f"{text}.evil.example",
        "one character": text[0],
        "an object that names it": {text: True},
        "a nested list": [[text]],
        "true": True,
        "a number": 0,
        "spaced": f"x {text} y",
    }
    for name, value in others.items():
        yield _claims(context, f"aud {name}", {"aud": value})
    mixed: object = [text, 7, None]
    yield _claims(context, "aud a list with numbers beside it", {"aud": mixed}, Severity.INFO)


def _subject(context: Context) -> Iterator[Probe]:
    yield _claims(context, "sub absent", {"sub": None})
    odd: dict[str, object] = {"empty": "", "a number": 1, "a list": ["admin"], "true": True}
    for name, value in odd.items():
        yield _claims(context, f"sub {name}", {"sub": value})
    client = context.token.payload.get("client_id")
    if isinstance(client, str) and client != context.token.payload.get("sub"):
        label = "sub is the client's own id"
        yield _claims(context, label, {"sub": client}, Severity.INFO)


def _not_an_object(context: Context) -> Iterator[Probe]:
    forms: dict[str, bytes] = {
        "a list": b"[]",
        "a list of claims": dumps([context.fresh()]),
        "a list of pairs": dumps([[k, v] for k, v in context.fresh().items()]),
        "a string": b'"admin"',
        "a number": b"1",
        "true": b"true",
        "null": b"null",
        "empty": b"",
        "not JSON": b"sub=admin",
        "an empty object": b"{}",
    }
    for name, payload in forms.items():
        header, signature = context.token.segments[0], context.token.signature
        yield context.attempt(
            forge.compact(header, payload, signature), f"payload {name}, unsigned"
        )
        if context.signer is not None:
            probe = _raw(context, f"payload {name}, truly signed", payload)
            yield replace(probe, severity=Severity.LOW)


def _look_alikes(role: str) -> dict[str, object]:
    return {
        "in another case": [role.swapcase()],
        "with a space": [f"{role} "],
        "as a prefix": [f"{role}x"],
        "as part of a word": [f"x{role}"],
        "nested": [[role]],
        "as a name": {role: True},
        "true": True,
        "a star": ["*"],
        "as a part of a string": f"not-{role}-really",
    }


def _roles(context: Context) -> Play:
    for base in context.plan.role_routes:
        if context.plan.second_token is not None:
            label = f"the second user at {base.target}"
            probe = context.attempt(context.plan.second_token, label, base=base, check=_forbidden)
            yield Send(probes=(probe,))
        if context.signer is not None and context.role_claim is not None:
            yield from _role_shapes(context, base, context.role_claim)


def _role_shapes(context: Context, base: Request, path: str) -> Play:
    own = context.claim(path)
    good = yield from ask(replace(_with_role(context, base, path, own, "its role"), check=None))
    if good.outcome is not Outcome.ACCEPTED:
        raise CannotTest(f"the good token's own roles do not open {base.target}")
    without = yield from ask(_with_role(context, base, path, [], "no role"))
    if without.outcome is Outcome.ACCEPTED:
        return
    for role in _names(own):
        for name, value in _look_alikes(role).items():
            yield Send(probes=(_with_role(context, base, path, value, f"role {role} {name}"),))


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _with_role(context: Context, base: Request, path: str, value: object, label: str) -> Probe:
    claims = _nested(context.fresh(), path.split("."), value)
    text = forge.sign(context.owner, context.token.header, claims)
    return context.attempt(text, f"{label} at {base.target}", base=base, check=_forbidden)


def _nested(claims: Json, names: list[str], value: object) -> dict[str, object]:
    name, *rest = names
    inner = claims.get(name)
    inside = inner if isinstance(inner, dict) else {}
    return {**claims, name: _nested(inside, rest, value) if rest else value}


def _forbidden(exchange: Exchange) -> Ruling:
    if exchange.outcome is Outcome.REFUSED and exchange.answer.status == 401:
        return safe("refused, though as unknown (401) and not as forbidden (403)")
    return must_refuse(exchange)


def _tenant(context: Context) -> Iterator[Probe]:
    base = given(context.plan.tenant_route)
    yield context.attempt(context.token.text, "own token", base=base, check=_forbidden)


# Long enough that no token or digest in an answer holds it by chance.
FACTORS = "7919*6841"
PRODUCT = "54173879"
PAYLOADS = (
    "' OR '1'='1",
    "admin'--",
    "*)(uid=*))(|(uid=*",
    "../../etc/passwd",
    f"${{{FACTORS}}}{{{{{FACTORS}}}}}<%={FACTORS}%>",
    "<script>alert(1)</script>",
    "x\r\nX-Injected: yes",
    "\u202eadmin",
    "a" * 5000,
)


def _injected(context: Context) -> Iterator[Probe]:
    for name in ("sub", "jti", "name", "email", "preferred_username"):
        for payload in PAYLOADS:
            text = forge.sign(context.owner, context.token.header, context.fresh(**{name: payload}))
            yield context.attempt(text, f"{name} {payload[:24]!r}", check=_inert)


def _inert(exchange: Exchange) -> Ruling:
    answer = exchange.answer
    if answer.header("X-Injected") is not None:
        return hole("a claim wrote a header of the answer", Severity.HIGH)
    if PRODUCT in answer.text:
        return hole("a template in a claim was evaluated", Severity.HIGH)
    if "html" in (answer.header("Content-Type") or "") and "<script>alert(1)" in answer.text:
        return hole("a claim stands as markup in a page", Severity.MEDIUM)
    return must_not_crash(exchange)


def _replayed(context: Context) -> Play:
    text = context.token.text
    if context.signer is not None:
        text = context.mint(jti=secrets.token_urlsafe(16))
        first = yield from ask(context.attempt(text, "first use", check=None))
        if first.outcome is not Outcome.ACCEPTED:
            raise CannotTest("a fresh token was refused at its first use")
    yield Send(probes=(context.attempt(text, "second use"),))


def _other_client(context: Context) -> Iterator[Probe]:
    for name in ("azp", "client_id", "cid", "appid"):
        if name in context.token.payload:
            yield _claims(context, f"{name} of another client", {name: "another-client"})


ATTACKS = (
    Attack(
        id="F1",
        title="Expired token",
        severity=Severity.HIGH,
        references=("RFC 7519 4.1.4", "ASVS 9.2.1", "RFC 9068 4"),
        needs=(Need.SIGNING_KEY,),
        play=each(_expired),
        proves="A token works for ever, and so does a stolen one.",
        remedy=TIMES,
    ),
    Attack(
        id="F2",
        title="Token without exp",
        severity=Severity.LOW,
        references=("RFC 9068 2.2", "ASVS 9.2.1"),
        needs=(Need.SIGNING_KEY,),
        play=each(_no_expiry),
        proves="A token that the issuer forgot to limit works for ever.",
        remedy=TIMES,
    ),
    Attack(
        id="F3",
        title="exp or nbf of the wrong type",
        severity=Severity.LOW,
        references=("RFC 7519 2", "RFC 7519 4.1.4"),
        needs=(Need.SIGNING_KEY,),
        play=each(_odd_times),
        proves="A time that is no number is taken, or breaks the target.",
        remedy=TIMES,
    ),
    Attack(
        id="F4",
        title="nbf in the future",
        severity=Severity.MEDIUM,
        references=("RFC 7519 4.1.5", "ASVS 9.2.1"),
        needs=(Need.SIGNING_KEY,),
        play=each(_not_yet),
        proves="A token works before its time.",
        remedy=TIMES,
    ),
    Attack(
        id="F5",
        title="iat in the future, or of the wrong type",
        severity=Severity.LOW,
        references=("RFC 7519 4.1.6", "RFC 9068 2.2"),
        needs=(Need.SIGNING_KEY,),
        play=each(_issued_at),
        proves="A token dated wrongly passes, so that age limits and cut-offs can be evaded.",
        remedy="Require iat as a number that is not in the future.",
    ),
    Attack(
        id="F6",
        title="Beyond the leeway by a second",
        severity=Severity.LOW,
        references=("RFC 7519 4.1.4", "RFC 7519 4.1.5"),
        needs=(Need.SIGNING_KEY,),
        play=_boundary,
        expected="401 from the first second after the leeway on (set it with --leeway)",
        proves="More clock difference is tolerated than you said.",
        remedy="Keep the leeway at a minute or less, and exact.",
    ),
    Attack(
        id="F7",
        title="iss missing, another, or nearly right",
        severity=Severity.HIGH,
        references=("CVE-2024-53861", "RFC 8725bis 3.8", "ASVS 9.2.4"),
        needs=(Need.SIGNING_KEY,),
        play=each(_issuer),
        proves="A token of another issuer passes.",
        remedy=PARTIES,
    ),
    Attack(
        id="F8",
        title="aud missing",
        severity=Severity.MEDIUM,
        references=("RFC 8725bis 3.9", "ASVS 9.2.3"),
        needs=(Need.SIGNING_KEY,),
        play=each(_no_audience),
        proves="A token that was not made for this API opens it.",
        remedy=PARTIES,
    ),
    Attack(
        id="F9",
        title="aud another, a substring, or of another type",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.9", "ASVS 10.3.1"),
        needs=(Need.SIGNING_KEY,),
        play=each(_audience),
        proves="A token made for another API opens this one.",
        remedy=PARTIES,
    ),
    Attack(
        id="F10",
        title="sub missing, of another type, or a client's",
        severity=Severity.LOW,
        references=("RFC 8725bis 3.8", "RFC 9068 2.2", "ASVS 10.3.3"),
        needs=(Need.SIGNING_KEY,),
        play=each(_subject),
        proves="A token of nobody passes, or a client passes for a user.",
        remedy="Require sub as a string that is not empty; keep clients and users apart.",
    ),
    Attack(
        id="F11",
        title="Payload that is no object",
        severity=Severity.MEDIUM,
        references=("RFC 7519 7.2",),
        play=each(_not_an_object),
        proves="A payload without claims passes, or breaks the target.",
        remedy="Refuse a payload that is not a JSON object.",
    ),
    Attack(
        id="F12",
        title="Insufficient or look-alike role",
        severity=Severity.HIGH,
        references=("RFC 6750 3.1", "ASVS 10.3.2"),
        needs=(Need.ROLE_ROUTE,),
        play=_roles,
        expected=FORBIDDEN,
        proves="A user without the role reaches what it protects.",
        remedy="Compare whole role names in a list of strings, exactly.",
    ),
    Attack(
        id="F13",
        title="Another tenant's data",
        severity=Severity.CRITICAL,
        references=("ASVS 8.4.1", "RFC 8725bis 3.8"),
        needs=(Need.TENANT_ROUTE,),
        play=each(_tenant),
        expected=FORBIDDEN,
        proves="One customer reads another's data.",
        remedy="Compare the token's tenant with that of the data on every request.",
    ),
    Attack(
        id="F14",
        title="SQL, LDAP, markup and line breaks in claims",
        severity=Severity.MEDIUM,
        references=("ASVS 1.2", "ASVS 16.4.1"),
        needs=(Need.SIGNING_KEY,),
        play=each(_injected),
        expected="the text stays text: accepted or refused, never run",
        proves="A claim is run, or breaks the target.",
        remedy="Treat claims as input: bind parameters, escape output.",
    ),
    Attack(
        id="F15",
        title="One-time token used twice",
        severity=Severity.HIGH,
        references=("RFC 7519 4.1.7",),
        needs=(Need.ONE_TIME,),
        play=_replayed,
        proves="A token meant for one use can be replayed.",
        remedy="Remember every jti until its token expires, by one atomic write.",
    ),
    Attack(
        id="F16",
        title="Token of another client",
        severity=Severity.MEDIUM,
        references=("ASVS 10.3.1", "RFC 9068 2.2"),
        needs=(Need.CLIENT_BOUND,),
        play=each(_other_client),
        proves="Tokens that other clients obtained open this API.",
        remedy="Compare azp or client_id with the clients that are meant.",
    ),
)

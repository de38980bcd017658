"""Group H: how does the token travel, and what does the target say when it refuses?"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from jwt_guard.attacks import forge
from jwt_guard.attacks.baseline import BAD_TOKEN
from jwt_guard.attacks.context import Context, given
from jwt_guard.attacks.model import (
    Answer,
    Attack,
    CannotTest,
    Check,
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
    Step,
    Wait,
    ask,
    each,
    hole,
    must_refuse,
    safe,
    unclear,
)
from jwt_guard.attacks.plan import FORM_TYPE, with_cookie

ONE_PLACE = "Take the token from one place only; answer 400 when it stands in two."
PARAMETERS = ("access_token", "token", "jwt", "auth_token", "bearer")
COOKIES = ("access_token", "token", "jwt")
ENOUGH, TURNS = 3, 9
LAG, LAG_FACTOR = 0.02, 5
LOG_DELAY = 0.5


def _in_query(request: Request, name: str, value: str) -> Request:
    joint = "&" if "?" in request.target else "?"
    return replace(request, target=f"{request.target}{joint}{name}={quote(value)}")


def _in_form(request: Request, value: str) -> Request:
    body = f"access_token={quote(value)}".encode()
    return replace(request.setting("Content-Type", FORM_TYPE), method="POST", body=body)


def _two_places(context: Context) -> Iterator[Probe]:
    good, plain = context.token.text, context.plan.request
    bearer = context.request(good)
    request = _in_query(bearer, "access_token", BAD_TOKEN)
    yield Probe(
        label="good token carried rightly, another in the query", request=request, check=_ambiguous
    )
    for name in PARAMETERS[:2]:
        label = f"bad token carried rightly, the good one in the query as {name}"
        request = _in_query(context.request(BAD_TOKEN, base=plain), name, good)
        yield Probe(label=label, request=request, severity=Severity.MEDIUM)
    request = _in_form(context.request(BAD_TOKEN), good)
    label = "bad token carried rightly, the good one in the form"
    yield Probe(label=label, request=request, severity=Severity.MEDIUM)


def _ambiguous(exchange: Exchange) -> Ruling:
    if exchange.outcome is Outcome.ACCEPTED:
        return hole("the second token is ignored; RFC 6750 asks for 400", Severity.INFO)
    return must_refuse(exchange)


def _two_headers(context: Context) -> Iterator[Probe]:
    name, scheme = context.plan.carrier.header, context.plan.carrier.scheme
    bad, good = f"{scheme} {BAD_TOKEN}", f"{scheme} {context.token.text}"
    bare = context.request(context.token.text).without(name)
    orders = {"bad, then good": (bad, good), "good, then bad": (good, bad), "twice": (good, good)}
    for label, (first, second) in orders.items():
        request = bare.adding(name, first).adding(name, second)
        yield Probe(label=f"two headers: {label}", request=request)
    joined = bare.adding(name, f"{bad}, {good}")
    yield Probe(label="both in one header, by comma", request=joined)


def _query(context: Context) -> Iterator[Probe]:
    for name in PARAMETERS:
        request = _in_query(context.plan.request, name, context.token.text)
        yield Probe(label=f"only in the query, as {name}", request=request)


def _odd_schemes(context: Context) -> Iterator[Probe]:
    carrier, text = context.plan.carrier, context.token.text
    scheme = carrier.scheme
    odd = {
        "no scheme": text,
        "scheme Basic": f"Basic {text}",
        "scheme Token": f"Token {text}",
        "scheme JWT": f"JWT {text}",
        "a longer scheme": f"{scheme}X {text}",
        "the scheme twice": f"{scheme} {scheme} {text}",
        "a colon": f"{scheme}: {text}",
        "an equals sign": f"{scheme}={text}",
        "no space": f"{scheme}{text}",
        "a tab": f"{scheme}\t{text}",
        "words after the token": f"{scheme} {text} and more",
        "a parameter": f'{scheme} token="{text}"',
    }
    for label, value in odd.items():
        bare = context.request(text).without(carrier.header)
        yield Probe(label=label, request=bare.adding(carrier.header, value))


def _cookie_flags(context: Context) -> Play:
    answers = [context.good]
    for request in (context.plan.login, context.plan.cookie_login):
        if request is not None:
            exchange = yield from ask(Probe(label="log in", request=request, check=None))
            answers.append(exchange.answer)
    found = False
    for line in (line for answer in answers for line in answer.headers_named("Set-Cookie")):
        found = True
        yield from _judge_cookie(context, line)
    if not found:
        raise CannotTest("the target set no cookie, neither at login nor in its answer")


def _judge_cookie(context: Context, line: str) -> Play:
    name, _, rest = line.partition("=")
    value = rest.partition(";")[0]
    if not _secret_cookie(context, name, value):
        return
    for flaw in _cookie_flaws(name, line):
        yield Rule(about=f"cookie {name}", ruling=hole(flaw))
    yield Rule(about=f"cookie {name}", ruling=safe("looked at"))


def _secret_cookie(context: Context, name: str, value: str) -> bool:
    """A cookie that holds a token; the CSRF cookie must be readable by scripts.

    What a login with cookies sets is taken for one, for it may be encrypted.
    """
    if name == context.plan.csrf_cookie or "csrf" in name.lower():
        return False
    if context.plan.cookie_login is not None:
        return True
    return name == context.plan.carrier.cookie or value.count(".") >= 2 or "token" in name.lower()


def _cookie_flaws(name: str, line: str) -> Iterator[str]:
    attributes = {part.strip().partition("=")[0].lower(): part for part in line.split(";")[1:]}
    for flag in ("HttpOnly", "Secure"):
        if flag.lower() not in attributes:
            yield f"without {flag}"
    same_site = attributes.get("samesite", "").partition("=")[2].strip().lower()
    if same_site not in {"lax", "strict"}:
        yield f"SameSite is {same_site or 'absent'}"
    if not name.startswith(("__Host-", "__Secure-")):
        yield "without the __Host- prefix"
    if "domain" in attributes:
        yield "given to a whole domain"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Browser:
    """A browser's unsafe request without a proof, its session's proof, and another session's."""

    bare: Request
    proof: str | None
    other: str | None


def _csrf(context: Context) -> Play:
    browser = yield from _browser(context)
    if browser.proof is not None:
        request = _with_proof(context, browser.bare, browser.proof)
        exchange = yield from ask(Probe(label="with the proof", request=request, check=None))
        if exchange.outcome is not Outcome.ACCEPTED:
            raise CannotTest("the unsafe route does not accept the good proof")
    for label, request in _without_proof(context, browser):
        yield Send(probes=(Probe(label=label, request=request, check=_csrf_refused),))


def _browser(context: Context) -> Generator[Step, tuple[Exchange, ...], _Browser]:
    """The given token in its cookie, or a session of its own where a login sets cookies."""
    plan, route = context.plan, given(context.plan.unsafe_route)
    bare, given_proof = route.without(plan.csrf_header), route.header(plan.csrf_header)
    if plan.cookie_login is None:
        carried = context.request(context.token.text, base=bare)
        return _Browser(bare=carried, proof=given_proof, other=plan.other_csrf_proof)
    jar, others = (yield from _cookies(plan.cookie_login)), (yield from _cookies(plan.cookie_login))
    for name, value in jar.items():
        bare = with_cookie(bare, name, value)
    named = plan.csrf_cookie or ""
    return _Browser(
        bare=bare,
        proof=jar.get(named, given_proof),
        other=others.get(named, plan.other_csrf_proof),
    )


def _cookies(login: Request) -> Generator[Step, tuple[Exchange, ...], dict[str, str]]:
    """The cookies that a login sets. Raises CannotTest when it sets none."""
    exchange = yield from ask(Probe(label="log in", request=login, check=None))
    lines = exchange.answer.headers_named("Set-Cookie")
    if not lines:
        raise CannotTest(f"the login answered {exchange.answer.status} without a cookie")
    pairs = (line.partition(";")[0].partition("=") for line in lines)
    return {name.strip(): value for name, _, value in pairs}


def _with_proof(context: Context, request: Request, proof: str) -> Request:
    cookie = context.plan.csrf_cookie
    both = with_cookie(request, cookie, proof) if cookie is not None else request
    return both.setting(context.plan.csrf_header, proof)


def _without_proof(context: Context, browser: _Browser) -> Iterator[tuple[str, Request]]:
    name, bare, proof = context.plan.csrf_header, browser.bare, browser.proof
    yield "no proof", bare
    yield "no proof, from another origin", bare.setting("Origin", "https://evil.example")
    yield "an empty proof", _with_proof(context, bare, "")
    yield "a made-up proof in cookie and header", _with_proof(context, bare, "0" * 32)
    if proof is not None:
        yield "a wrong proof", _with_proof(context, bare, proof).setting(name, forge.flipped(proof))
        ascii_only = _with_proof(context, bare, proof).setting(name, f"{proof}\u00e9")
        yield "a proof that is not ASCII", ascii_only
    if browser.other is not None:
        yield "another session's proof", _with_proof(context, bare, browser.other)


def _csrf_refused(exchange: Exchange) -> Ruling:
    if exchange.outcome is Outcome.REFUSED and exchange.answer.status == 401:
        return safe("refused with 401 (403 says it better)")
    return must_refuse(exchange)


def _methods(context: Context) -> Iterator[Probe]:
    base = context.plan.request
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"):
        request = replace(base, method=method)
        check = _same_as(context, method == "HEAD")
        yield Probe(label=f"{method} without a token", request=request, check=check)
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        for method in ("OPTIONS", "HEAD", "GET"):
            request = base.setting(header, method)
            label = f"{header}: {method} without a token"
            yield Probe(label=label, request=request, check=_same_as(context, method == "HEAD"))


def _same_as(context: Context, bodiless: bool) -> Check:
    """Only what the good token gets is a leak: a preflight or a start page may answer 200."""

    def check(exchange: Exchange) -> Ruling:
        if exchange.outcome is not Outcome.ACCEPTED:
            return _tolerant(exchange)
        leaked = bodiless or resembles(exchange.answer, context.good)
        return must_refuse(exchange) if leaked else safe("answered, but not with what is guarded")

    return check


def _tolerant(exchange: Exchange) -> Ruling:
    """Odd methods and paths may be redirected, or not be known (501) at all."""
    if exchange.outcome is Outcome.ODD or exchange.answer.status == 501:
        return safe(f"answered {exchange.answer.status}")
    return must_refuse(exchange)


def resembles(answer: Answer, good: Answer) -> bool:
    """Whether an answer gives away what the good token got: the same type and words."""
    if not good.body:
        return answer.status == good.status and not answer.body
    return bool(answer.body) and _shape(answer.text) == _shape(good.text)


def _shape(text: str) -> str:
    """The text without its numbers, which change from answer to answer."""
    return re.sub(r"\d+", "0", text).strip()


def _paths(context: Context) -> Iterator[Probe]:
    base = context.plan.request
    path, mark, query = base.target.partition("?")
    for spelled in _spellings(path):
        request = replace(base, target=f"{spelled}{mark}{query}")
        label = f"path {spelled} without a token"
        yield Probe(label=label, request=request, check=_same_as(context, False))
    for header in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Override-URL"):
        request = replace(base, target=context.plan.public_path).setting(header, base.target)
        yield Probe(label=f"{header}: {path}", request=request, check=_same_as(context, False))
    for header, value in (("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Prefix", "/public")):
        request = base.setting(header, value)
        yield Probe(label=f"{header}: {value}", request=request, check=_same_as(context, False))


def _spellings(path: str) -> tuple[str, ...]:
    first = f"%{ord(path[1]):02x}{path[2:]}" if len(path) > 1 else "%2f"
    return (
        f"/{path}",
        f"/.{path}",
        f"/%2e{path}",
        f"/x/..{path}",
        f"/x/%2e%2e{path}",
        f"{path}/",
        f"{path}/.",
        f"{path}//",
        f"{path};x=y",
        f"{path}%00",
        f"{path}%20",
        f"{path}.json",
        f"{path}?x#y",
        f"/{first}",
        path.upper(),
    )


def _error_samples(context: Context) -> Iterator[tuple[str, str]]:
    token = context.token
    header, payload, signature = token.segments
    yield "a bad signature", f"{header}.{payload}.{forge.flipped(signature)}"
    yield "no token at all in it", BAD_TOKEN
    yield "one segment", "x"
    yield "an unknown kid", forge.compact({**token.header, "kid": "unknown"}, payload, signature)
    yield "alg none", forge.compact({**token.header, "alg": "none"}, payload, b"")
    expired = forge.payload_of(token, exp=1, iat=0)
    yield "expired, badly signed", forge.compact(header, expired, signature)
    if context.signer is not None:
        yield "expired, truly signed", context.mint(exp=1, iat=0)
        yield "another audience, truly signed", context.mint(aud="other")
        yield "another issuer, truly signed", context.mint(iss="https://evil.example")


def _uniform(context: Context) -> Play:
    samples = tuple(_error_samples(context))
    refused = yield from _refused(context, samples)
    if not refused:
        yield Rule(about="refusals", ruling=unclear("no sample was refused"))
        return
    seen: dict[tuple[object, ...], str] = {}
    for label, exchange in refused.items():
        seen.setdefault(_face(exchange.answer), label)
    alike, last = len(seen) == 1, tuple(refused.values())[-1]
    ruling = safe("all alike") if alike else hole(f"told apart: {', '.join(seen.values())}")
    yield Rule(about="refusals compared", ruling=ruling, exchange=last)
    yield from _as_quick(context, samples)


Samples = tuple[tuple[str, str], ...]


def _refused(
    context: Context, samples: Samples
) -> Generator[Step, tuple[Exchange, ...], dict[str, Exchange]]:
    """The answers to those samples that were refused."""
    probes = tuple(context.attempt(text, label, check=None) for label, text in samples)
    exchanges = yield Send(probes=probes)
    return {e.label: e for e in exchanges if e.outcome is Outcome.REFUSED}


def _as_quick(context: Context, samples: Samples) -> Play:
    """Samples by turns, their best times compared: a busy machine slows all, a leak one kind."""
    times: dict[str, float] = {}
    for turn in range(TURNS):
        if turn >= ENOUGH and not _lags(times):
            break
        for label, exchange in (yield from _refused(context, samples)).items():
            times[label] = min(times.get(label, math.inf), exchange.answer.elapsed)
    ruling = safe("none takes much longer than another")
    if times and _lags(times):
        slow, quick = max(times, key=times.__getitem__), min(times, key=times.__getitem__)
        took = f"{times[slow] * 1000:.0f} ms, {quick}: {times[quick] * 1000:.0f} ms"
        ruling = hole(f"told apart by time: {slow}: {took}")
    yield Rule(about="times compared", ruling=ruling)


def _lags(times: dict[str, float]) -> bool:
    """Whether one sample takes so much longer than another that a network does not hide it."""
    quick = min(times.values(), default=0.0)
    return max(times.values(), default=0.0) > LAG_FACTOR * quick + LAG


def _face(answer: Answer) -> tuple[object, ...]:
    """What a stranger can compare: status, challenge, words; numbers and ids left out."""
    challenge = re.sub(r"\d+", "0", answer.header("WWW-Authenticate") or "")
    words = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "0", answer.text)
    return answer.status, challenge, words, answer.header("Content-Type")


def _cacheable(context: Context) -> Play:
    control = (context.good.header("Cache-Control") or "").lower()
    kept = "no-store" in control or "private" in control
    ruling = safe(control) if kept else hole(f"Cache-Control: {control or 'absent'}", Severity.INFO)
    yield Rule(about="the good token's answer", ruling=ruling)
    exchange = yield from ask(context.attempt(context.token.text, "good token", check=None))
    yield Rule(about="the good token's answer", ruling=_echoed(context, exchange.answer))
    header, payload, signature = context.token.segments
    text = f"{header}.{payload}.{forge.flipped(signature)}"
    bad = yield from ask(context.attempt(text, "bad token", check=None))
    yield Rule(about="a refusal", ruling=_echoed(context, bad.answer))
    yield from _logged(context, text)


def _logged(context: Context, bad: str) -> Play:
    """What the logs that the owner names hold once a good and a bad token have been sent."""
    before = {path: path.stat().st_size for path in context.plan.logs}
    if not before:
        return
    for text in (context.token.text, bad):
        yield from ask(context.attempt(text, "a token that may be logged", check=None))
    yield Wait(seconds=LOG_DELAY)
    for path, size in before.items():
        found = _holds(context, path, size)
        ruling = hole("a token stands in it") if found else safe("no token in it")
        yield Rule(about=f"the log {path.name}", ruling=ruling)


def _holds(context: Context, path: Path, since: int) -> bool:
    """Whether the part that was written since holds claims or signature of the token."""
    with path.open("rb") as log:
        log.seek(since if path.stat().st_size >= since else 0)
        written = log.read()
    _, payload, signature = context.token.segments
    return any(secret[1:].encode() in written for secret in (payload, signature) if secret)


def _echoed(context: Context, answer: Answer) -> Ruling:
    said = answer.text + "".join(v for n, v in answer.headers if n.lower() != "set-cookie")
    secret = context.token.segments[2][1:]
    found = bool(secret) and secret in said
    return hole("the token comes back in it") if found else safe("no token in it")


ATTACKS = (
    Attack(
        id="H1",
        title="Token in two places",
        severity=Severity.MEDIUM,
        references=("RFC 6750 2",),
        play=each(_two_places),
        expected="400 invalid_request",
        proves="A token is taken from a second place, where logs and links carry it.",
        remedy=ONE_PLACE,
    ),
    Attack(
        id="H2",
        title="Two Authorization headers",
        severity=Severity.LOW,
        references=("RFC 6750 2", "RFC 9110 5.3"),
        needs=(Need.HEADER,),
        play=each(_two_headers),
        expected="400 invalid_request",
        proves="A proxy and the API can each look at another token.",
        remedy=ONE_PLACE,
    ),
    Attack(
        id="H3",
        title="Token in the query",
        severity=Severity.MEDIUM,
        references=("RFC 6750 2.3", "RFC 9700 4.3.2"),
        play=each(_query),
        expected="the query is ignored (401) or answered 400",
        proves="Tokens land in logs, histories and Referer headers.",
        remedy="Take the token from the Authorization header or a cookie only.",
    ),
    Attack(
        id="H4",
        title="Odd scheme or white space",
        severity=Severity.LOW,
        references=("RFC 6750 2.1", "RFC 9110 11.4"),
        needs=(Need.HEADER,),
        play=each(_odd_schemes),
        proves="Credentials are taken in forms that proxies and firewalls do not know.",
        remedy="Take exactly the scheme, one space, one token.",
    ),
    Attack(
        id="H5",
        title="Cookie flags",
        severity=Severity.MEDIUM,
        references=("ASVS 3.3.1", "NIST 800-63B-4 5.1.1", "RFC 6265bis 4.1.3"),
        needs=(Need.COOKIE,),
        play=_cookie_flags,
        expected="HttpOnly, Secure, SameSite, a __Host- name, no domain",
        proves="Scripts, plain connections or other sites can use the token's cookie.",
        remedy="Set-Cookie: __Host-name=...; Path=/; Secure; HttpOnly; SameSite=Lax.",
    ),
    Attack(
        id="H6",
        title="Cookie without a CSRF proof",
        severity=Severity.HIGH,
        references=("ASVS 3.5.1", "NIST 800-63B-4 5.1"),
        needs=(Need.CSRF,),
        play=_csrf,
        expected="403",
        proves="Another site acts in the user's name.",
        remedy="Ask on unsafe methods for a proof bound to the session, compared in constant time.",
    ),
    Attack(
        id="H7",
        title="Other methods and method override",
        severity=Severity.HIGH,
        references=("ASVS 4.1.4", "RFC 9110 9.3.2"),
        play=each(_methods),
        expected="the same refusal as for the method itself",
        proves="A method that was forgotten shows what is guarded.",
        remedy="Guard the route, not the method; ignore override headers before authentication.",
    ),
    Attack(
        id="H8",
        title="Other spellings of the path, spoofed original path",
        severity=Severity.HIGH,
        references=("RFC 3986 6.2", "ASVS 8.3.1"),
        play=each(_paths),
        expected="the same refusal, or 404",
        proves="Guard and router read the path differently.",
        remedy="Guard after routing; let nothing but the router read the path.",
    ),
    Attack(
        id="H9",
        title="Distinguishable refusals",
        severity=Severity.LOW,
        references=("ASVS 16.5.1", "RFC 6750 3.1"),
        play=_uniform,
        expected="one answer for every bad token, after about the same time",
        proves="A stranger learns which part of a forgery is right already.",
        remedy="Answer every bad token alike; put the reason into the log.",
    ),
    Attack(
        id="H10",
        title="Token in answers or logs, cacheable answer",
        severity=Severity.MEDIUM,
        references=("RFC 6750 5.3", "RFC 9111 5.2.2.5", "ASVS 14.3.2"),
        play=_cacheable,
        expected="no token in any answer nor in the logs named (--log), Cache-Control: no-store",
        proves="Caches and logs keep what only the caller should see.",
        remedy="Send Cache-Control: no-store to authenticated callers; write no token into logs.",
    ),
)

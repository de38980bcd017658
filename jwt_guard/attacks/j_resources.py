"""Group J: how much work can a stranger cause?"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from functools import cache, wraps

from jwt_guard.attacks import forge
from jwt_guard.attacks.b_algorithm import encrypted
from jwt_guard.attacks.context import Context
from jwt_guard.attacks.forge import b64, compact, dumps, header_of
from jwt_guard.attacks.material import JoseSigner, integer
from jwt_guard.attacks.model import (
    Attack,
    CannotTest,
    Exchange,
    Need,
    Outcome,
    Play,
    Probe,
    Rule,
    Ruling,
    Severity,
    Step,
    Verdict,
    ask,
    burst,
    hole,
    must_refuse,
    must_refuse_signed,
    no_play,
    safe,
    unclear,
)
from jwt_guard.attacks.provider import HugeSigner, Served, key_set
from jwt_guard.attacks.refetching import recovered, refetched

BOUND = "Bound the token's length before decoding it (8 kB is plenty), and the depth of its JSON."
SLOWEST = 2.0
FACTOR = 50
EXTRA = 0.02
GROWTH = 5
TRIES = 3
ROUNDS = 9
FLOOD = 20
MEANWHILE = 0.1


def _slow(context: Context, exchange: Exchange) -> str | None:
    """What is to be said of an answer that took work which a stranger could multiply."""
    elapsed = exchange.answer.elapsed
    if exchange.outcome is Outcome.TIMED_OUT:
        return f"no answer within {elapsed:.0f} s"
    if elapsed > max(SLOWEST, FACTOR * context.bad.elapsed):
        return f"answered after {elapsed:.1f} s, where a bad token takes less than a tick"
    return None


def _quickly(
    forge: Callable[[Context], Iterable[Probe]],
) -> Callable[[Context], Play]:
    """Make a play of probes whose answers must come quickly; one that does not is enough."""

    @wraps(forge)
    def play(context: Context) -> Play:
        for probe in forge(context):
            if (yield from _timed(context, probe)):
                return

    return play


def _timed(context: Context, probe: Probe) -> Generator[Step, tuple[Exchange, ...], bool]:
    """Judge a probe by its best time of three, and say whether it was slow each time.

    What a token costs, it costs each time; a busy machine is slow now and then.
    """
    best = yield from ask(replace(probe, check=None))
    for _ in range(TRIES - 1):
        if _slow(context, best) is None:
            break
        again = yield from ask(replace(probe, check=None))
        best = min(best, again, key=lambda exchange: exchange.answer.elapsed)
    slow = _slow(context, best)
    ruling = hole(slow) if slow else (probe.check or must_refuse)(best)
    severity = ruling.severity if ruling.severity is not None else probe.severity
    yield Rule(about=probe.label, ruling=replace(ruling, severity=severity), exchange=best)
    return slow is not None


def _oversize(context: Context) -> Iterator[Probe]:
    header, payload, signature = context.token.segments
    for size in (10_000, 60_000, 500_000):
        big = "A" * size
        yield context.attempt(f"{big}.{payload}.{signature}", f"header of {size} characters")
        yield context.attempt(f"{header}.{big}.{signature}", f"payload of {size} characters")
        yield context.attempt(f"{header}.{payload}.{big}", f"signature of {size} characters")
        padded = {**context.token.header, "x": "y" * size}
        label = f"well-formed header of {size} characters"
        yield context.attempt(compact(padded, payload, context.token.signature), label)


def _dots(context: Context) -> Iterator[Probe]:
    for count in (1_000, 8_000, 60_000, 1_000_000):
        yield context.attempt("." * count, f"{count} dots")


def _deep(context: Context) -> Iterator[Probe]:
    header, payload, signature = context.token.segments
    for depth in (200, 1_000, 3_000, 20_000):
        nested = b"[" * depth + b"]" * depth
        named = b'{"a":' * depth + b"1" + b"}" * depth
        for name, text in {"lists": nested, "objects": named}.items():
            head = b'{"alg":"' + context.token.alg.encode() + b'","x":' + text + b"}"
            yield context.attempt(f"{b64(head)}.{payload}.{signature}", f"{depth} {name}, header")
            yield context.attempt(f"{header}.{b64(text)}.{signature}", f"{depth} {name}, payload")


def _password_cost(context: Context) -> Iterator[Probe]:
    for count in (10_000_000, 2_147_483_647):
        for alg in ("PBES2-HS256+A128KW", "PBES2-HS512+A256KW"):
            head = {"alg": alg, "enc": "A128CBC-HS256", "p2c": count, "p2s": b64(bytes(16))}
            text = _jwe(head, key=bytes(24), text=bytes(16))
            yield context.attempt(text, f"{alg} with p2c {count}")


def _jwe(header: forge.Json, *, key: bytes, text: bytes) -> str:
    parts = (dumps(header), key, secrets.token_bytes(16), text, bytes(16))
    return ".".join(b64(part) for part in parts)


@cache
def _bomb() -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeezer.compress(bytes(50_000_000)) + squeezer.flush()


def _zip_bomb(context: Context) -> Play:
    for label, text, twin in _bombs(context):
        yield from _compared(context, label, text, twin)


def _bombs(context: Context) -> Iterator[tuple[str, str, str]]:
    """Small texts that grow, each with a twin of the same length that does not."""
    bomb = _bomb()
    noise = secrets.token_bytes(len(bomb))
    signed = header_of(context.token, zip="DEF")
    signature = context.token.signature
    yield (
        "a JWS with zip and 50 MB in 50 kB",
        compact(signed, bomb, signature),
        compact(signed, noise, signature),
    )
    if context.key is not None:
        makers = zip(
            encrypted(context, bytes(240_000), zip="DEF"),
            encrypted(context, secrets.token_bytes(180), zip="DEF"),
            strict=True,
        )
        for (alg, heavy), (_, light) in makers:
            yield f"a JWE by {alg} to the public key, 240 kB of zeros", heavy, light


def _compared(context: Context, label: str, text: str, twin: str) -> Play:
    """Up to nine times each; the best times count, so that a busy machine is no finding."""
    heavy: list[Exchange] = []
    light: list[Exchange] = []
    while len(heavy) < TRIES or (len(heavy) < ROUNDS and _grows(heavy, light)):
        heavy.append((yield from ask(context.attempt(text, label, check=None))))
        light.append((yield from ask(context.attempt(twin, f"twin of {label}", check=None))))
    says = (
        f"takes {_best(heavy) * 1000:.0f} ms, "
        f"incompressible text of that length {_best(light) * 1000:.0f} ms"
    )
    ruling = hole(says) if _grows(heavy, light) else must_refuse(heavy[-1])
    yield Rule(about=label, ruling=ruling, exchange=heavy[-1])


def _best(exchanges: Iterable[Exchange]) -> float:
    return min(exchange.answer.elapsed for exchange in exchanges)


def _grows(heavy: list[Exchange], light: list[Exchange]) -> bool:
    slow, quick = _best(heavy), _best(light)
    return slow > quick + EXTRA and slow > GROWTH * quick


def _kid_flood(context: Context) -> Play:
    """An unknown kid must be answered at once, and must keep nobody waiting."""
    since, fetches = time.monotonic(), _fetches(context)
    calm = yield from ask(context.attempt(context.token.text, "good token before", check=None))
    if (yield from _timed(context, _unknown(context))):
        return
    goods = yield from _flooded(context)
    best = min(goods, key=lambda exchange: exchange.answer.elapsed)
    shown = next((good for good in goods if good.outcome is not Outcome.ACCEPTED), best)
    yield Rule(about="valid traffic", ruling=_unaffected(calm, shown), exchange=shown)
    if context.plan.provider:
        ruling = _seldom(_fetches(context) - fetches, time.monotonic() - since)
        yield Rule(about="fetches of the key set", ruling=ruling)


def _fetches(context: Context) -> int:
    return context.callback.provider.fetches if context.plan.provider else 0


def _flooded(context: Context) -> Generator[Step, tuple[Exchange, ...], list[Exchange]]:
    """What the good token was answered in the midst of each of several floods."""
    goods: list[Exchange] = []
    while len(goods) < TRIES:
        good = context.attempt(context.token.text, "good token in a flood", check=None)
        flood = [replace(_unknown(context), check=None) for _ in range(FLOOD)]
        *_, answer = yield from burst((*flood, replace(good, delay=MEANWHILE)))
        goods.append(answer)
    return goods


def _unknown(context: Context) -> Probe:
    text = context.forged(header={"kid": f"unknown-{secrets.token_hex(8)}"})
    return context.attempt(text, "an unknown kid")


def _seldom(fetches: int, seconds: float) -> Ruling:
    says = f"{fetches} fetches in {seconds:.0f} s"
    return hole(says) if fetches > 2 * (1 + seconds // 30) else safe(says)


def _unaffected(calm: Exchange, after: Exchange) -> Ruling:
    if after.outcome is Outcome.THROTTLED:
        return unclear("the target limits the rate")
    if after.outcome is not Outcome.ACCEPTED:
        return hole(f"the good token is answered {after.answer.status or after.outcome}")
    if after.answer.elapsed > max(SLOWEST, FACTOR * calm.answer.elapsed):
        return hole(f"the good token waits {after.answer.elapsed:.1f} s, each time")
    return safe("the good token passes as fast as before")


def _invalid_point(context: Context) -> Iterator[Probe]:
    crv = str(context.known_key.jwk.get("crv", "P-256"))
    size = {"P-256": 32, "P-384": 48, "P-521": 66}.get(crv, 32)
    points = {
        "not on the curve": (b"\x01" * size, b"\x02" * size),
        "zero": (bytes(size), bytes(size)),
        "too short": (b"\x01", b"\x02"),
        "too long": (b"\x01" * (size * 4), b"\x02" * (size * 4)),
    }
    for name, (x, y) in points.items():
        epk = {"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)}
        head = {"alg": "ECDH-ES", "enc": "A128GCM", "epk": epk, "kid": context.known_key.kid}
        yield context.attempt(_jwe(head, key=b"", text=bytes(16)), f"ephemeral point {name}")


def _padding_oracle(context: Context) -> Play:
    """Two ciphertexts that decrypt to a good and to a bad padding must be answered alike."""
    key = context.known_key.jwk
    n, e = (int.from_bytes(forge.unb64(str(key[m])), "big") for m in ("n", "e"))
    size = (n.bit_length() + 7) // 8
    head = {"alg": "RSA1_5", "enc": "A128CBC-HS256", "kid": context.known_key.kid}
    faces: dict[tuple[object, ...], str] = {}
    last: Exchange | None = None
    for name, block in _blocks(size).items():
        cipher = pow(int.from_bytes(block, "big"), e, n).to_bytes(size, "big")
        text = _jwe(head, key=cipher, text=bytes(32))
        last = yield from ask(context.attempt(text, name))
        answer = last.answer
        faces[answer.status, answer.text, answer.header("WWW-Authenticate")] = name
    ruling = safe("answered alike") if len(faces) == 1 else hole("good and bad padding told apart")
    yield Rule(about="RSA1_5 padding", ruling=ruling, exchange=last)


def _blocks(size: int) -> dict[str, bytes]:
    filler = b"\x07" * (size - 3 - 32)
    return {
        "right padding": b"\x00\x02" + filler + b"\x00" + bytes(32),
        "wrong first bytes": b"\x00\x01" + filler + b"\x00" + bytes(32),
        "no separator": b"\x00\x02" + b"\x07" * (size - 2),
        "wrong key length": b"\x00\x02" + b"\x07" * (size - 3 - 5) + b"\x00" + bytes(5),
    }


def _huge_numbers(context: Context) -> Iterator[Probe]:
    header, _, signature = context.token.segments
    for digits in (400, 5_000, 7_000):
        number = "9" * digits
        for claim in ("exp", "iat", "nbf"):
            payload = f'{{"{claim}":{number}}}'.encode()
            label = f"{claim} of {digits} digits"
            yield context.attempt(f"{header}.{b64(payload)}.{signature}", f"{label}, unsigned")
            if context.signer is not None:
                yield _signed_number(context, claim, number, label)
        head = f'{{"alg":"{context.token.alg}","x":{number}}}'.encode()
        text = f"{b64(head)}.{context.token.segments[1]}.{signature}"
        yield context.attempt(text, f"header number of {digits} digits")
    huge = {"kty": "RSA", "n": integer(1 << 60_000), "e": integer((1 << 60_000) - 1)}
    head_with_key = header_of(context.token, jwk=huge)
    text = compact(head_with_key, context.token.segments[1], context.token.signature)
    yield context.attempt(text, "jwk of 60,000 bits in the header")


def _signed_number(context: Context, claim: str, number: str, label: str) -> Probe:
    rest = {k: v for k, v in context.fresh().items() if k != claim}
    payload = f'{{"{claim}":{number},'.encode() + dumps(rest)[1:]
    text = forge.sign(context.owner, context.token.header, payload)
    label = f"{label}, truly signed"
    return context.attempt(text, label, check=must_refuse_signed, severity=Severity.LOW)


MALFORMED: tuple[object, ...] = (
    {"kty": "RSA", "kid": "half", "n": "AQ"},
    {"kty": "EC", "kid": "off", "crv": "P-256", "x": "AQ", "y": "AQ"},
    {"kty": "unheard-of", "kid": "new"},
    {"kid": 7},
    {},
)


def _malformed_member(context: Context) -> Play:
    """A key that is published beside malformed ones must work."""
    signer = _newcomer(context)
    published = {**signer.public_jwk, "alg": signer.alg}
    served = key_set(*MALFORMED, *context.callback.provider.honest, published)
    found = yield from refetched(context, served, _signed(context, signer))
    used = found.stranger.outcome is Outcome.ACCEPTED
    ruling = safe("the others are used") if used else hole("a good key beside them is not used")
    yield Rule(about="a set with malformed keys", ruling=ruling, exchange=found.stranger)
    yield from recovered(context)


def _newcomer(context: Context) -> JoseSigner:
    """A key of ours that the target never saw; it must suit the target's allow-list."""
    signer = context.attacker.like(context.token.alg)
    if signer.alg != context.token.alg:
        raise CannotTest(f"no key of ours signs {context.token.alg}")
    return replace(signer, kid=f"fresh-{secrets.token_hex(4)}")


def _oversized_key(context: Context) -> Play:
    signer = HugeSigner()
    if context.token.alg != signer.alg:
        raise CannotTest(f"it takes a token signed with {signer.alg}")
    served = key_set(*context.callback.provider.honest, signer.public_jwk)
    found = yield from refetched(context, served, _signed(context, signer))
    yield from _timed(
        context, Probe(label="an RSA key of 16,000 bits", request=found.stranger.request)
    )
    yield from recovered(context)


def _signed(context: Context, signer: forge.Signer) -> str:
    header = header_of(context.token, alg=signer.alg, kid=signer.kid)
    return forge.sign(signer, header, context.fresh())


BAD_SETS = {
    "an empty set": key_set(),
    "a set of 20 MB": key_set(*[{"kty": "oct", "k": "A" * 20_000}] * 1_000),
    "no JSON": Served(body=b"<html>"),
    "a server error": Served(status=500),
    "a set that does not come": replace(key_set(), pause=30.0),
}


def _bad_sets(context: Context) -> Play:
    for about, served in BAD_SETS.items():
        goods = yield from _served_badly(context, about, served)
        if not all(_kept(good).verdict is Verdict.SAFE for good in goods):
            # Once more: a busy machine is slow too, but hardly twice at the same place.
            goods = yield from _served_badly(context, about, served)
        for good in goods:
            yield Rule(about=about, ruling=_kept(good), exchange=good)


def _served_badly(
    context: Context, about: str, served: Served
) -> Generator[Step, tuple[Exchange, ...], tuple[Exchange, Exchange]]:
    """How the good token fares while the set is fetched, and after it."""
    found = yield from refetched(context, served, _signed(context, _newcomer(context)))
    after = yield from ask(context.attempt(context.token.text, about, check=None))
    yield from recovered(context)
    return found.meanwhile, after


def _kept(good: Exchange) -> Ruling:
    if good.outcome is Outcome.ACCEPTED and good.answer.elapsed <= SLOWEST:
        return safe("the last good set is kept")
    if good.outcome is Outcome.ACCEPTED:
        return hole(f"the good token waits {good.answer.elapsed:.1f} s")
    return hole(f"the good token is answered {good.answer.status or good.outcome}")


ATTACKS = (
    Attack(
        id="J1",
        title="Oversize segments",
        severity=Severity.MEDIUM,
        references=("CVE-2025-61920", "ASVS 2.2.1"),
        play=_quickly(_oversize),
        expected="a refusal (400, 401, 413 or 431) as quick as for any bad token",
        proves="A long token costs time or memory, or breaks the target.",
        remedy=BOUND,
    ),
    Attack(
        id="J2",
        title="A flood of dots",
        severity=Severity.MEDIUM,
        references=("CVE-2025-30204",),
        play=_quickly(_dots),
        expected="a refusal as quick as for any bad token",
        proves="Splitting the token costs memory before anything is checked.",
        remedy="Count the dots, or split at most four times.",
    ),
    Attack(
        id="J3",
        title="Deeply nested JSON",
        severity=Severity.MEDIUM,
        references=("RFC 8259 9", "ASVS 16.5.3"),
        play=_quickly(_deep),
        expected="a refusal as quick as for any bad token",
        proves="Nesting exhausts the stack.",
        remedy=BOUND,
    ),
    Attack(
        id="J4",
        title="Huge PBES2 count (p2c)",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.13", "CVE-2023-50967"),
        play=_quickly(_password_cost),
        expected="a refusal as quick as for any bad token",
        proves="One request keeps a core busy for minutes.",
        remedy="Do not take PBES2 from strangers; else bound p2c.",
    ),
    Attack(
        id="J5",
        title="Zip bomb",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.15", "CVE-2024-21319"),
        play=_zip_bomb,
        expected="a refusal as quick as for any bad token",
        proves="A small token becomes a large one in memory.",
        remedy="Refuse `zip`, or bound what is decompressed.",
    ),
    Attack(
        id="J6",
        title="Flood of unknown kids",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.10", "ASVS 2.4.1"),
        play=_kid_flood,
        expected="quick refusals, at most two fetches in 30 s, valid traffic unaffected",
        proves="Every unknown kid makes the target ask its provider, while good users wait.",
        remedy="Fetch keys off the request path, once for many, with a pause after each miss.",
    ),
    Attack(
        id="J7",
        title="One malformed JWK in the set",
        severity=Severity.MEDIUM,
        references=("RFC 7517 5",),
        needs=(Need.PROVIDER,),
        play=_malformed_member,
        expected="the malformed key is skipped, good tokens pass",
        proves="One bad key locks everybody out.",
        remedy="Import key by key, and skip what cannot be understood.",
    ),
    Attack(
        id="J8",
        title="Oversized RSA JWK",
        severity=Severity.MEDIUM,
        references=("RFC 8725bis 3.5",),
        needs=(Need.PROVIDER,),
        play=_oversized_key,
        expected="the key is refused",
        proves="One verification takes seconds.",
        remedy="Refuse RSA keys above 8,192 bits and large public exponents.",
    ),
    Attack(
        id="J9",
        title="Slow, huge or empty key set",
        severity=Severity.MEDIUM,
        references=("ASVS 16.5.3",),
        needs=(Need.PROVIDER,),
        play=_bad_sets,
        expected="the last good set is kept",
        proves="The provider's bad minute is everybody's.",
        remedy="Bound time and size of a fetch, and keep the last good set.",
    ),
    Attack(
        id="J10",
        title="Key set down at start",
        severity=Severity.MEDIUM,
        references=("RFC 9110 15.6.4",),
        needs=(Need.COLD_START,),
        play=no_play,
        expected="503 with Retry-After",
        proves="An outage looks like bad tokens, and clients log their users out.",
        remedy="Answer 503 with Retry-After while no key was ever fetched.",
    ),
    Attack(
        id="J11",
        title="ECDH-ES with an invalid point",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.4", "CVE-2017-16007"),
        needs=(Need.EC_PUBLIC_KEY,),
        play=_quickly(_invalid_point),
        proves="Points off the curve give the private key away, or break the target.",
        remedy="Check that ephemeral keys lie on the curve.",
    ),
    Attack(
        id="J12",
        title="RSA1_5 padding oracle",
        severity=Severity.HIGH,
        references=("RFC 7516 11.5", "RFC 8725bis 3.2"),
        needs=(Need.RSA_PUBLIC_KEY,),
        play=_padding_oracle,
        expected="one answer, whatever the padding",
        proves="Answers tell good padding from bad: messages can be decrypted and forged.",
        remedy="Do not take RSA1_5.",
    ),
    Attack(
        id="J13",
        title="Huge integers",
        severity=Severity.MEDIUM,
        references=("RFC 7519 2", "ASVS 16.5.3"),
        play=_quickly(_huge_numbers),
        expected="a refusal as quick as for any bad token",
        proves="A number of thousands of digits is computed with, or breaks the target.",
        remedy="Bound numbers to what a date can be; bound the token's length.",
    ),
)

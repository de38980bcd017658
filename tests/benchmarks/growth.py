"""How the cost of a request grows with issuers, keys, roles, cached tokens and bad tokens.

`python -m tests.benchmarks.growth`
"""

import gc
import random
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from hmac import digest as hmac_digest
from itertools import cycle

import msgspec

from jwt_guard import Guard, Refusal, role
from tests.benchmarks import material
from tests.benchmarks.figures import Figures, Table, publish
from tests.benchmarks.measure import Timer, called, fastest
from tests.benchmarks.svg import bars, lines
from tests.support import tokens

__all__ = [
    "AS_LONG",
    "FLOOD_GOAL",
    "MISS",
    "bad_tokens",
    "cached",
    "figures",
    "flood",
    "issuers",
    "keys",
    "roles",
]

FLOOD_GOAL = 1.5
"""How much longer than a good token of its length, unseen before, a bad one may take."""

MISS, HIT, PER_ENTRY = "not cached", "cached", "bytes an entry"
_SECRET = random.Random(1).randbytes(32)
_SIGNATURE = tokens.segment(bytes([1]) + random.Random(1).randbytes(255))

USUAL, AS_LONG = "over a good one", "over one as long"

Curve = dict[int, dict[str, float]]
Over = dict[str, float]
Work = Callable[[], object]


def issuers(sizes: Iterable[int] = (1, 10, 100, 1000)) -> Curve:
    """Microseconds to verify an ES256 token, by the number of trusted issuers."""
    return _curve({size: _with_issuers(size) for size in sizes})


def _with_issuers(size: int) -> dict[str, Timer]:
    key = tokens.jwk("ES256")
    trusted = [
        {"issuer": f"{tokens.ISSUER}/{n}", "keys": {"keys": [key]}, "algorithms": ["ES256"]}
        for n in range(size)
    ]
    token = tokens.mint(material.claims(iss=f"{tokens.ISSUER}/{size - 1}"))
    return _both({"audience": tokens.AUDIENCE, "issuers": trusted}, token)


def keys(sizes: Iterable[int] = (1, 10, 100)) -> Curve:
    """Microseconds to verify an ES256 token, by the number of its issuer's keys."""
    return _curve({size: _with_keys(size) for size in sizes})


def _with_keys(size: int) -> dict[str, Timer]:
    key_set = {"keys": [tokens.jwk("ES256", f"key-{n}") for n in range(size)]}
    trusted = {"issuer": tokens.ISSUER, "keys": key_set, "algorithms": ["ES256"]}
    token = tokens.mint(material.claims(), name=f"key-{size - 1}")
    return _both({"audience": tokens.AUDIENCE, "issuers": [trusted]}, token)


def _both(settings: dict[str, object], token: str) -> dict[str, Timer]:
    return {
        name: called(_verifying(Guard.from_config({**settings, "cache": {"size": size}}), token))
        for name, size in ((MISS, 0), (HIT, 10))
    }


def _verifying(guard: Guard, token: str) -> Work:
    verify = guard.verify
    return lambda: verify(token)


def roles(sizes: Iterable[int] = (1, 10, 100, 1000)) -> Curve:
    """Microseconds to find that the highest of so many roles implies the lowest."""
    return _curve({size: _with_roles(size) for size in sizes})


def _with_roles(size: int) -> dict[str, Timer]:
    hierarchy = {f"role-{n}": [f"role-{n + 1}"] for n in range(size)}
    guard = Guard.from_config(
        {**material.configuration("HS256"), "roles": {"hierarchy": hierarchy}}
    )
    caller = guard.verify(tokens.mint(material.claims(roles=["role-0"]), algorithm="HS256"))
    lowest, authorize = role(f"role-{size}"), guard.authorize
    return {"authorize": called(lambda: authorize(caller, lowest))}


def _curve(points: dict[int, dict[str, Timer]]) -> Curve:
    """All points interleaved, so that they compare."""
    timers = {f"{size}/{name}": t for size, named in points.items() for name, t in named.items()}
    found = fastest(timers, rounds=120)
    return {
        size: {name: found[f"{size}/{name}"] for name in named} for size, named in points.items()
    }


def cached(sizes: Iterable[int] = (10, 1000, 100_000, 1_000_000)) -> Curve:
    """Microseconds of a hit, bytes an entry, and entries kept when twice as many were seen."""
    return {size: _with_cached(size) for size in sizes}


def _with_cached(size: int) -> dict[str, float]:
    secret = {"kty": "oct", "kid": "k", "k": tokens.segment(_SECRET), "alg": "HS256"}
    trusted = {"issuer": tokens.ISSUER, "keys": secret, "algorithms": ["HS256"]}
    settings = {"audience": tokens.AUDIENCE, "issuers": [trusted], "cache": {"size": size}}
    verify = (guard := Guard.from_config(settings)).verify
    step = max(1, size // 2)
    size_of_entry = _remembered(verify, step) / step
    recent = cycle([_cheap_token(number) for number in range(max(0, step - 1000), step)])
    hit = fastest({HIT: called(lambda: verify(next(recent)))}, rounds=20)[HIT]
    for number in range(step, 2 * size):
        verify(_cheap_token(number))
    kept = len(guard.verifier.cache or ())
    found = {HIT: hit, "kept": float(kept)}
    # Below that, what is made once weighs more than the entries.
    return found | ({PER_ENTRY: size_of_entry} if step >= 500 else {})


def _remembered(verify: Callable[[str], object], step: int) -> int:
    """The memory, in bytes, that is taken for so many tokens."""
    verify(_cheap_token(0))
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(step):
        verify(_cheap_token(number))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


_HEADER = tokens.segment({"alg": "HS256", "typ": "at+jwt", "kid": "k"})


def _cheap_token(number: int) -> str:
    message = f"{_HEADER}.{tokens.segment(msgspec.json.encode(material.claims(jti=str(number))))}"
    return f"{message}.{tokens.segment(hmac_digest(_SECRET, message.encode(), sha256))}"


def flood(kinds: Iterable[str] | None = None, *, rounds: int = 100) -> dict[str, Over]:
    """By kind of bad token, each new to the cache, its time over a good one's; RS256."""
    guard, bad = material.guard("RS256", cache_size=2), bad_tokens()
    made = {kind: [bad[kind](number) for number in range(100)] for kind in kinds or bad}
    good = {kind: _good_ones(len(those[0])) for kind, those in made.items()}
    timers = {
        **{f"bad: {kind}": _in_turn(guard, those) for kind, those in made.items()},
        **{f"good: {kind}": _in_turn(guard, those) for kind, those in good.items()},
        "good": _in_turn(guard, _good_ones()),
    }
    found = fastest(timers, rounds=rounds)
    return {
        kind: {
            USUAL: found[f"bad: {kind}"] / found["good"],
            AS_LONG: found[f"bad: {kind}"] / found[f"good: {kind}"],
        }
        for kind in made
    }


def _good_ones(size: int = 0) -> list[str]:
    """Good tokens; where that is more than usual, of so many bytes, which text fills up."""
    usual = len(_minted(jti="0", note=""))
    filling = max(0, (size - usual) * 3 // 4)
    return [_minted(jti=str(number), note="a" * filling) for number in range(100)]


def bad_tokens() -> dict[str, Callable[[int], str]]:
    """What makes a bad token of a number, by what is bad about it."""
    good = material.token()
    header = good.partition(".")[0]
    return {
        "signature of a stranger": lambda n: _minted(jti=str(n), signed_by="stranger"),
        "expired": lambda n: _minted(jti=str(n), exp=tokens.NOW - 60),
        "other audience": lambda n: _minted(aud=f"https://{n}.example.test"),
        "unknown issuer": lambda n: _minted(iss=f"https://{n}.example.test"),
        "unknown kid": lambda n: _minted(kid=f"k{n}"),
        "random text": lambda n: random.Random(n).randbytes(350).hex(),
        "signature cut": lambda n: good[: -1 - n % 80],
        "dots": lambda n: "." * (15_000 + n),
        "deep nesting": lambda n: f"{header}.{tokens.segment(b'[' * (9000 + n))}.AAAA",
        "thousands of numbers": lambda n: _unsigned(header, x=[n] * 3900),
        "thousands of numbers, a whole signature": lambda n: _unsigned(
            header, signature=_SIGNATURE, x=[n] * 3900
        ),
        "a thousand members": lambda n: _unsigned(header, x={f"{n}{i}": i for i in range(700)}),
        "white space, expired": _spaced,
    }


def _minted(*, kid: str = "RS256-main", signed_by: str = "main", **claims: object) -> str:
    changed = material.claims(**claims)
    return tokens.mint(changed, algorithm="RS256", name=signed_by, header={"kid": kid})


def _unsigned(header: str, *, signature: str = "AAAA", **claims: object) -> str:
    """As long as a token may be, of what takes long to read."""
    payload = msgspec.json.encode(material.claims(**claims))
    return f"{header}.{tokens.segment(payload)}.{signature}"


def _spaced(number: int) -> str:
    """A good signature over JSON that has to be read twice."""
    payload = msgspec.json.format(msgspec.json.encode(material.claims(exp=number)))
    header = {"alg": "RS256", "typ": "at+jwt", "kid": "RS256-main"}
    return tokens.forge(header, payload, algorithm="RS256", signing_key=tokens.key("RS256"))


def _in_turn(guard: Guard, those: list[str]) -> Timer:
    verify, following = guard.verify, cycle(those)

    def one() -> None:
        with suppress(Refusal):
            verify(next(following))

    return called(one)


def figures() -> Iterator[Figures]:
    """A table and a plot for each."""
    yield _of_curve("growth_issuers", "One ES256 token, by trusted issuers", issuers())
    yield _of_curve("growth_keys", "One ES256 token, by keys of its issuer", keys())
    yield _of_curve("growth_roles", "One requirement, by roles in a line of succession", roles())
    yield _of_cache(cached())
    yield _of_flood(flood())


def _of_curve(name: str, title: str, found: Curve) -> Figures:
    names = [*next(iter(found.values()))]
    rows: list[tuple[str | float, ...]]
    rows = [(f"{size:,}", *times.values()) for size, times in found.items()]
    series = {each: [(size, times[each]) for size, times in found.items()] for each in names}
    return Figures(
        name=name,
        title=f"{title}: microseconds.",
        table=Table((title.rpartition("by ")[2], *names), rows),
        measured=found,
        plots={name: lines(title, series, across=title.rpartition("by ")[2], up="us")},
    )


def _of_cache(found: Curve) -> Figures:
    rows = [
        (f"{size:,}", of[HIT], of.get(PER_ENTRY), f"{of['kept']:,.0f}")
        for size, of in found.items()
    ]
    series = {"a hit": [(size, of[HIT]) for size, of in found.items()]}
    return Figures(
        name="growth_cache",
        title="A cache hit, by the cache's size; filled with twice as many tokens.",
        table=Table(("size", "hit us", "bytes an entry", "entries kept"), rows),
        measured=found,
        plots={"growth_cache": lines("A cache hit, by size", series, across="size", up="us")},
    )


def _of_flood(found: dict[str, Over]) -> Figures:
    rows = [(kind, over[USUAL], over[AS_LONG], f"{FLOOD_GOAL}") for kind, over in found.items()]
    as_long = {kind: over[AS_LONG] for kind, over in found.items()}
    return Figures(
        name="growth_flood",
        title="Bad tokens that were never seen before, RS256: their time over a good one's.",
        table=Table(("token", USUAL, AS_LONG, "goal"), rows),
        measured=found,
        plots={"growth_flood": bars("Over a good one as long", as_long, unit="x", goal=FLOOD_GOAL)},
    )


if __name__ == "__main__":
    for each in figures():
        publish(each)

"""Group G: does a token end when it should, and is refreshing safe?

Every attack works on sessions that it makes itself; those that may end the given session too are
marked, and run last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace

from jwt_guard.attacks import forge
from jwt_guard.attacks.context import Context, given
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
    Step,
    Turn,
    Verdict,
    Wait,
    burst,
    hole,
    must_refuse,
    safe,
    unclear,
)
from jwt_guard.attacks.plan import refresh_request
from jwt_guard.attacks.sessions import (
    Pair,
    end,
    log_in,
    log_in_refreshable,
    pair_of,
    refresh,
    refresh_all,
    use,
)
from jwt_guard.attacks.targets import SWITCHING

END = "Keep a record of sessions, and look at it on every request: a signature alone cannot end."
ROTATE = "Rotate refresh tokens, notice reuse, and revoke the session with all its tokens."
DENIED = '401 with WWW-Authenticate: Bearer error="invalid_token" on the very next request'
GRANT = "400 invalid_grant"
PARALLEL = 8
LIFE = 2
LONGER_LIFE = 5
MOMENT = 0.1

Pairs = Generator[Step, tuple[Exchange, ...], Pair | None]


def _after_logout(context: Context) -> Play:
    pair = yield from log_in(context)
    yield from end(context, context.plan.logout, pair.access)
    yield Send(probes=(context.attempt(pair.access, "access token after logout"),))
    if pair.refresh is not None and context.plan.refresh is not None:
        exchange = yield from refresh(context, pair.refresh, "refresh after logout")
        yield Rule(about="refresh token after logout", ruling=_denied(exchange), exchange=exchange)


def _denied(exchange: Exchange) -> Ruling:
    """The refresh endpoint must give nothing."""
    if pair_of(exchange.answer) is not None:
        return hole("it gave a new access token")
    if exchange.outcome is Outcome.ACCEPTED:
        return safe("it gave no token")
    return must_refuse(exchange)


def _after_logout_everywhere(context: Context) -> Play:
    first = yield from log_in(context)
    second = yield from log_in(context)
    yield from end(context, context.plan.logout_everywhere, second.access)
    for label, pair in {"another session": first, "the session itself": second}.items():
        yield Send(probes=(context.attempt(pair.access, f"{label}'s access token"),))
        if pair.refresh is not None and context.plan.refresh is not None:
            exchange = yield from refresh(context, pair.refresh)
            about = f"{label}'s refresh token"
            yield Rule(about=about, ruling=_denied(exchange), exchange=exchange)


def _after_disabling(context: Context) -> Play:
    pair = yield from log_in(context)
    yield from end(context, context.plan.disable, pair.access)
    yield Send(probes=(context.attempt(pair.access, "access token after the change"),))
    if pair.refresh is not None and context.plan.refresh is not None:
        exchange = yield from refresh(context, pair.refresh)
        yield Rule(about="refresh after the change", ruling=_denied(exchange), exchange=exchange)


def _refreshed(context: Context, token: str, label: str = "refresh") -> Pairs:
    exchange = yield from refresh(context, token, label)
    return pair_of(exchange.answer)


def _successor(context: Context, token: str) -> Generator[Step, tuple[Exchange, ...], str]:
    pair = yield from _refreshed(context, token)
    if pair is None:
        raise CannotTest("a fresh refresh token was refused")
    if pair.refresh is None or pair.refresh == token:
        raise CannotTest("the refresh token does not rotate (see G4)")
    return pair.refresh


def _reused(context: Context) -> Play:
    """Reuse right away may give the same successor again (a lost answer), but never a second one.

    Whether two successors are two lineages shows when both are used.
    """
    _, first = yield from log_in_refreshable(context)
    fresh = yield from _refreshed(context, first)
    if fresh is None:
        raise CannotTest("a fresh refresh token was refused")
    if fresh.refresh is None or fresh.refresh == first:
        says = "the refresh token never changes: a stolen one works unnoticed"
        yield Rule(about="rotation", ruling=hole(says, Severity.MEDIUM))
        return
    again = yield from refresh(context, first, "the old refresh token again")
    other = pair_of(again.answer)
    if other is None:
        yield Rule(about="reuse", ruling=must_refuse(again), exchange=again)
    elif other.refresh in {None, fresh.refresh}:
        yield Rule(about="reuse", ruling=safe("the same successor was given again"))
    else:
        yield from _forked(context, fresh.refresh, given(other.refresh))


def _forked(context: Context, one: str, other: str) -> Play:
    first = yield from refresh(context, one, "the first successor")
    second = yield from refresh(context, other, "the second successor")
    forked = pair_of(first.answer) is not None and pair_of(second.answer) is not None
    ruling = hole("two lineages live on") if forked else safe("only one lineage lives on")
    yield Rule(about="reuse", ruling=ruling, exchange=second)


def _parallel(context: Context) -> Play:
    _, first = yield from log_in_refreshable(context)
    exchanges = yield from refresh_all(context, (first,) * PARALLEL)
    pairs = [pair for e in exchanges if (pair := pair_of(e.answer)) is not None]
    about = f"{PARALLEL} refreshes at once"
    for crashed in (e for e in exchanges if e.outcome is Outcome.CRASHED):
        yield Rule(about=about, ruling=must_refuse(crashed), exchange=crashed)
    if not pairs:
        yield Rule(about=about, ruling=hole("none succeeded: the user is logged out"))
        return
    heirs = tuple(
        dict.fromkeys(pair.refresh for pair in pairs if pair.refresh not in {None, first})
    )
    if not heirs:
        yield Rule(about=about, ruling=unclear("the refresh token does not rotate (see G4)"))
        return
    alive = 0
    for heir in heirs:
        alive += (yield from _refreshed(context, given(heir))) is not None
    yield Rule(about=about, ruling=_lineages(alive, len(heirs)))


def _lineages(alive: int, given_out: int) -> Ruling:
    if alive > 1:
        return hole(f"{alive} of {given_out} successors live on: one session became several")
    if alive == 0:
        return hole("no successor works: the user is logged out", Severity.LOW)
    return safe("one lineage lives on")


def _grandparent(context: Context) -> Play:
    pair, first = yield from log_in_refreshable(context)
    second = yield from _successor(context, first)
    third = yield from _successor(context, second)
    stolen = yield from refresh(context, first, "the grandparent token")
    yield Rule(about="grandparent", ruling=_denied(stolen), exchange=stolen)
    if pair_of(stolen.answer) is not None:
        return
    heir = yield from refresh(context, third, "the owner's newest token after the theft")
    if pair_of(heir.answer) is not None:
        says = "reuse is noticed, but the session lives on"
        yield Rule(about="after the theft", ruling=hole(says, Severity.LOW), exchange=heir)
    else:
        yield Rule(about="after the theft", ruling=safe("the session is over"), exchange=heir)
        access = yield from use(context, pair.access, "its access token after the theft")
        yield Rule(about="its access token", ruling=_revoked(access), exchange=access)


def _revoked(exchange: Exchange) -> Ruling:
    if exchange.outcome is Outcome.ACCEPTED:
        return hole("the session is over, but its access token lives on", Severity.LOW)
    return must_refuse(exchange)


def _racing(context: Context) -> Play:
    pair, first = yield from log_in_refreshable(context)
    logout = context.request(pair.access, base=given(context.plan.logout))
    exchanges = yield from refresh_all(context, (first,) * 4, logout, logout)
    won = [pair] + [p for e in exchanges[:4] if (p := pair_of(e.answer)) is not None]
    for survivor in won:
        yield Send(probes=(context.attempt(survivor.access, "access token after the race"),))
    for token in dict.fromkeys(p.refresh for p in won if p.refresh is not None):
        exchange = yield from refresh(context, token, "refresh after the race")
        yield Rule(about="refresh after the race", ruling=_denied(exchange), exchange=exchange)


def _wrong_token(context: Context) -> Play:
    pair, first = yield from log_in_refreshable(context)
    exchange = yield from refresh(context, pair.access, "an access token at the refresh endpoint")
    yield Rule(about="access token", ruling=_denied(exchange), exchange=exchange)
    probe = context.attempt(first, "a refresh token at the API")
    yield Send(probes=(probe,))
    for junk in ("", "x", "a.b.c", "null", "\u0000", "x" * 20_000):
        exchange = yield from refresh(context, junk, "junk at the refresh endpoint")
        yield Rule(about="junk", ruling=_denied(exchange), exchange=exchange)


def _cached_then_revoked(context: Context) -> Play:
    pair = yield from log_in(context)
    for _ in range(5):
        yield from use(context, pair.access, "warm the cache")
    yield from end(context, context.plan.logout, pair.access)
    yield Send(probes=(context.attempt(pair.access, "cached access token after logout"),))


def _cached_past_exp(context: Context) -> Play:
    """A token never seen, of the same age, tells a cache from a leeway."""
    cached, unseen, exp = yield from _warmed(context)
    yield Wait(seconds=max(0.0, exp + 1 - time.time()))
    seen = yield from use(context, cached, "cached token past its expiry")
    fresh = yield from use(context, unseen, "unseen token past its expiry")
    if Outcome.ACCEPTED is seen.outcome is fresh.outcome:
        yield Rule(about="past exp", ruling=unclear("the target's leeway hides it (see F6)"))
    else:
        yield Rule(about="cached token past exp", ruling=must_refuse(seen), exchange=seen)


def _warmed(
    context: Context,
) -> Generator[Step, tuple[Exchange, ...], tuple[str, str, int]]:
    """A short-lived token that was used, one that was not, and when both expire.

    A target that is too busy to answer in such a life is given a longer one.
    """
    for life in (LIFE, LONGER_LIFE):
        exp = int(time.time()) + life + 1
        cached, unseen = (context.mint(exp=exp, seen=seen) for seen in (True, False))
        uses = yield Send(probes=(context.attempt(cached, "fresh", check=None),) * 3)
        if all(answered.outcome is Outcome.ACCEPTED for answered in uses):
            return cached, unseen, exp
    raise CannotTest("a fresh short-lived token was refused")


def _collision(context: Context) -> Play:
    """Warm the cache with a good token, then send others that share most of its text."""
    yield from use(context, context.token.text, "warm the cache")
    header, payload, signature = context.token.segments
    other = forge.b64(forge.dumps(context.fresh(sub="admin")))
    others = {
        "another payload, the same signature": f"{header}.{other}.{signature}",
        "another signature, the rest the same": f"{header}.{payload}.{forge.flipped(signature, 9)}",
        "another header, the same signature": f"{other}.{payload}.{signature}",
        "the same first 64 characters": context.token.text[:64] + "A" * 64,
        "the same last 64 characters": "A" * 64 + context.token.text[-64:],
    }
    for label, text in others.items():
        yield Send(probes=(context.attempt(text, label),))
    if context.plan.second_token is not None:
        yield from _own_answer(context, context.plan.second_token)


def _own_answer(context: Context, second: str) -> Play:
    for _ in range(2):
        own = yield from use(context, context.token.text, "the first user")
        theirs = yield from use(context, second, "the second user")
        mixed = own.answer.body != context.good.body and own.answer.body == theirs.answer.body
        ruling = hole("one user got the other's answer") if mixed else safe("each his own")
        yield Rule(about="two users by turns", ruling=ruling)


def _respelled(context: Context) -> Play:
    pair = yield from log_in(context)
    yield from end(context, context.plan.logout, pair.access)
    for label, text in _spellings(pair.access):
        yield Send(probes=(context.attempt(text, f"revoked token, {label}"),))


def _spellings(text: str) -> tuple[tuple[str, str], ...]:
    signed, _, signature = text.rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(signature[-1]) ^ 1] if signature else "A"
    return (
        ("unchanged", text),
        ("padded", f"{text}="),
        ("unused bits set", f"{signed}.{signature[:-1]}{last}"),
        ("quoted", f'"{text}"'),
        ("junk after it", f"{text}!"),
    )


def _two_levels(context: Context) -> Play:
    one = yield from log_in(context)
    two = yield from log_in(context)
    yield from end(context, context.plan.logout, one.access)
    yield from end(context, context.plan.logout_everywhere, two.access)
    for label, pair in {"logged out alone": one, "logged out with all": two}.items():
        yield Send(probes=(context.attempt(pair.access, label),))
    yield Wait(seconds=1.1)
    # Logging in again must not bring the old ones back, and must work itself.
    three = yield from log_in(context)
    for label, pair in {"logged out alone": one, "logged out with all": two}.items():
        probe = context.attempt(pair.access, f"{label}, after a new login")
        yield Send(probes=(probe,))
    yield from end(context, context.plan.logout, three.access)
    yield Send(probes=(context.attempt(three.access, "the new session, logged out"),))


def _stream(context: Context) -> Play:
    if context.signer is not None:
        yield from _watched(context, _expiring)
    if context.plan.stream_grace and None not in (context.plan.login, context.plan.logout):
        yield from _watched(context, _revoked_streams)


Opened = Generator[Step, tuple[Exchange, ...], tuple[Exchange, ...]]


def _watched(context: Context, opened: Callable[[Context, int], Opened], life: int = LIFE) -> Play:
    """Judge streams; those of a busy target, which opens or closes late, by a second try."""
    exchanges = yield from opened(context, life)
    rulings = [_closed(exchange, life) for exchange in exchanges]
    if life == LIFE and not all(ruling.verdict is Verdict.SAFE for ruling in rulings):
        yield from _watched(context, opened, LONGER_LIFE)
        return
    for exchange, ruling in zip(exchanges, rulings, strict=True):
        yield Rule(about=exchange.label, ruling=ruling, exchange=exchange)


def _expiring(context: Context, life: int) -> Opened:
    """Streams whose token expires; all at once, for what is waited for is the same."""
    bound = 2 * life + 2 + context.plan.leeway
    text = context.mint(exp=int(time.time()) + life + 1)
    probes = [
        # The least delay makes each request keep its own time-out.
        replace(
            context.attempt(text, f"{name} past its token's expiry", check=None, base=base),
            timeout=float(bound),
            delay=MOMENT,
        )
        for name, base in context.plan.streams.items()
    ]
    return (yield from burst(probes))


def _revoked_streams(context: Context, life: int) -> Opened:
    """Streams whose session is logged out while they are open."""
    pair = yield from log_in(context)
    bound = float(life + context.plan.stream_grace)
    streams = [
        replace(
            context.attempt(pair.access, f"{name} after logout", check=None, base=base),
            timeout=bound,
        )
        for name, base in context.plan.streams.items()
    ]
    request = context.request(pair.access, base=given(context.plan.logout))
    logout = Probe(label="log out", request=request, check=None, delay=life)
    *exchanges, ended = yield from burst((*streams, logout))
    if ended.answer.status >= 400 or ended.answer.failure is not None:
        raise CannotTest(f"{request.target} answered {ended.answer.status or ended.outcome}")
    return tuple(exchanges)


def _closed(exchange: Exchange, life: int) -> Ruling:
    """A stream that ends before its token or session does, ends for another reason."""
    answer = exchange.answer
    if exchange.outcome is Outcome.TIMED_OUT:
        return hole(f"still open after {answer.elapsed:.0f} s")
    if answer.status != SWITCHING and not 200 <= answer.status < 300:
        return unclear(f"the stream did not open: {answer.status or exchange.outcome}")
    if answer.elapsed < life - MOMENT:
        return unclear(f"it ended by itself after {answer.elapsed:.1f} s: no stream?")
    return safe(f"closed after {answer.elapsed:.0f} s")


def _other_device(context: Context) -> Play:
    _, first = yield from log_in_refreshable(context)
    request = refresh_request(context.plan, first)
    moved: Request = request.setting("User-Agent", "another-device/1.0")
    probe = Probe(label="refresh from another device", request=moved, check=_denied)
    yield Send(probes=(probe,))


ATTACKS = (
    Attack(
        id="G1",
        title="Token after logout",
        severity=Severity.HIGH,
        references=("ASVS 7.4.1", "RFC 7009 2"),
        needs=(Need.LOGOUT,),
        play=_after_logout,
        expected=DENIED,
        proves="Logging out changes nothing: a stolen token works on.",
        remedy=END,
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G2",
        title="Tokens after logout everywhere",
        severity=Severity.HIGH,
        references=("ASVS 7.4.3", "ASVS 7.4.5"),
        needs=(Need.LOGOUT_EVERYWHERE,),
        play=_after_logout_everywhere,
        expected=DENIED,
        proves="A user cannot throw out a thief.",
        remedy=END,
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G3",
        title="Token after a password or role change, or a disabled account",
        severity=Severity.HIGH,
        references=("CVE-2024-22513", "ASVS 7.4.2"),
        needs=(Need.ACCOUNT_CHANGE,),
        play=_after_disabling,
        expected=DENIED,
        proves="Who was dismissed keeps working.",
        remedy=END,
        turn=Turn.ENDS_ACCOUNT,
    ),
    Attack(
        id="G4",
        title="Old refresh token reused",
        severity=Severity.HIGH,
        references=("RFC 9700 4.14.2", "ASVS 10.4.5"),
        needs=(Need.REFRESH,),
        play=_reused,
        expected=f"{GRANT}, or the same successor again for a moment",
        proves="A stolen refresh token makes a second session that nobody notices.",
        remedy=ROTATE,
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G5",
        title="Parallel refreshes of one token",
        severity=Severity.HIGH,
        references=("CVE-2026-1035", "RFC 9700 4.14.2"),
        needs=(Need.REFRESH,),
        play=_parallel,
        expected="one lineage lives on, and nobody is logged out",
        proves="A race makes several sessions of one, or logs the user out.",
        remedy="Rotate by one atomic compare-and-set, and answer a repeat with the same successor.",
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G6",
        title="Grandparent refresh token",
        severity=Severity.HIGH,
        references=("RFC 9700 4.14.2", "ASVS 10.4.5"),
        needs=(Need.REFRESH,),
        play=_grandparent,
        expected=f"{GRANT}, and the session is revoked",
        proves="A clear sign of theft is not acted on.",
        remedy=ROTATE,
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G7",
        title="Refresh racing logout",
        severity=Severity.HIGH,
        references=("ASVS 7.4.1", "RFC 7009 2"),
        needs=(Need.LOGOUT_REFRESH,),
        play=_racing,
        expected="nothing survives the logout",
        proves="A refresh at the right moment outlives the logout.",
        remedy="Revoke the session, not single tokens, and check it when refreshing, atomically.",
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G8",
        title="Access token at the refresh endpoint",
        severity=Severity.HIGH,
        references=("RFC 6749 5.2", "RFC 8725bis 3.12"),
        needs=(Need.REFRESH,),
        play=_wrong_token,
        expected=GRANT,
        proves="A short-lived token renews itself for ever, or a long-lived one opens the API.",
        remedy="Keep the kinds of token apart, by typ and by key.",
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G9",
        title="Cached, then revoked",
        severity=Severity.HIGH,
        references=("ASVS 7.4.1",),
        needs=(Need.LOGOUT,),
        play=_cached_then_revoked,
        expected=DENIED,
        proves="A cache keeps a revoked token alive.",
        remedy="Cache what was verified, never the verdict: look for revocation on every request.",
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G10",
        title="Cached, past its expiry",
        severity=Severity.HIGH,
        references=("RFC 7519 4.1.4", "RFC 7662 4"),
        needs=(Need.SIGNING_KEY,),
        play=_cached_past_exp,
        proves="A cache keeps an expired token alive.",
        remedy="Compare exp with the clock on every request, hit or miss.",
    ),
    Attack(
        id="G11",
        title="Cache-key collision",
        severity=Severity.CRITICAL,
        references=("CVE-2026-35030", "CVE-2026-35039"),
        play=_collision,
        expected="401, and every user his own answer",
        proves="A token that looks like another's gets the other's claims.",
        remedy="Key the cache by a digest of the whole token.",
    ),
    Attack(
        id="G12",
        title="Revoked token in another spelling",
        severity=Severity.HIGH,
        references=("RFC 8725bis 3.14", "ASVS 7.4.1"),
        needs=(Need.LOGOUT,),
        play=_respelled,
        expected=DENIED,
        proves="The list of revoked tokens compares text, and the text can be changed.",
        remedy="Revoke by jti or session, and decode strictly.",
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G13",
        title="Two cut-offs at once",
        severity=Severity.MEDIUM,
        references=("ASVS 7.4.3",),
        needs=(Need.LOGOUT_EVERYWHERE, Need.LOGOUT),
        play=_two_levels,
        expected="the later cut-off wins, and a new login works",
        proves="One cut-off undoes another.",
        remedy="Look at every level, and let the latest moment win.",
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G14",
        title="Stream past the token's expiry or the session's end",
        severity=Severity.MEDIUM,
        references=("ASVS 7.3.2", "RFC 7519 4.1.4"),
        needs=(Need.STREAM_ROUTE,),
        play=_stream,
        expected="the stream is closed when the token expires or is revoked",
        proves="A connection once open stays so for ever.",
        remedy="Close streams and sockets when their token expires or is revoked.",
        turn=Turn.ENDS_SESSIONS,
    ),
    Attack(
        id="G15",
        title="Refresh by another client or device",
        severity=Severity.MEDIUM,
        references=("RFC 9700 2.2.2", "RFC 6749 6"),
        needs=(Need.DEVICE_BOUND,),
        play=_other_device,
        expected=f"{GRANT}, and an alert",
        proves="A refresh token works wherever it is carried.",
        remedy="Bind refresh tokens to the client, best by DPoP or mTLS.",
        turn=Turn.ENDS_SESSIONS,
    ),
)

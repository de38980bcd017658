"""Making a target fetch its keys anew, and waiting until it is well again."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from dataclasses import dataclass, replace

from jwt_guard.attacks.context import Context
from jwt_guard.attacks.model import CannotTest, Exchange, Outcome, Step, Wait, ask, burst
from jwt_guard.attacks.provider import Served

__all__ = ["Refetched", "recovered", "refetched"]

PAUSE = 1.0
MEANWHILE = 0.3
# Careful targets ask their provider again after half a minute at the earliest.
TRIES = 45


@dataclass(frozen=True, slots=True, kw_only=True)
class Refetched:
    """What a target answered around a fetch of its keys.

    `stranger` is the answer to the token of the unknown kid afterwards, `meanwhile` that to the
    good token while the fetch may have been under way.
    """

    stranger: Exchange
    meanwhile: Exchange


def refetched(
    context: Context, served: Served, text: str
) -> Generator[Step, tuple[Exchange, ...], Refetched]:
    """Present a token of an unknown kid until the target fetches what is served, and once more.

    Raises CannotTest when the target does not fetch.
    """
    provider = context.callback.provider
    before = provider.fetches
    unknown = context.attempt(text, "a token of an unknown kid", check=None)
    with provider.playing(served):
        for _ in range(TRIES):
            good = context.attempt(context.token.text, "the good token meanwhile", check=None)
            _, meanwhile = yield from burst((unknown, replace(good, delay=MEANWHILE)))
            if provider.fetches > before:
                stranger = yield from ask(context.attempt(text, "the same again", check=None))
                return Refetched(stranger=stranger, meanwhile=meanwhile)
            yield Wait(seconds=PAUSE)
    raise CannotTest(f"the target did not fetch its keys anew within {TRIES * PAUSE:.0f} s")


def recovered(context: Context) -> Generator[Step, tuple[Exchange, ...], None]:
    """Wait until the target has fetched the honest set, and the good token passes.

    Else one attack's bad set would be counted among the failures of the next. Raises CannotTest
    when the target does not recover.
    """
    provider = context.callback.provider
    before = provider.fetches
    for _ in range(TRIES):
        text = context.forged(header={"kid": f"late-{secrets.token_hex(4)}"})
        yield from ask(context.attempt(text, "a token of an unknown kid", check=None))
        good = yield from ask(context.attempt(context.token.text, "the good token", check=None))
        if provider.fetches > before and good.outcome is Outcome.ACCEPTED:
            return
        yield Wait(seconds=PAUSE)
    raise CannotTest("the target does not fetch its keys again and take the good token")

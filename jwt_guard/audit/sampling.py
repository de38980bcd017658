"""Which of the verified requests are written: all, some, or one summary for many."""

import random
from typing import Protocol

import msgspec

from jwt_guard.audit.facts import AUTHENTICATED, Fact

__all__ = ["Each", "Nothing", "Sampled", "Sampling", "Summary"]

_MOST_SUMMARIES = 20_000


class Sampling(Protocol):
    """Chooses among the facts of verified requests; all others are always written."""

    def keep(self, fact: Fact) -> Fact | None:
        """The fact, if it is to be written now."""
        ...

    def due(self, now: float) -> list[Fact]:
        """Summaries that are to be written now."""
        ...


class Each:
    """Every verified request is written."""

    def keep(self, fact: Fact) -> Fact | None:
        """See `Sampling`."""
        return fact

    def due(self, now: float) -> list[Fact]:
        """See `Sampling`."""
        return []


class Nothing(Each):
    """No verified request is written; they count in metrics and for detectors alone."""

    def keep(self, fact: Fact) -> Fact | None:
        """See `Sampling`."""
        return None if fact.name == AUTHENTICATED else fact


class Sampled(Each):
    """A random share of the verified requests; each one's `count` says for how many it stands.

    Args:
        share: more than 0, at most 1.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._stands_for = max(1, round(1 / share))

    def keep(self, fact: Fact) -> Fact | None:
        """See `Sampling`."""
        if fact.name != AUTHENTICATED:
            return fact
        if random.random() >= self._share:  # noqa: S311 - a sample, no secret
            return None
        return msgspec.structs.replace(fact, count=self._stands_for, since=fact.time)


class Summary:
    """One record for all verified requests of a token from one place in an interval.

    Args:
        interval: seconds.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._since = float("-inf")
        self._facts: dict[tuple[str | None, ...], tuple[Fact, int, float]] = {}

    def keep(self, fact: Fact) -> Fact | None:
        """See `Sampling`."""
        if fact.name != AUTHENTICATED:
            return fact
        key = (fact.issuer, fact.subject, fact.session, fact.token, fact.address, fact.agent)
        known = self._facts.get(key)
        if known is None and len(self._facts) >= _MOST_SUMMARIES:
            return fact
        _, count, since = known or (fact, 0, fact.time)
        self._facts[key] = (fact, count + 1, since)
        return None

    def due(self, now: float) -> list[Fact]:
        """See `Sampling`."""
        if now - self._since < self._interval:
            return []
        facts, self._facts, self._since = self._facts, {}, now
        return [
            msgspec.structs.replace(fact, count=count, since=since, method=None, path=None)
            if count > 1
            else fact
            for fact, count, since in facts.values()
        ]

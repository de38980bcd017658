"""Rules about attempts: bursts of refusals, probing, hammering, stuffing, unusual rates."""

from collections.abc import Callable

import msgspec

from jwt_guard.audit.detect.base import Alert, Bounded, Known, SlidingCount
from jwt_guard.audit.facts import AUTHENTICATED, DENIED, REFUSED, Fact
from jwt_guard.audit.text import network_of

__all__ = [
    "ExpiredHammering",
    "LoginStuffing",
    "RefusalBurst",
    "RoleProbing",
    "UnusualRate",
    "burst_by_address",
    "burst_by_kid",
    "burst_by_subject",
]

# Expiry is everyday and has a rule of its own; outages and throttling are no caller's doing.
_EVERYDAY = frozenset(
    {
        "token_expired",
        "token_missing",
        "proof_nonce_required",
        "keys_unavailable",
        "store_unavailable",
        "audit_unavailable",
        "throttled",
    }
)
_FORGED = frozenset(
    {"key_unknown", "key_ambiguous", "signature_invalid", "algorithm_not_allowed", "header_invalid"}
)


class RefusalBurst:
    """Refusals of one origin come faster than any honest client makes them.

    Rule: `threshold` refusals within `window` seconds with the same key. Expired tokens, missing
    tokens and outages do not count. Memory: `most` entries of `threshold` times.

    Args:
        rule: the rule's name.
        key: takes the origin out of an event; None does not count.
        most: how many origins are remembered.
        threshold: how many refusals.
        window: seconds.
        sees: the events that count.
    """

    def __init__(
        self,
        rule: str,
        key: Callable[[Fact], str | None],
        most: int,
        *,
        threshold: int,
        window: float,
        sees: frozenset[str],
    ) -> None:
        self.rule = rule
        self.sees = sees
        self._key = key
        self._threshold = threshold
        self._window = window
        self._counts: Bounded[SlidingCount] = Bounded(most, lambda: SlidingCount(threshold))

    def __len__(self) -> int:
        return len(self._counts)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        key = None if fact.reason in _EVERYDAY else self._key(fact)
        if key is None or not self._counts[key].reached(fact.time, self._window):
            return None
        return Alert(
            rule=self.rule,
            title="A burst of refusals",
            severity=3,
            key=key,
            fact=fact,
            detail={"refusals": self._threshold, "seconds": self._window},
        )


def burst_by_address(most: int, *, threshold: int = 30, window: float = 60.0) -> RefusalBurst:
    """`burst_address`: 30 refused credentials from one address in a minute."""
    return RefusalBurst(
        "burst_address",
        lambda fact: fact.address,
        most,
        threshold=threshold,
        window=window,
        sees=frozenset({REFUSED}),
    )


def burst_by_subject(most: int, *, threshold: int = 25, window: float = 300.0) -> RefusalBurst:
    """`burst_subject`: 25 refusals that name one subject in five minutes, from wherever.

    Counts failed logins, and refused tokens that claim the subject; a denial of a verified
    subject is `role_probing`'s.
    """
    return RefusalBurst(
        "burst_subject",
        lambda fact: fact.subject or (fact.presented.subject if fact.presented else None),
        most,
        threshold=threshold,
        window=window,
        sees=frozenset({REFUSED, "login_failed", "refresh_failed"}),
    )


def burst_by_kid(most: int, *, threshold: int = 30, window: float = 60.0) -> RefusalBurst:
    """`burst_kid`: 30 tokens with one key id and a key or signature that is wrong, in a minute."""
    return RefusalBurst(
        "burst_kid",
        lambda fact: fact.presented.kid if fact.presented and fact.reason in _FORGED else None,
        most,
        threshold=threshold,
        window=window,
        sees=frozenset({REFUSED}),
    )


class RoleProbing:
    """`role_probing`: a verified subject tries doors.

    Rule: eight different paths denied to one subject within ten minutes. A page that always asks
    for the same two forbidden things is not reported.
    Threshold: 8 paths. Memory: `subjects` entries of eight paths' hashes and times.
    """

    rule = "role_probing"
    sees = frozenset({DENIED})

    def __init__(self, subjects: int, *, paths: int = 8, window: float = 600.0) -> None:
        self._paths = paths
        self._window = window
        self._denied: Bounded[dict[int, float]] = Bounded(subjects, dict)

    def __len__(self) -> int:
        return len(self._denied)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        person = fact.person
        if person is None:
            return None
        denied = self._denied[person]
        path = hash((fact.method, fact.path))
        denied.pop(path, None)
        denied[path] = fact.time
        if len(denied) > self._paths:
            del denied[next(iter(denied))]
        if len(denied) < self._paths or fact.time - next(iter(denied.values())) > self._window:
            return None
        return Alert(
            rule=self.rule,
            title="A subject tries what it may not do",
            severity=3,
            key=person,
            fact=fact,
            detail={"paths": self._paths, "seconds": self._window},
        )


class ExpiredHammering:
    """`expired_hammering`: an expired token is sent again and again.

    Rule: thirty times the same expired token within five minutes: a client out of control, or
    somebody who tries whether expiry is checked.
    Threshold: 30. Memory: `tokens` entries of thirty times.
    """

    rule = "expired_hammering"
    sees = frozenset({REFUSED})

    def __init__(self, tokens: int, *, threshold: int = 30, window: float = 300.0) -> None:
        self._threshold = threshold
        self._window = window
        self._counts: Bounded[SlidingCount] = Bounded(tokens, lambda: SlidingCount(threshold))

    def __len__(self) -> int:
        return len(self._counts)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        said = fact.presented
        if fact.reason != "token_expired" or said is None or said.credential is None:
            return None
        if not self._counts[said.credential].reached(fact.time, self._window):
            return None
        return Alert(
            rule=self.rule,
            title="An expired token is sent again and again",
            severity=2,
            key=said.credential,
            fact=fact,
            detail={"times": self._threshold, "seconds": self._window},
        )


class _Logins:
    __slots__ = ("failed", "good")

    def __init__(self) -> None:
        self.failed: list[tuple[float, int]] = []
        self.good: list[float] = []


class LoginStuffing:
    """`login_stuffing`: passwords of many are tried from one network.

    Rule: within ten minutes twelve failed logins of at least eight different names from one
    network, and more of its logins fail than succeed. An office where many mistype on a Monday
    has mostly good logins.
    Threshold: 12 failures, 8 names. Memory: `networks` entries of two short lists.
    """

    rule = "login_stuffing"
    sees = frozenset({"login", "login_failed"})

    def __init__(
        self, networks: int, *, failures: int = 12, names: int = 8, window: float = 600.0
    ) -> None:
        self._names = names
        self._failures = failures
        self._window = window
        self._logins: Bounded[_Logins] = Bounded(networks, _Logins)

    def __len__(self) -> int:
        return len(self._logins)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        if not fact.address:
            return None
        network = network_of(fact.address)
        logins = self._logins[network]
        if fact.name == "login":
            logins.good.append(fact.time)
            del logins.good[: -self._failures]
            return None
        logins.failed.append((fact.time, hash(fact.person)))
        del logins.failed[: -self._failures]
        since = logins.failed[0][0]
        if len(logins.failed) < self._failures or fact.time - since > self._window:
            return None
        names = len({name for _, name in logins.failed})
        good = sum(time >= since for time in logins.good)
        if names < self._names or good >= self._failures:
            return None
        return Alert(
            rule=self.rule,
            title="Many people's passwords are tried from one network",
            severity=4,
            key=network,
            fact=fact,
            detail={"failures": self._failures, "names": names, "good": good},
        )


class _Rate(msgspec.Struct, gc=False):
    window: int = -1
    before: int = 0
    count: int = 0
    windows: int = 0
    peak: float = 0.0


class UnusualRate:
    """`unusual_rate`: a subject asks far more than it ever did.

    Rule: in ten minutes more than 120 requests and more than five times the subject's busiest ten
    minutes so far (which fade slowly, by a hundredth each), after three such spells were seen.
    Memory: `subjects` entries of five numbers.
    """

    rule = "unusual_rate"
    sees = frozenset({AUTHENTICATED})

    def __init__(
        self, subjects: int, *, floor: int = 120, times: float = 5.0, window: float = 600.0
    ) -> None:
        self._floor = floor
        self._times = times
        self._window = window
        self._rates: Bounded[_Rate] = Bounded(subjects, _Rate)

    def __len__(self) -> int:
        return len(self._rates)

    def see(self, fact: Fact, known: Known) -> Alert | None:
        """See `Detector`."""
        person = fact.person
        if person is None:
            return None
        rate, window = self._rates[person], int(fact.time // self._window)
        if window != rate.window:
            rate.peak = max(0.99 * rate.peak, rate.count)
            rate.windows += rate.count > 0
            rate.before = rate.count if window == rate.window + 1 else 0
            rate.window, rate.count = window, 0
        rate.count += fact.count
        # As many as came in the last ten minutes, if those before came evenly.
        lately = rate.count + rate.before * (1 - fact.time / self._window % 1)
        if rate.windows < 3 or lately <= max(self._floor, self._times * rate.peak):
            return None
        return Alert(
            rule=self.rule,
            title="A subject asks far more than usual",
            severity=3,
            key=person,
            fact=fact,
            detail={"requests": round(lately), "usual_peak": round(rate.peak)},
        )

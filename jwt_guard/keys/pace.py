"""How often a provider is asked for its keys: calmly, whatever strangers and outages do.

Nothing here is thread-safe; the owner holds its lock. Times are seconds of the owner's monotonic
clock.
"""

from collections import deque
from collections.abc import Callable, Collection

__all__ = ["WINDOW", "Pace", "UnknownKids"]

WINDOW = 30.0
"""Within so many seconds at most `FETCHES` fetches are made beside the first ones."""

FETCHES = 2

SECOND_LOOK = 1.0
"""Seconds in which a flood shows that it is one."""

_FLOOD = 4
"""More unknown kids than that within a window are no rotation."""

FIRST_PAUSE = 10.0
_FIRST_PAUSE_EMPTY = 1.0
_LONGEST_PAUSE = 300.0
_LONGEST_PAUSE_EMPTY = 30.0
_REMEMBERED = 1024


class Pace:
    """Counts fetches and failures, and says when the next one may be.

    After a failure comes a pause that doubles with each further one, and is stretched by up to a
    half at random, so that the processes of a deployment do not come back together. Who has no
    keys at all may ask sooner than who has some.

    Args:
        jitter: a random number from 0 to 1.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.failures = 0
        self._jitter = jitter
        self._starts: deque[float] = deque(maxlen=FETCHES)
        self._resume = float("-inf")

    def is_cooling(self, now: float) -> bool:
        """Whether the pause after a failure is not over."""
        return now < self._resume

    def fetches_left(self, now: float) -> int:
        """How many fetches the window has left."""
        return FETCHES - sum(started > now - WINDOW for started in self._starts)

    def may_spend_last(self, now: float) -> bool:
        """Whether the window's last fetch may be made: not in the moment of the one before."""
        return not self._starts or now - self._starts[-1] >= SECOND_LOOK

    def pause_left(self, now: float) -> float:
        """Seconds until the pause is over."""
        return max(0.0, self._resume - now)

    def started(self, now: float) -> None:
        """A fetch that counts has started."""
        self._starts.append(now)

    def failed(self, now: float, *, empty: bool, at_least: float = 0) -> None:
        """A fetch has failed.

        Args:
            now: when.
            empty: whether there are no keys to go on with.
            at_least: seconds that the provider asked us to wait (`Retry-After`).
        """
        first = _FIRST_PAUSE_EMPTY if empty else FIRST_PAUSE
        longest = _LONGEST_PAUSE_EMPTY if empty else _LONGEST_PAUSE
        pause = min(longest, first * 2.0 ** min(self.failures, 16))
        self.failures += 1
        self._resume = now + max(pause * (1 + self._jitter() / 2), min(at_least, _LONGEST_PAUSE))

    def succeeded(self) -> None:
        """A fetch has brought keys."""
        self.failures = 0
        self._resume = float("-inf")


class UnknownKids:
    """Key identifiers that tokens bore and no key has: bounded, oldest forgotten first.

    Tells a rotation from a flood. One fetch of a window is for whoever comes first; the last one
    is kept for a kid that looks real: it comes back after a second, or hardly any others came.
    """

    def __init__(self) -> None:
        self._first_seen: dict[str | None, float] = {}
        self._absent_until: dict[str | None, float] = {}
        self._recent: deque[tuple[float, str | None]] = deque(maxlen=_FLOOD + 1)

    def see(self, kid: str | None, now: float) -> None:
        """A token bears this one."""
        if kid not in self._first_seen:
            _bounded(self._first_seen)[kid] = now
            self._recent.append((now, kid))

    def is_absent(self, kid: str | None, now: float) -> bool:
        """Whether a fetch has shown lately that there is no such key."""
        return self._absent_until.get(kid, now) > now

    def looks_real(self, kid: str | None, now: float) -> bool:
        """Whether the last fetch of a window may be spent on this one."""
        if now - self._first_seen.get(kid, now) >= SECOND_LOOK:
            return True
        full = len(self._recent) > _FLOOD
        return not (full and self._recent[0][0] > now - WINDOW)

    def settle(self, since: float, now: float, brought: Collection[str | None]) -> None:
        """A fetch that started at `since` has brought these keys.

        Kids that are among them are no sign of a flood; others that were seen before are absent.
        """
        for kid, seen in list(self._first_seen.items()):
            if kid in brought:
                del self._first_seen[kid]
            elif seen <= since:
                del self._first_seen[kid]
                _bounded(self._absent_until)[kid] = now + WINDOW
        for entry in [each for each in self._recent if each[1] in brought]:
            self._recent.remove(entry)

    def __len__(self) -> int:
        return len(self._first_seen) + len(self._absent_until)


def _bounded(kids: dict[str | None, float]) -> dict[str | None, float]:
    """The dictionary with room for one more."""
    if len(kids) >= _REMEMBERED:
        del kids[next(iter(kids))]
    return kids

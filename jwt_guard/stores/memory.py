"""The store of one process: for development, tests and services of a single process."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from threading import Lock

from jwt_guard.flow import Flow
from jwt_guard.stores.protocol import FOREVER, Session, changeable, cut_off_key

__all__ = ["MemoryStore"]


class _Ends:
    """When keys go, found again in that order; who asks says whether a key's time was put off."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def add(self, key: str, end: int) -> None:
        heappush(self._heap, (end, key))

    def over(self, now: int, limit: int, end_of: Callable[[str], int | None]) -> list[str]:
        """At most `limit` keys whose time has come; each is told once."""
        found: dict[str, None] = {}  # a count that began anew stands in the heap once more
        while len(found) < limit and self._heap and self._heap[0][0] <= now:
            key = heappop(self._heap)[1]
            end = end_of(key)
            if end is not None and end > now:
                self.add(key, end)
            elif end is not None:
                found[key] = None
        return list(found)


class MemoryStore:
    """See `Store`. Never waits: its operations end at their first step."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sessions: dict[str, Session] = {}
        self._by_subject: dict[str, dict[str, None]] = {}
        self._cut_offs: dict[str, int] = {}
        self._cut_offs_end: dict[str, int] = {}
        self._tallies: dict[str, tuple[int, int]] = {}
        self._ends_of_sessions = _Ends()
        self._ends_of_cut_offs = _Ends()
        self._ends_of_tallies = _Ends()

    @property
    def has_no_cut_offs(self) -> bool:
        """See `Store`."""
        return not self._cut_offs

    def create(self, session: Session) -> Flow[None]:
        """See `Store`."""
        with self._lock:
            self._tidy(session.used_at)
            self._sessions[session.sid] = session
            self._by_subject.setdefault(session.subject, {})[session.sid] = None
            self._ends_of_sessions.add(session.sid, session.idle_expires_at)
        return
        yield  # a generator without a step

    def read(self, sid: str) -> Flow[Session | None]:
        """See `Store`."""
        return self._sessions.get(sid)
        yield  # a generator without a step

    def change(self, seen: Session, changed: Session) -> Flow[bool]:
        """See `Store`."""
        with self._lock:
            kept = self._sessions.get(seen.sid)
            if kept is None or kept.version != seen.version:
                return False
            self._sessions[seen.sid] = replace(kept, **changeable(changed))
        return True
        yield  # a generator without a step

    def end(self, sid: str, *, at: int, reason: str, until: int) -> Flow[bool]:
        """See `Store`."""
        with self._lock:
            self._tidy(at)
            self._cut(cut_off_key(sid), FOREVER, until)
            kept = self._sessions.get(sid)
            if kept is None or kept.ended_at is not None:
                return False
            self._sessions[sid] = kept.ended(at, reason)
        return True
        yield  # a generator without a step

    def sessions_of(self, subject: str) -> Flow[list[Session]]:
        """See `Store`."""
        with self._lock:
            found = [self._sessions[sid] for sid in self._by_subject.get(subject, ())]
        return sorted(found, key=lambda session: session.created_at, reverse=True)
        yield  # a generator without a step

    def latest_cut_off(self, keys: Sequence[str]) -> Flow[int | None]:
        """See `Store`."""
        found = self._cut_offs
        return max((found[key] for key in keys if key in found), default=None)
        yield  # a generator without a step

    def cut_off(self, key: str, *, at: int, until: int) -> Flow[None]:
        """See `Store`."""
        with self._lock:
            self._cut(key, at, until)
        return
        yield  # a generator without a step

    def _cut(self, key: str, at: int, until: int) -> None:
        if key not in self._cut_offs:
            self._ends_of_cut_offs.add(key, until)
        self._cut_offs[key] = max(at, self._cut_offs.get(key, 0))
        self._cut_offs_end[key] = max(until, self._cut_offs_end.get(key, 0))

    def tally(self, key: str, *, now: int, until: int, by: int = 1) -> Flow[int]:
        """See `Store`."""
        with self._lock:
            count, ends = self._tallies.get(key, (0, 0))
            if ends <= now:
                count, ends = 0, until
                self._tidy(now)
                self._ends_of_tallies.add(key, until)
            self._tallies[key] = (count + by, ends)
        return count + by
        yield  # a generator without a step

    def forget(self, key: str) -> Flow[None]:
        """See `Store`."""
        with self._lock:
            self._tallies.pop(key, None)
        return
        yield  # a generator without a step

    def purge(self, *, now: int, limit: int) -> Flow[int]:
        """See `Store`."""
        with self._lock:
            gone = self._drop_sessions(now, limit) + self._drop_cut_offs(now, limit)
            return gone + self._drop_tallies(now, limit)
        yield  # a generator without a step

    def _tidy(self, now: int) -> None:
        """Drop two of each kind for one that comes, so that nothing can pile up."""
        self._drop_sessions(now, 2)
        self._drop_cut_offs(now, 2)
        self._drop_tallies(now, 2)

    def _drop_sessions(self, now: int, limit: int) -> int:
        kept = self._sessions
        over = self._ends_of_sessions.over(now, limit, lambda key: kept[key].idle_expires_at)
        for sid in over:
            session = kept.pop(sid)
            theirs = self._by_subject[session.subject]
            del theirs[sid]
            if not theirs:
                del self._by_subject[session.subject]
        return len(over)

    def _drop_cut_offs(self, now: int, limit: int) -> int:
        over = self._ends_of_cut_offs.over(now, limit, self._cut_offs_end.get)
        for key in over:
            del self._cut_offs[key], self._cut_offs_end[key]
        return len(over)

    def _drop_tallies(self, now: int, limit: int) -> int:
        kept = self._tallies
        over = self._ends_of_tallies.over(
            now, limit, lambda key: kept[key][1] if key in kept else None
        )
        for key in over:
            del kept[key]
        return len(over)

    def close(self) -> None:
        """See `Store`: nothing is open."""

    async def aclose(self) -> None:
        """See `Store`: nothing is open."""

    def __repr__(self) -> str:
        return f"MemoryStore(sessions={len(self._sessions)}, cut_offs={len(self._cut_offs)})"

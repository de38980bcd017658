"""The store of one process: for development, tests and services of a single process."""

from collections.abc import Sequence
from dataclasses import replace
from heapq import heappop, heappush
from threading import Lock

from jwt_guard.flow import Flow
from jwt_guard.stores.protocol import FOREVER, Session, changeable, cut_off_key

__all__ = ["MemoryStore"]


class _Expiring:
    """Keys with a time to go, found again in the order of these times."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def add(self, key: str, until: int) -> None:
        heappush(self._heap, (until, key))

    def due(self, now: int, limit: int) -> list[str]:
        """At most `limit` keys whose time has come; each is told once."""
        found: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(found) < limit:
            found.append(heappop(self._heap)[1])
        return found


class MemoryStore:
    """See `Store`. Never waits: its operations end at their first step."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sessions: dict[str, Session] = {}
        self._by_subject: dict[str, dict[str, None]] = {}
        self._cut_offs: dict[str, int] = {}
        self._tallies: dict[str, tuple[int, int]] = {}
        self._ends = _Expiring()
        self._cut_off_ends: dict[str, int] = {}
        self._cut_off_order = _Expiring()
        self._tally_order = _Expiring()

    @property
    def has_no_cut_offs(self) -> bool:
        """See `Store`."""
        return not self._cut_offs

    def create(self, session: Session) -> Flow[None]:
        """See `Store`."""
        with self._lock:
            self._sessions[session.sid] = session
            self._by_subject.setdefault(session.subject, {})[session.sid] = None
            self._ends.add(session.sid, session.idle_expires_at)
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
        self._cut_offs[key] = max(at, self._cut_offs.get(key, 0))
        last = self._cut_off_ends.get(key, 0)
        if until > last:
            self._cut_off_ends[key] = until
            self._cut_off_order.add(key, until)

    def tally(self, key: str, *, now: int, until: int, by: int = 1) -> Flow[int]:
        """See `Store`. Drops two expired counts for each new one, so that they cannot pile up."""
        with self._lock:
            count, ends = self._tallies.get(key, (0, 0))
            if ends <= now:
                count, ends = 0, until
                self._tally_order.add(key, until)
                self._drop_tallies(now, 2)
            self._tallies[key] = (count + by, ends)
        return count + by
        yield  # a generator without a step

    def _drop_tallies(self, now: int, limit: int) -> int:
        due = [key for key in self._tally_order.due(now, limit) if key in self._tallies]
        gone = [key for key in due if self._tallies[key][1] <= now]
        for key in gone:
            del self._tallies[key]
        return len(gone)

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

    def _drop_sessions(self, now: int, limit: int) -> int:
        gone = 0
        while gone < limit and (due := self._ends.due(now, 1)):
            kept = self._sessions[due[0]]
            if kept.idle_expires_at > now:
                self._ends.add(kept.sid, kept.idle_expires_at)
            else:
                self._drop_session(kept)
                gone += 1
        return gone

    def _drop_session(self, session: Session) -> None:
        del self._sessions[session.sid]
        theirs = self._by_subject[session.subject]
        del theirs[session.sid]
        if not theirs:
            del self._by_subject[session.subject]

    def _drop_cut_offs(self, now: int, limit: int) -> int:
        due = self._cut_off_order.due(now, limit)
        gone = [key for key in due if self._cut_off_ends.get(key, now + 1) <= now]
        for key in gone:
            del self._cut_offs[key], self._cut_off_ends[key]
        return len(gone)

    def close(self) -> None:
        """See `Store`: nothing is open."""

    async def aclose(self) -> None:
        """See `Store`: nothing is open."""

    def __repr__(self) -> str:
        return f"MemoryStore(sessions={len(self._sessions)}, cut_offs={len(self._cut_offs)})"

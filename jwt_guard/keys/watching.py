"""What a file of keys says, read again when it has changed, off the way of requests."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from jwt_guard.audit.threads import started
from jwt_guard.errors import Refusal
from jwt_guard.flow import Effect, Flow
from jwt_guard.forks import call_after_fork
from jwt_guard.keys.keyset import KeySet
from jwt_guard.keys.loading import UnusableKeys

__all__ = ["FileKeys", "Watched", "read_text"]

_log = logging.getLogger("jwt_guard.keys")

T = TypeVar("T")

EVERY = 1.0
"""Seconds between looks at the file; a look is one `stat`."""

Stamp = tuple[int, int, int] | None


class Watched(Generic[T]):
    """The parsed content of a file. Shared by all threads and tasks of a process.

    Args:
        file: where it is.
        read: parses its text. It raises `UnusableKeys` for what cannot be used; the last good
            value is kept then, and the log told.
        is_stale: whether a value must be read again although the file is the same.
        changed: told of each new value.
        clock: monotonic seconds.

    Raises:
        UnusableKeys: it cannot be read or used now.
    """

    def __init__(
        self,
        file: Path,
        read: Callable[[str], T],
        *,
        is_stale: Callable[[T], bool] = lambda value: False,
        changed: Callable[[T], None] = lambda value: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._read = read
        self._is_stale = is_stale
        self._changed = changed
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: Stamp = None
        self._seen = self._stamp()
        self._value = self._parsed()
        self._next_look = clock() + EVERY
        call_after_fork(self)

    def after_fork(self) -> None:
        """See `Forked`: whoever was reading does not read here."""
        self._lock = threading.Lock()

    def value(self) -> T:
        """The last good value, at once; a change of the file is noticed within a second."""
        if self._clock() >= self._next_look:
            self._look()
        return self._value

    def refreshed(self) -> Flow[bool]:
        """See now whether the file has changed, and answer whether the value is up to date."""
        if self._is_due():
            yield from _Reading(self)
        return not self._is_due()

    def read_again(self) -> None:
        """Read the file if it has changed. Blocks, and raises nothing."""
        with self._lock:
            stamp = self._stamp()
            if not self._is_due():
                return
            try:
                value = self._parsed()
            except UnusableKeys as error:
                self._report(stamp, error)
                return
            self._value, self._seen = value, stamp
        self._tell(value)

    def _look(self) -> None:
        """Have a change read by a thread, since parsing a private key takes milliseconds.

        Where none can be had, the next look tries again.
        """
        self._next_look = self._clock() + EVERY
        if self._is_due() and not self._lock.locked():
            started(self.read_again, "jwt-guard-keys")

    def _is_due(self) -> bool:
        return self._stamp() != self._seen or self._is_stale(self._value)

    def _stamp(self) -> Stamp:
        try:
            found = self._file.stat()
        except (OSError, ValueError):  # the latter for names that no system can hold
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _parsed(self) -> T:
        return self._read(read_text(self._file))

    def _report(self, stamp: Stamp, error: UnusableKeys) -> None:
        if stamp is None or stamp != self._failed:
            _log.error("%s has changed and is not used: %s", self._file.name, error)
        self._failed = stamp

    def _tell(self, value: T) -> None:
        _log.info("%s was read again", self._file.name)
        try:
            self._changed(value)
        except Refusal:
            _log.error("the change of %s could not be recorded", self._file.name)


class _Reading(Effect[None]):
    """The file read again, on a loop by a thread."""

    __slots__ = ("_watched",)

    def __init__(self, watched: Watched[T]) -> None:
        self._watched = watched

    def run(self) -> None:
        self._watched.read_again()

    async def arun(self) -> None:
        await asyncio.to_thread(self._watched.read_again)


class FileKeys:
    """A `KeySource` over what is watched.

    Args:
        watched: what is watched.
        key_set: the key set in a value of it.
    """

    __slots__ = ("_key_set", "_watched")

    def __init__(self, watched: Watched[T], key_set: Callable[[T], KeySet]) -> None:
        self._watched = watched
        self._key_set: Callable[..., KeySet] = key_set

    def current(self) -> KeySet:
        """See `KeySource`."""
        return self._key_set(self._watched.value())

    def renewed(self, kid: str | None) -> Flow[KeySet]:
        """See `KeySource`: an attempt costs a look at the file, and is always due."""
        yield from self._watched.refreshed()
        return self.current()

    def reload(self) -> Flow[bool]:
        """See `KeySource`."""
        return (yield from self._watched.refreshed())


def read_text(file: Path) -> str:
    """The text of a file of keys.

    Raises:
        UnusableKeys: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not text"
        remedy = f"put keys that can be read into {file.absolute()}"
        raise UnusableKeys(f"{file.name}: {why}", remedy=remedy) from None

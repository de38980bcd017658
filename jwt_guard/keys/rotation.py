"""Rotating our signing keys: next becomes current, current is retired, and a new next is made.

A retired key verifies until what it signed is over. Files are replaced at once and whole, readable
by their owner only; a lock keeps two commands from undoing each other.
"""

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from jwt_guard.keys.loading import UnusableKeys
from jwt_guard.keys.signing import REFRESH_SECRET, KeyStatus, generate_key, parse_keys
from jwt_guard.keys.watching import read_text

__all__ = ["KeyFile", "KeysRefused", "new_keys", "retired", "rotated"]

Document = dict[str, Any]


class KeysRefused(Exception):
    """What was asked for cannot be done with these keys; the text says why."""


def new_keys(algorithm: str, now: float) -> Document:
    """A key set of a current key and the one after it, and what refresh tokens are derived from.

    The latter stays when keys are rotated, so that sessions outlive them.
    """
    current = {**_new(algorithm, KeyStatus.CURRENT, now), "activated": int(now)}
    return {
        "keys": [current, _new(algorithm, KeyStatus.NEXT, now)],
        REFRESH_SECRET: secrets.token_urlsafe(32),
    }


def _new(algorithm: str, status: KeyStatus, now: float) -> Document:
    return {**generate_key(algorithm), "status": status.value, "created": int(now)}


def rotated(
    document: Mapping[str, Any], now: float, *, overlap: float, algorithm: str | None = None
) -> Document:
    """The keys after a rotation.

    Args:
        document: the keys before it.
        now: seconds since 1970 UTC.
        overlap: seconds for which the key that signed so far still verifies; longer than any
            token that it signed lives.
        algorithm: of the new next key; that of the current one, when None.

    Raises:
        UnusableKeys: the keys before cannot be used.
    """
    keys = _entries(document, now)
    current = _one(keys, KeyStatus.CURRENT)
    algorithm = algorithm or str(current["alg"])
    coming = _one(keys, KeyStatus.NEXT) or _new(algorithm, KeyStatus.NEXT, now)
    return {
        **document,
        "keys": [
            _activated(coming, now),
            _new(algorithm, KeyStatus.NEXT, now),
            _put_away(current, now, overlap),
            *(key for key in keys if key["status"] == KeyStatus.RETIRED),
        ],
    }


def retired(document: Mapping[str, Any], kid: str, now: float) -> Document:
    """The keys without one of them, at once: what it signed is refused from now on.

    The next key takes the place of a current one, and a new next key is made.

    Raises:
        KeysRefused: there is no such key.
        UnusableKeys: the keys before cannot be used.
    """
    keys = _entries(document, now)
    gone = next((key for key in keys if key["kid"] == kid), None)
    if gone is None:
        raise KeysRefused(f"there is no key {kid!r}")
    left = [key for key in keys if key is not gone]
    if gone["status"] == KeyStatus.RETIRED:
        return {**document, "keys": left}
    algorithm = str(gone["alg"])
    coming = _one(left, KeyStatus.NEXT)
    if gone["status"] == KeyStatus.CURRENT:
        coming = coming or _new(algorithm, KeyStatus.NEXT, now)
        left = [_activated(coming, now), *(key for key in left if key is not coming)]
    left.insert(1, _new(algorithm, KeyStatus.NEXT, now))
    return {**document, "keys": left}


def _entries(document: Mapping[str, Any], now: float) -> list[Document]:
    """The stored entries of the keys that are not over, each with its `kid` and status."""
    stored = {entry.get("kid"): entry for entry in document.get("keys", ()) if entry}
    return [
        {**stored.get(key.kid, stored.get(None, {})), "kid": key.kid, "status": key.status.value}
        for key in parse_keys(document, now)
    ]


def _one(keys: list[Document], status: KeyStatus) -> Any:
    return next((key for key in keys if key["status"] == status), None)


def _activated(key: Document, now: float) -> Document:
    return {**key, "status": KeyStatus.CURRENT.value, "activated": int(now)}


def _put_away(key: Document, now: float, overlap: float) -> Document:
    times = {"retired": int(now), "remove_after": int(now + overlap)}
    return {**key, "status": KeyStatus.RETIRED.value, **times}


class KeyFile:
    """A file of signing keys.

    Args:
        path: where it is.
        clock: seconds since 1970 UTC.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.clock = clock

    def read(self) -> Document:
        """The keys as they are stored.

        Raises:
            UnusableKeys: it cannot be read, or is no set of signing keys.
        """
        try:
            document = msgspec.json.decode(read_text(self.path), type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            raise UnusableKeys("not the JSON of a JWK set") from None
        parse_keys(document, self.clock())
        return document

    def create(self, document: Document) -> None:
        """Write the first keys.

        Raises:
            KeysRefused: the file is there already.
            OSError: it cannot be written.
        """
        with self._locked():
            if self.path.exists():
                raise KeysRefused(f"{self.path.name} is there already; rotate its keys instead")
            self._replace(document)

    def change(self, change: Callable[[Document, float], Document]) -> Document:
        """Replace the keys by what becomes of them, and answer that.

        Raises:
            UnusableKeys: the keys cannot be used, before or after.
            OSError: the file cannot be written.
        """
        with self._locked():
            now = self.clock()
            changed = change(self.read(), now)
            parse_keys(changed, now)
            self._replace(changed)
        return changed

    def _replace(self, document: Document) -> None:
        """Whole or not at all, and never readable by others, not for a moment."""
        folder = self.path.resolve().parent
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path.resolve())
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise

    @contextmanager
    def _locked(self) -> Generator[None]:
        """One change at a time, where the system has locks for that."""
        try:
            import fcntl
        except ImportError:
            yield
            return
        folder = os.open(self.path.resolve().parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

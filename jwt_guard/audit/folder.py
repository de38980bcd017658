"""Where a log keeps what belongs to it: rotated parts beside it, its state in a folder of its own.

audit.jsonl                          the current part
audit.jsonl.20261124-000000000001    a rotated part: the day and number of its first record
audit.jsonl.d/head                   the signed beginning and end of the log
audit.jsonl.d/lock                   held by whoever writes
audit.jsonl.d/seal-key.json          the private key that signs, unless one is configured
audit.jsonl.d/seal-keys.public.json  the public keys, for whoever verifies
audit.jsonl.d/subjects.sqlite3       the keys of the pseudonyms
"""

import contextlib
import os
from collections.abc import Generator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec

from jwt_guard.audit.seal import Head, SealKey

try:
    import fcntl
except ImportError:  # pragma: no cover - only where one process may write
    fcntl = None  # type: ignore[assignment]

__all__ = ["LogFolder"]

_HEAD_BYTES = 4096


class LogFolder:
    """The files of one log.

    Args:
        log: the current part.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self.state = log.with_name(f"{log.name}.d")
        self.head = self.state / "head"
        self.lock = self.state / "lock"
        self.seal_key = self.state / "seal-key.json"
        self.public_keys = self.state / "seal-keys.public.json"
        self.subjects = self.state / "subjects.sqlite3"

    def exists(self) -> bool:
        """Whether there is a log, or a head that tells of one."""
        return bool(self.parts()) or self.head.exists()

    def parts(self) -> list[Path]:
        """All parts, the oldest first."""
        rotated = [
            path
            for path in self.log.parent.glob(f"{self.log.name}.*-*")
            if _number(path) is not None
        ]
        rotated.sort(key=lambda path: (_number(path) or 0, path.stat().st_mtime))
        return [*rotated, self.log] if self.log.exists() else rotated

    def rotated_name(self, first: int, opened: float) -> Path:
        """What the current part is called once it is rotated; no part has that name yet.

        A chain that had to begin anew counts from 1 again: then the number gets more zeros.
        """
        day = datetime.fromtimestamp(opened, UTC).strftime("%Y%m%d")
        names = (
            self.log.with_name(f"{self.log.name}.{day}-{first:0{width}d}") for width in count(12)
        )
        return next(name for name in names if not name.exists())

    def publish(self, key: SealKey) -> None:
        """Add a public key to those with which the log is verified."""
        known = self._published()
        if key.public_jwk in known:
            return
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.public_keys.with_suffix(f".{os.getpid()}")
        draft.write_bytes(msgspec.json.encode({"keys": [*known, key.public_jwk]}))
        draft.replace(self.public_keys)

    def _published(self) -> list[dict[str, str]]:
        try:
            keys: list[dict[str, str]] = msgspec.json.decode(self.public_keys.read_bytes())["keys"]
        except (OSError, msgspec.DecodeError, KeyError, TypeError):
            return []
        return keys

    def sync(self) -> None:
        """Force the names of new and renamed files to the disk. Raises OSError."""
        for folder in (self.log.parent, self.state):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Alone among the processes that write. Raises OSError."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.lock, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            if fcntl is not None:
                # Closing is not enough: a child that was forked meanwhile holds a copy.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _number(part: Path) -> int | None:
    digits = part.name.rpartition("-")[2]
    return int(digits) if len(digits) >= 12 and digits.isdigit() else None


def read_head(raw: bytes) -> Head | None:
    """A head from its file's bytes; None for what is none."""
    try:
        return msgspec.json.decode(raw.rstrip(b"\0 \n"), type=Head)
    except (msgspec.MsgspecError, ValueError):
        return None


def padded(head: Head) -> bytes:
    """A head as bytes of a fixed length, so that overwriting needs no room on a full disk."""
    return msgspec.json.encode(head).ljust(_HEAD_BYTES)

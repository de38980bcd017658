"""Pseudonyms: each person has a key of their own, and without the key nobody is named.

What a log tells of a person (subject, session, token) it tells under that person's random key.
`forget` destroys the key: the records stay, and their hash chain with them, but nothing leads
from them to the person any more, nor from the person to them (GDPR article 17).
"""

import hmac
import os
import secrets
import sqlite3
from base64 import b32encode
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Person", "PlainNames", "Pseudonyms", "SubjectKeys", "SubjectKeysUnavailable"]

_REMEMBERED = 20_000
_NONCE_BYTES = 12

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS subjects (
    lookup BLOB PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    key BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""


class SubjectKeysUnavailable(Exception):
    """The keys cannot be read or written now; nothing may be written under a plain name."""


class Person:
    """How one person is named in the log.

    Attributes:
        uid: the pseudonym.
    """

    __slots__ = ("_key", "uid")

    def __init__(self, uid: str, key: bytes | None) -> None:
        self.uid = uid
        self._key = key

    def digest(self, value: str) -> str:
        """An identifier that belongs to this person, under their key."""
        if self._key is None:
            return value
        return _name(self._key, value)


class Pseudonyms(Protocol):
    """From subjects to the names that a log may hold."""

    def refresh(self) -> bool:
        """Look whether anybody was forgotten since; called once a batch. True if so."""
        ...

    def commit(self) -> None:
        """Keep the names given since; called before anything is written under them.

        Raises:
            SubjectKeysUnavailable: they cannot be kept now.
        """
        ...

    def person(self, issuer: str | None, subject: str) -> Person:
        """The name of a verified subject.

        Raises:
            SubjectKeysUnavailable: it cannot be told now.
        """
        ...

    def stranger(self, issuer: str | None, subject: str) -> Person:
        """The name of somebody who is not verified: one who is known, or a passing digest.

        Raises:
            SubjectKeysUnavailable: it cannot be told now.
        """
        ...

    def close(self) -> None:
        """Let go of what is open; it is opened again when needed."""
        ...


class PlainNames:
    """No pseudonyms: subjects, sessions and tokens by their own names."""

    def refresh(self) -> bool:
        """See `Pseudonyms`."""
        return False

    def commit(self) -> None:
        """See `Pseudonyms`."""

    def person(self, issuer: str | None, subject: str) -> Person:
        """See `Pseudonyms`."""
        return Person(subject, None)

    stranger = person

    def close(self) -> None:
        """See `Pseudonyms`: nothing is open."""


class SubjectKeys:
    """A random key a subject, in a small SQLite file that several processes may share.

    The file names nobody: subjects are looked up by a keyed digest and sealed under their own
    key. Deleted keys are overwritten (`secure_delete`); backups of this file must not outlive
    the time within which you promise erasure.

    Args:
        file: where the keys are; made with mode 600 where there is none.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._inherited: list[sqlite3.Connection | None] = []
        self._process = -1
        self._master = b""
        self._version = -1
        self._passing = secrets.token_bytes(32)
        self._known: dict[tuple[str, str], Person] = {}

    def refresh(self) -> bool:
        """See `Pseudonyms`: keys that another process changed are read anew."""
        with self._errors():
            if self._open().in_transaction:
                # A batch failed half-way; names that were not kept must not be used.
                self._open().execute("ROLLBACK")
                self._known.clear()
            version = self._open().execute("PRAGMA data_version").fetchone()[0]
        changed = bool(version != self._version)
        if changed:
            self._known.clear()
            self._version = version
        return changed

    def commit(self) -> None:
        """See `Pseudonyms`: one transaction for all that are new in a batch."""
        if self._connection is not None and self._connection.in_transaction:
            with self._errors():
                self._connection.execute("COMMIT")

    def person(self, issuer: str | None, subject: str) -> Person:
        """See `Pseudonyms`; whoever is new is given a key."""
        return self._find(issuer or "", subject) or self._add(issuer or "", subject)

    def stranger(self, issuer: str | None, subject: str) -> Person:
        """See `Pseudonyms`: strangers cannot fill the file."""
        found = self._find(issuer or "", subject)
        return found or Person("u" + _name(self._passing, _joined(issuer, subject)), self._passing)

    def lookup(self, issuer: str | None, subject: str) -> str | None:
        """The pseudonym that a subject has, if it has one."""
        found = self._find(issuer or "", subject)
        return found.uid if found else None

    def digest(self, issuer: str | None, subject: str, value: str) -> str | None:
        """How an identifier of a subject stands in the log, if the subject is known."""
        found = self._find(issuer or "", subject)
        return found.digest(value) if found else None

    def reveal(self, uid: str) -> str | None:
        """Issuer and subject, joined by `#`, behind a pseudonym; None when forgotten."""
        with self._errors():
            row = (
                self._open()
                .execute("SELECT key, sealed FROM subjects WHERE uid = ?", (uid,))
                .fetchone()
            )
        if row is None:
            return None
        key, sealed = row
        try:
            named = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], uid.encode())
        except InvalidTag:
            return None
        return named.decode("utf-8", "surrogatepass")

    def forget(self, issuer: str | None, subject: str) -> str | None:
        """Destroy a subject's key. The pseudonym that now belongs to nobody; None if unknown.

        Raises:
            SubjectKeysUnavailable: the file cannot be written; nothing was forgotten.
        """
        uid = self.lookup(issuer, subject)
        with self._errors():
            place = self._place(issuer or "", subject)
            self._open().execute("DELETE FROM subjects WHERE lookup = ?", (place,))
        self._known.pop((issuer or "", subject), None)
        return uid

    def close(self) -> None:
        """See `Pseudonyms`."""
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
            self._connection = None

    def _find(self, issuer: str, subject: str) -> Person | None:
        known = self._known.get((issuer, subject))
        if known is not None:
            return known
        with self._errors():
            row = (
                self._open()
                .execute(
                    "SELECT uid, key FROM subjects WHERE lookup = ?",
                    (self._place(issuer, subject),),
                )
                .fetchone()
            )
        return self._remember(issuer, subject, *row) if row else None

    def _add(self, issuer: str, subject: str) -> Person:
        key = secrets.token_bytes(32)
        uid = "p" + _name(key, "uid")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, _bytes(_joined(issuer, subject)), uid.encode())
        with self._errors():
            connection = self._open()
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO subjects VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (self._place(issuer, subject), uid, key, sealed),
            )
        # Another process may have been quicker: what stands in the file counts.
        return self._find(issuer, subject) or self._add(issuer, subject)

    def _remember(self, issuer: str, subject: str, uid: str, key: bytes) -> Person:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        person = self._known[(issuer, subject)] = Person(uid, key)
        return person

    def _place(self, issuer: str, subject: str) -> bytes:
        self._open()
        named = _bytes(f"{len(issuer)}:{_joined(issuer, subject)}")
        return blake2b(named, digest_size=16, key=self._master).digest()

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise SubjectKeysUnavailable(f"{self._file.name}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None or self._process != os.getpid():
            # SQLite forbids a forked child to use, or even to close, its parent's connection.
            self._inherited.append(self._connection)
            self._connection = self._opened()
            self._process = os.getpid()
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        with self._errors():
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
            connection = sqlite3.connect(
                self._file, timeout=5, isolation_level=None, check_same_thread=False
            )
            try:
                self._master = _prepared(connection)
            except sqlite3.Error:
                connection.close()
                raise
        self._version = -1  # another connection's count tells nothing
        self._known.clear()
        return connection


def _prepared(connection: sqlite3.Connection) -> bytes:
    """The master key of a file that is as it must be."""
    # The rollback journal is emptied at once, so that no copy of a key stays in it.
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA secure_delete = ON")
    # A key that a crash of the machine takes away makes its person a new pseudonym.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(_SCHEMA)
    connection.execute(
        "INSERT INTO meta VALUES ('master', ?) ON CONFLICT DO NOTHING", (secrets.token_bytes(32),)
    )
    row = connection.execute("SELECT value FROM meta WHERE name = 'master'").fetchone()
    return bytes(row[0])


def _name(key: bytes, value: str) -> str:
    digest = hmac.digest(key, _bytes(value), "sha256")
    return b32encode(digest[:15]).decode().lower()


def _joined(issuer: str | None, subject: str) -> str:
    return f"{issuer or ''}#{subject}"


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")

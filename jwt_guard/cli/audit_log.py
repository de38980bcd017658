"""The log that `jwt-guard audit` is about: in files, or in a database."""

from collections import deque
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Event
from typing import Protocol

import click

from jwt_guard.audit.building import Builder
from jwt_guard.audit.chain import Link
from jwt_guard.audit.file import FileSink
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.privacy import SubjectKeys
from jwt_guard.audit.reading import Entry, Query, entries, entries_of, newest, parsed
from jwt_guard.audit.report import Lines, file_lines, row_lines
from jwt_guard.audit.rows import RowSink, numbered_lines, verify_rows
from jwt_guard.audit.seal import Seals
from jwt_guard.audit.settings import scheme_of, split_format
from jwt_guard.audit.text import printable
from jwt_guard.audit.verifying import Place, Report, verify_file_log
from jwt_guard.cli.options import bad_end, wrong_use
from jwt_guard.config import Config

__all__ = ["Log"]

_FOLLOWING = 0.5
"""How many seconds `tail --follow` waits before it looks again."""

_FIRST_REACH = 1_000
_FARTHER = 8


class _Kept(Protocol):
    """A log in a place of some kind."""

    @property
    def lines(self) -> Lines:
        """What reads its newest part."""
        ...

    @property
    def public_keys(self) -> Path:
        """The public keys beside it."""
        ...

    @property
    def sink(self) -> FileSink | RowSink:
        """The log as a sink, to write what befalls it into it, and to purge it."""
        ...

    def entries(self, bad: list[Place]) -> Iterator[Entry]:
        """All records, the oldest first."""
        ...

    def newest(self, query: Query, most: int, bad: list[Place]) -> list[Entry]:
        """The newest records that are wanted, the oldest of them first."""
        ...

    def follow(self, ended: Event) -> Iterator[Entry]:
        """The records that come from now on, or behind those that `newest` saw."""
        ...

    def verified(self, seals: Seals, expect: Link | None) -> Report:
        """What verification finds."""
        ...


class _Files:
    """A log in files.

    Args:
        builder: makes its sink.
        path: the current part.
    """

    def __init__(self, builder: Builder, path: Path) -> None:
        self._builder = builder
        self._path = path
        self.folder = LogFolder(path)

    @property
    def lines(self) -> Lines:
        return file_lines(self._path)

    @property
    def public_keys(self) -> Path:
        return self.folder.public_keys

    @property
    def sink(self) -> FileSink:
        for sink in self._builder.sinks():
            if isinstance(sink, FileSink) and sink.folder.log == self._path:
                return sink
        raise wrong_use(f"{self._path} is not a sink of the configuration")

    def entries(self, bad: list[Place]) -> Iterator[Entry]:
        return entries(self._path, bad)

    def newest(self, query: Query, most: int, bad: list[Place]) -> list[Entry]:
        return newest(self._path, query, most, bad)

    def follow(self, ended: Event) -> Iterator[Entry]:
        """Read on where the log ends; a file that was rotated away is left for the new one."""
        path = self._path
        inode, place = path.stat().st_ino, path.stat().st_size
        rest = b""
        while not ended.wait(_FOLLOWING):
            try:
                now = path.stat()
            except FileNotFoundError:
                continue
            if now.st_ino != inode or now.st_size < place:
                inode, place, rest = now.st_ino, 0, b""
            with path.open("rb") as file:
                file.seek(place)
                *lines, rest = (rest + file.read(now.st_size - place)).split(b"\n")
            place = now.st_size
            yield from parsed(lines)

    def verified(self, seals: Seals, expect: Link | None) -> Report:
        return verify_file_log(self._path, seals, expect=expect)


class _Rows:
    """A log in a database.

    Args:
        builder: knows where its keys are.
        sink: the database.
    """

    def __init__(self, builder: Builder, sink: RowSink) -> None:
        self._builder = builder
        self.sink = sink
        self._seen: int | None = None

    @property
    def lines(self) -> Lines:
        return row_lines(self.sink.tables)

    @property
    def public_keys(self) -> Path:
        return self._builder.public_keys()

    def entries(self, bad: list[Place]) -> Iterator[Entry]:
        return self._behind(None, bad)

    def newest(self, query: Query, most: int, bad: list[Place]) -> list[Entry]:
        """Look at a few from the end, and ever farther back while that is not enough."""
        oldest, last = self._bounds()
        reach = _FIRST_REACH
        while True:
            bad.clear()
            found = (entry for entry in self._behind(last - reach, bad) if query.wants(entry.fact))
            wanted = list(deque(found, maxlen=most))
            if len(wanted) == most or last - reach < oldest:
                return wanted
            reach *= _FARTHER

    def follow(self, ended: Event) -> Iterator[Entry]:
        """Ask for what is new by its number, again and again."""
        if self._seen is None:
            _, self._seen = self._bounds()
        while not ended.wait(_FOLLOWING):
            yield from self._behind(self._seen, None)

    def _behind(self, number: int | None, bad: list[Place] | None) -> Iterator[Entry]:
        return entries_of(self.sink.name, self._watched(number), bad)

    def _watched(self, after: int | None) -> Iterator[tuple[int, bytes]]:
        """The records behind a number; it is remembered how far that was."""
        with self.sink.failing():
            for number, line in numbered_lines(self.sink.tables, after=after):
                self._seen = number
                yield number, line

    def _bounds(self) -> tuple[int, int]:
        with self.sink.failing():
            return self.sink.tables.bounds() or (0, 0)

    def verified(self, seals: Seals, expect: Link | None) -> Report:
        with self.sink.failing():
            return verify_rows(self.sink.name, self.sink.tables, seals, expect=expect)


class Log:
    """The log that a command is about, and what belongs to it.

    Args:
        config: the configuration.
        log: which of its logs, as `--log` names it; the first, when None.
    """

    def __init__(self, config: Config, log: str | None) -> None:
        self.config = config
        self.builder = Builder(config.audit, base=config.base, service=config.realm)
        found = self._named(log) if log is not None else self._first()
        self.kept: _Kept
        if isinstance(found, Path):
            self.kept = _Files(self.builder, found)
        else:
            self.kept = _Rows(self.builder, found)
            click.get_current_context().call_on_close(found.close)
        self.keys = cache(self._opened_keys)

    def _named(self, log: str) -> Path | RowSink:
        """What `--log` names: a file, or a database as the configuration writes it."""
        if scheme_of(split_format(log)[1]) == "file":
            return Path(log)
        found = self.builder.sink(log) if log in (self.config.audit.sink or ()) else None
        if isinstance(found, RowSink):
            return found
        raise wrong_use(
            f"{log.partition(':')[0]}: is no database of `[audit]` in the configuration"
        )

    def _first(self) -> Path | RowSink:
        files = self.builder.logs()
        if files:
            return files[0]
        databases = self.builder.databases()
        if databases:
            return databases[0]
        raise wrong_use("the configuration names no file or database in `[audit]`")

    def must_exist(self) -> None:
        """Ends the command where there is no such file; a database tells it by itself."""
        if isinstance(self.kept, _Files) and not self.kept.folder.exists():
            raise wrong_use(f"there is no log at {self.kept.folder.log.absolute()}")

    def wanted(self, query: Query, bad: list[Place]) -> Iterator[Entry]:
        """All records that are wanted, the oldest first."""
        return (entry for entry in self.kept.entries(bad) if query.wants(entry.fact))

    def _opened_keys(self) -> SubjectKeys:
        """The keys of the pseudonyms, until the command ends."""
        keys = self.builder.subject_keys()
        click.get_current_context().call_on_close(keys.close)
        return keys

    def user(self, subject: str, issuer: str | None) -> str:
        """How a subject stands in the log."""
        if self.config.audit.privacy.subjects == "plain":
            return printable(subject)
        for name in [issuer] if issuer else self.issuers():
            found = self.keys().lookup(name, subject)
            if found is not None:
                return found
        raise bad_end(f"the log knows no subject {printable(subject)}, or it was forgotten")

    def issuers(self) -> list[str]:
        """The issuers that a subject may belong to, ours first."""
        own = [self.config.tokens.issuer] if self.config.tokens else []
        return [*own, *(each.issuer for each in self.config.issuers)]

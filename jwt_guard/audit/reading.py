"""Reading a log: records in either format as facts again, as far as they were shown."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from jwt_guard.audit.facts import Fact, Presented
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.shown import UNVERIFIED
from jwt_guard.audit.verifying import Numbered, Place, lines_of

__all__ = [
    "BadRecord",
    "Entry",
    "Query",
    "entries",
    "entries_of",
    "fact_of",
    "is_older",
    "newest",
    "parsed",
]

_decode = msgspec.json.Decoder().decode


_ODD = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
"""Whatever a line that is no record makes of being read; msgspec's errors are ValueErrors."""


class BadRecord(Exception):
    """A line is no record."""


class Entry(NamedTuple):
    """One record of a log.

    Attributes:
        fact: what it says. Subjects, sessions and tokens are pseudonyms where the log has those.
        line: the line as it stands.
    """

    fact: Fact
    line: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which records are wanted; what is None is not asked.

    Attributes:
        since: not before, seconds since 1970 UTC.
        until: before, seconds since 1970 UTC.
        events: any of these names.
        reason: exactly this one.
        user: the subject as it stands in the log.
        session: the session as it stands in the log.
        token: the token's id as it stands in the log.
        address: the address as it stands in the log.
        path: how the path begins.
    """

    since: float | None = None
    until: float | None = None
    events: frozenset[str] = frozenset()
    reason: str | None = None
    user: str | None = None
    session: str | None = None
    token: str | None = None
    address: str | None = None
    path: str | None = None

    def wants(self, fact: Fact) -> bool:
        """Whether a record is one of them."""
        return self._in_time(fact) and self._named(fact) and self._placed(fact)

    def _in_time(self, fact: Fact) -> bool:
        early = self.since is not None and fact.time < self.since
        late = self.until is not None and fact.time >= self.until
        return not early and not late

    def _named(self, fact: Fact) -> bool:
        return (
            (not self.events or fact.name in self.events)
            and self.reason in {None, fact.reason}
            and self.user in {None, fact.subject}
        )

    def _placed(self, fact: Fact) -> bool:
        return (
            self.session in {None, fact.session}
            and self.token in {None, fact.token}
            and self.address in {None, fact.address}
            and (self.path is None or (fact.path or "").startswith(self.path))
        )


def entries(log: Path, bad: list[Place] | None = None) -> Iterator[Entry]:
    """All records of a log, the oldest first.

    Args:
        log: the current part.
        bad: receives the places of lines that are no records.

    Raises:
        OSError: a part cannot be read.
    """
    for part in LogFolder(log).parts():
        yield from _part(part, bad)


def newest(log: Path, query: Query, most: int, bad: list[Place] | None = None) -> list[Entry]:
    """The newest records that are wanted, the oldest of them first."""
    found: list[Entry] = []
    for part in reversed(LogFolder(log).parts()):
        wanted = (entry for entry in _part(part, bad) if query.wants(entry.fact))
        found = [*deque(wanted, maxlen=most - len(found)), *found]
        if len(found) == most:
            break
    return found


def _part(part: Path, bad: list[Place] | None) -> Iterator[Entry]:
    lines = enumerate(lines_of(part, part.stat().st_size), 1)
    return entries_of(part.name, lines, bad)


def entries_of(name: str, lines: Numbered, bad: list[Place] | None) -> Iterator[Entry]:
    """The records among some lines of a part or a database; `bad` as for `entries`."""
    for number, line in lines:
        try:
            yield Entry(fact_of(line), line)
        except BadRecord as error:
            if bad is not None:
                bad.append(Place(name, number, str(error)))


def parsed(lines: Iterable[bytes]) -> Iterator[Entry]:
    """The records among some lines."""
    for line in lines:
        try:
            yield Entry(fact_of(line), line)
        except BadRecord:
            continue


def fact_of(line: bytes) -> Fact:
    """What a record says.

    Raises:
        BadRecord: it is no record in either format.
    """
    try:
        record = _decode(line)
        return _from_ocsf(record) if "metadata" in record else _from_ecs(record)
    except _ODD:
        raise BadRecord("not a record") from None


def is_older(line: bytes, before: float) -> bool:
    """Whether what a line tells of happened before some time; what is no record keeps nobody."""
    try:
        return fact_of(line).time < before
    except BadRecord:
        return True


def _from_ocsf(record: dict[str, Any]) -> Fact:
    own, metadata = record["unmapped"], record["metadata"]
    actor = record.get("actor") or record
    for evidence in record.get("evidences", ()):
        actor = evidence["actor"]
    session = actor.get("session") or {}
    request = record.get("http_request") or {}
    return Fact(
        time=float(record["time"]) / 1000,
        name=str(own["event"]),
        reason=_text(record["status_code"]) if record["status_id"] != 1 else None,
        claim=_text(own.get("claim")),
        issuer=_text(session.get("issuer")),
        subject=_verified((actor.get("user") or {}).get("uid")),
        tenant=_text(metadata.get("tenant_uid")),
        client_id=_text(own.get("client_id")),
        session=_text(session.get("uid")),
        token=_text(session.get("credential_uid")),
        address=_text((record.get("src_endpoint") or {}).get("ip")),
        agent=_text(request.get("user_agent")),
        method=_text(request.get("http_method")),
        path=_text((request.get("url") or {}).get("path")),
        presented=_presented(own.get("presented")),
        detail=dict(own.get("detail") or {}),
        count=int(record.get("count", 1)),
    )


def _from_ecs(record: dict[str, Any]) -> Fact:
    own = record["jwt_guard"]
    return Fact(
        time=datetime.fromisoformat(record["@timestamp"]).timestamp(),
        name=str(own["event"]),
        reason=_text(record["event"].get("reason")),
        claim=_text(own.get("claim")),
        issuer=_text(own.get("issuer")),
        subject=_verified((record.get("user") or {}).get("id")),
        tenant=_text((record.get("organization") or {}).get("id")),
        client_id=_text(own.get("client_id")),
        session=_text(own.get("session")),
        token=_text(own.get("token")),
        address=_text((record.get("source") or {}).get("address")),
        agent=_text((record.get("user_agent") or {}).get("original")),
        method=_text(((record.get("http") or {}).get("request") or {}).get("method")),
        path=_text((record.get("url") or {}).get("path")),
        presented=_presented(own.get("presented")),
        detail=dict(own.get("detail") or {}),
        count=int(own.get("count", 1)),
    )


def _text(value: object) -> str | None:
    """Text, as our own records have it; whoever changed one may have put anything there."""
    return value if isinstance(value, str) else None


def _verified(user: object) -> str | None:
    return None if user == UNVERIFIED else _text(user)


def _presented(said: Mapping[str, object] | None) -> Presented | None:
    if not said:
        return None
    return Presented(_text(said["credential"]), _text(said.get("kid")), _text(said.get("subject")))

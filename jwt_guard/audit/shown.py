"""What of a fact may be written: pseudonyms for people, networks for addresses, clean text."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from secrets import token_hex
from typing import Any

import msgspec

from jwt_guard.audit.facts import REFUSED, Fact
from jwt_guard.audit.observer import EventName
from jwt_guard.audit.privacy import Person, Pseudonyms
from jwt_guard.audit.text import claimed, clean, identifier, truncated
from jwt_guard.principal import Principal

__all__ = ["OWN", "UNVERIFIED", "Shower", "Showing", "Shown", "own_record"]

UNVERIFIED = "unverified"
"""The user of a request whose token was refused: its claims are nobody's word."""

OWN = frozenset({"checkpoint", "rotated", "recovered", "purged", "erased", "exported", "gap"})
"""The names of records about the log itself."""

_REMEMBERED = 20_000
_STRANGERS = frozenset({REFUSED, EventName.LOGIN_FAILED.value})


class Shown(msgspec.Struct, frozen=True, gc=False):
    """A fact as it may be written. Named as in `Fact`; everything is clean and bounded."""

    uid: str
    time: float
    name: str
    reason: str | None
    claim: str | None
    user: str | None
    session: str | None
    token: str | None
    issuer: str | None
    tenant: str | None
    client_id: str | None
    address: str | None
    agent: str | None
    method: str | None
    path: str | None
    presented: Mapping[str, str] | None
    detail: Mapping[str, Any] | None
    claims: Mapping[str, Any] | None
    count: int
    since: float | None
    trace: str | None


class _Who(msgspec.Struct, frozen=True, gc=False):
    user: str | None
    session: str | None
    token: str | None
    issuer: str | None
    tenant: str | None
    client_id: str | None


def own_record(name: str, time: float, detail: Mapping[str, Any]) -> Shown:
    """A record about the log itself: its checkpoints, its rotation, what it lost."""
    uid = f"log-{token_hex(8)}"
    nothing: dict[str, Any] = dict.fromkeys(Shown.__struct_fields__)
    return Shown(**nothing | {"uid": uid, "time": time, "name": name, "detail": detail, "count": 1})


_NOBODY = _Who(UNVERIFIED, None, None, None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What may be shown.

    Attributes:
        v4_bits: how much of an IPv4 address is kept.
        v6_bits: how much of an IPv6 address is kept.
        agents: whether user agents are kept.
        claims: the claims that are written, by name; none by default.
    """

    v4_bits: int = 24
    v6_bits: int = 48
    agents: bool = True
    claims: tuple[str, ...] = ()


class Shower:
    """Makes facts fit to be written. Used by one thread.

    Args:
        pseudonyms: the names of people.
        showing: what may be shown.
    """

    def __init__(self, pseudonyms: Pseudonyms, showing: Showing) -> None:
        self._pseudonyms = pseudonyms
        self._showing = showing
        self._known: dict[tuple[str | None, ...], _Who] = {}
        self._prefix = token_hex(8)
        self._count = count(1)

    def refresh(self) -> None:
        """Forget what was forgotten; called once a batch.

        Raises:
            SubjectKeysUnavailable: it cannot be told.
        """
        if self._pseudonyms.refresh():
            self._known.clear()

    def commit(self) -> None:
        """Keep the names given since; called before anything is written under them.

        Raises:
            SubjectKeysUnavailable: they cannot be kept now.
        """
        self._pseudonyms.commit()

    def close(self) -> None:
        """Let go of the names."""
        self._pseudonyms.close()

    def show(self, fact: Fact) -> Shown:
        """The fact as it may be written.

        Raises:
            SubjectKeysUnavailable: its person cannot be named now.
        """
        who = self._who(fact)
        showing = self._showing
        return Shown(
            f"{self._prefix}-{next(self._count):x}",
            fact.time,
            fact.name,
            fact.reason,
            fact.claim,
            who.user,
            who.session,
            who.token,
            who.issuer,
            who.tenant,
            who.client_id,
            truncated(fact.address, showing.v4_bits, showing.v6_bits) if fact.address else None,
            clean(fact.agent) if fact.agent and showing.agents else None,
            clean(fact.method) if fact.method else None,
            clean(fact.path) if fact.path else None,
            self._presented(fact),
            _cleaned(fact.detail) if fact.detail else None,
            self._claims(fact.principal) if showing.claims and fact.principal else None,
            fact.count,
            fact.since,
            fact.trace,
        )

    def _who(self, fact: Fact) -> _Who:
        if fact.name == REFUSED:
            return _NOBODY
        key = (
            fact.issuer,
            fact.subject,
            fact.session,
            fact.token,
            fact.tenant,
            fact.client_id,
            UNVERIFIED if fact.name in _STRANGERS else None,
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._named(fact)
        return known

    def _named(self, fact: Fact) -> _Who:
        person = self._person(fact)
        digest = person.digest if person else str
        tidy = clean if fact.name in _STRANGERS else identifier
        return _Who(
            tidy(person.uid) if person else None,
            tidy(digest(fact.session)) if fact.session else None,
            tidy(digest(fact.token)) if fact.token else None,
            tidy(fact.issuer) if fact.issuer else None,
            tidy(fact.tenant) if fact.tenant else None,
            tidy(fact.client_id) if fact.client_id else None,
        )

    def _person(self, fact: Fact) -> Person | None:
        if fact.subject is None:
            return None
        name = self._pseudonyms.stranger if fact.name in _STRANGERS else self._pseudonyms.person
        return name(fact.issuer, fact.subject)

    def _presented(self, fact: Fact) -> dict[str, str] | None:
        said = fact.presented
        if said is None or said.credential is None:
            return None
        told = {"credential": said.credential}
        if said.kid is not None:
            told["kid"] = claimed(said.kid)
        if said.subject is not None:
            told["subject"] = clean(self._pseudonyms.stranger(None, said.subject).uid)
        return told

    def _claims(self, principal: Principal) -> dict[str, Any]:
        claims = principal.claims
        return {name: _scalar(claims[name]) for name in self._showing.claims if name in claims}


def _cleaned(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {
        clean(str(name)): identifier(str(value)) if name == "kid" else _scalar(value)
        for name, value in list(detail.items())[:32]
    }


def _scalar(value: Any) -> Any:
    """Numbers and truth values as they are, everything else as clean text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < 2**53 else clean(str(value)[:64])
    return clean(value if isinstance(value, str) else str(value)[:1024])

"""The hash chain: every record holds the fingerprint of the one before it.

The semantics are those of the `record_integrity` profile of OCSF 1.9-dev: a record's fingerprint
is the SHA-256 of its serialisation with `chain_uid` and `prev_event` inside and the fingerprint
itself left out. Here that serialisation is the line's own bytes up to `,"fingerprint":`, so that
a chain is verified without parsing, and any tool that can hash a file can do it.

A chain alone proves nothing against somebody who writes all of it anew. So its newest link is
signed (Ed25519) in checkpoints, which stand in the log, and in the head, which stands beside it.
"""

import hashlib
from binascii import hexlify
from typing import NamedTuple

import msgspec

__all__ = ["GENESIS", "Encoded", "Link", "LinkProblem", "check_link", "link", "unlinked"]

GENESIS = b"0" * 64
"""The fingerprint before the first record."""

_CHAIN = b',"attestation_list":[{"chain_uid":"'
_PREVIOUS = b'","prev_event":{"fingerprint":{"algorithm_id":3,"value":"'
_PREVIOUS_END = b'"}}'
_FINGERPRINT = b',"fingerprint":{"algorithm_id":3,"value":"'
_END = b'"}}]}}\n'

_TAIL = len(_FINGERPRINT) + 64 + len(_END)
_BETWEEN = _PREVIOUS_END + _FINGERPRINT
_LINKED = len(_PREVIOUS) + 64 + len(_BETWEEN) + 64 + len(_END)


class Encoded(NamedTuple):
    """A record that waits for its sequence number and its place in a chain.

    Attributes:
        opening: its first bytes, which the sequence number follows.
        rest: the bytes after the sequence number, up to where the attestation goes: inside the
            last member, an object that is not empty and not yet closed.
        time: when it happened, seconds since 1970 UTC.
    """

    opening: bytes
    rest: bytes
    time: float


class Link(msgspec.Struct, frozen=True, gc=False):
    """A place in a chain: how many records there are, and the newest one's fingerprint."""

    sequence: int = 0
    fingerprint: bytes = GENESIS


class LinkProblem(Exception):
    """A record does not fit behind the one before it."""


def link(chain_uid: bytes, last: Link, record: Encoded) -> tuple[bytes, Link]:
    """A record's line in a chain, and the link that it makes."""
    sequence = last.sequence + 1
    body = b"".join(
        (
            record.opening,
            b"%d" % sequence,
            record.rest,
            _CHAIN,
            chain_uid,
            _PREVIOUS,
            last.fingerprint,
            _PREVIOUS_END,
        )
    )
    fingerprint = hexlify(hashlib.sha256(body).digest())
    return b"".join((body, _FINGERPRINT, fingerprint, _END)), Link(sequence, fingerprint)


def unlinked(record: Encoded, sequence: int) -> bytes:
    """A record as a line of its own, in no chain."""
    return b"%b%d%b}}" % (record.opening, sequence, record.rest)


def check_link(line: bytes, openings: tuple[bytes, ...], last: Link) -> Link:
    """The link that a line makes behind the last one.

    Raises:
        LinkProblem: it was changed, or does not belong here.
    """
    fingerprint = hexlify(hashlib.sha256(line[:-_TAIL]).digest())
    sequence = last.sequence + 1
    if line[-_LINKED:] == _PREVIOUS + last.fingerprint + _BETWEEN + fingerprint + _END:
        for opening in openings:
            if line.startswith(b"%b%d," % (opening, sequence)):
                return Link(sequence, fingerprint)
    raise LinkProblem(_problem(line, openings, last, fingerprint))


def _problem(line: bytes, openings: tuple[bytes, ...], last: Link, fingerprint: bytes) -> str:
    """What is wrong with a line that does not fit."""
    body = line[:-_TAIL]
    if line[len(body) :] != _FINGERPRINT + fingerprint + _END:
        return "the record was changed: its fingerprint does not fit"
    if not body.endswith(_PREVIOUS + last.fingerprint + _PREVIOUS_END):
        return _misplaced(body, openings, last.sequence + 1)
    return "the sequence number does not follow"


def sequence_of(line: bytes, openings: tuple[bytes, ...]) -> int | None:
    """The sequence number that a line claims."""
    for opening in openings:
        if line.startswith(opening):
            digits = line[len(opening) : len(opening) + 20].partition(b",")[0]
            return int(digits) if digits.isdigit() else None
    return None


def fingerprint_of(line: bytes) -> bytes:
    """The fingerprint that a line claims."""
    return line[-len(_END) - 64 : -len(_END)]


def _misplaced(body: bytes, openings: tuple[bytes, ...], expected: int) -> str:
    found = sequence_of(body, openings)
    if found is None:
        return "this is no record of the chain"
    if found > expected:
        return f"records {expected} to {found - 1} are missing here"
    return f"record {found} does not belong here: inserted, repeated or out of order"

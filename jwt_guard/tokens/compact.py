"""Strict parsing of the compact serialization (RFC 7515 section 7.1), before anything is believed.

Exactly three segments of canonical base64url, sizes bounded before decoding, a header that is a
JSON object of known types, no duplicate members. What fails here is a `Refusal`, whatever it was.
"""

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import msgspec

from jwt_guard.errors import Reason, Refusal

__all__ = ["Header", "Segments", "decode_object", "decode_segment", "parse_header", "split"]

_STANDARD = bytes.maketrans(b"-_+/=", b"+/\x00\x00\x00")
_PADDING = (b"", None, b"==", b"=")
_LAST_CHARACTERS = (None, None, frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))
"""By length modulo 4: what may stand last, so that the unused bits are zero."""

_decode_json = msgspec.json.Decoder().decode
_encode_json = msgspec.json.Encoder().encode

_DEEPEST = 32
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_INTEGER_DIGITS = 20
_INTEGERS = range(-(2**63), 2**64)
_KID_LENGTH = 512


class Segments(NamedTuple):
    """A compact token taken apart, nothing decoded."""

    header: bytes
    payload: bytes
    signature: bytes
    signed: bytes


def split(token: bytes) -> Segments:
    """The three segments of a token.

    Raises:
        Refusal: `token_malformed`.
    """
    parts = token.split(b".", 3)
    if len(parts) != 3 or not (parts[0] and parts[1]):
        raise Refusal(Reason.TOKEN_MALFORMED)
    header, payload, signature = parts
    return Segments(header, payload, signature, token[: len(header) + 1 + len(payload)])


def decode_segment(segment: bytes) -> bytes:
    """The bytes of one segment.

    Raises:
        Refusal: `token_malformed`, unless it is base64url without padding (RFC 7515 section 2)
            in its one canonical spelling (RFC 4648 section 3.5).
    """
    rest = len(segment) % 4
    padding, last = _PADDING[rest], _LAST_CHARACTERS[rest]
    if padding is None or (last is not None and segment[-1] not in last):
        raise Refusal(Reason.TOKEN_MALFORMED)
    try:
        return a2b_base64(segment.translate(_STANDARD) + padding, strict_mode=True)
    except Base64Error:
        raise Refusal(Reason.TOKEN_MALFORMED) from None


def decode_object(raw: bytes) -> dict[str, Any]:
    """A JSON object, strictly: UTF-8, no NaN, no number beyond its type, no duplicate member.

    Integers have 64 bits at most and nesting 32 levels, so that no reader behind us chokes.

    Raises:
        Refusal: `token_malformed`.
    """
    try:
        value = _decode_json(raw)
        if type(value) is dict and _is_shallow(value, raw) and _is_unambiguous(value, raw):
            return value
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        pass
    raise Refusal(Reason.TOKEN_MALFORMED)


def _is_shallow(value: dict[str, Any], raw: bytes) -> bool:
    """Whether it nests no deeper than we allow; walked only where it could."""
    if raw.count(b"{") + raw.count(b"[") <= _DEEPEST:
        return True
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _members(outer)]
    return not level


def _members(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


def _is_unambiguous(value: dict[str, Any], raw: bytes) -> bool:
    """Whether no object in the text repeats a member, and no integer is too long.

    The decoder keeps the last of duplicates silently. What it encodes again has none, so text
    that comes back byte for byte had none. Other spellings are read once more by the standard
    library, which tells.
    """
    if not _LONG_NUMBER.search(raw) and _encode_json(value) == raw:
        return True
    json.loads(raw, object_pairs_hook=_without_duplicates, parse_int=_bounded_integer)
    return True


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise ValueError
    return value


def _bounded_integer(text: str) -> int:
    if len(text) > _INTEGER_DIGITS or int(text) not in _INTEGERS:
        raise ValueError
    return int(text)


@dataclass(frozen=True, slots=True)
class Header:
    """What we use of a protected header (RFC 7515 section 4.1).

    Attributes:
        algorithm: `alg`.
        kid: `kid`, if any.
        type: `typ` in lower case without `application/` (RFC 8725bis 3.11), if any.
        thumbprint: `x5t#S256`, if any.
        members: all of it.
    """

    algorithm: str
    kid: str | None
    type: str | None
    members: Mapping[str, Any]


_TYPES: dict[str, type] = {
    "alg": str,
    "kid": str,
    "typ": str,
    "cty": str,
    "jku": str,
    "x5u": str,
    "x5t": str,
    "x5t#S256": str,
    "jwk": dict,
    "x5c": list,
}
_UNSUPPORTED = ("b64", "zip", "enc", "epk", "p2c", "p2s")
"""Parameters that would change how the token must be read, were they understood."""

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+/-]{1,127}")


def parse_header(segment: bytes) -> Header:
    """A protected header.

    Raises:
        Refusal: `token_malformed`, `header_invalid`, or `critical_header_unsupported` for any
            `crit`, since we implement no extension (RFC 7515 section 4.1.11).
    """
    members = decode_object(decode_segment(segment))
    if "crit" in members:
        raise Refusal(Reason.CRITICAL_HEADER_UNSUPPORTED, claim="crit")
    for name, wanted in _TYPES.items():
        if name in members and type(members[name]) is not wanted:
            _refuse(name)
    for name in _UNSUPPORTED:
        if name in members:
            _refuse(name)
    return Header(_algorithm(members), _kid(members), _media_type(members), members)


def _algorithm(members: dict[str, Any]) -> str:
    algorithm = members.get("alg")
    return algorithm if isinstance(algorithm, str) else _refuse("alg")


def _kid(members: dict[str, Any]) -> str | None:
    kid = members.get("kid")
    if kid is None:
        return None
    if not 0 < len(kid) <= _KID_LENGTH:
        _refuse("kid")
    return str(kid)


def _media_type(members: dict[str, Any]) -> str | None:
    media_type = members.get("typ")
    if media_type is None:
        return None
    if not _MEDIA_TYPE.fullmatch(media_type):
        _refuse("typ")
    return str(media_type).lower().removeprefix("application/")


def _refuse(name: str) -> NoReturn:
    raise Refusal(Reason.HEADER_INVALID, claim=name)

"""Strict parsing of the compact serialization (RFC 7515 section 7.1), before anything is believed.

Exactly three segments of canonical base64url, sizes bounded before decoding, a header that is a
JSON object of known types, no duplicate members. What fails here is a `Refusal`, whatever it was.
"""

import json
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from jwt_guard.errors import Reason, Refusal

__all__ = [
    "Header",
    "decode_json",
    "decode_object",
    "decode_segment",
    "encode_json",
    "is_plain",
    "issuer_in",
    "parse_header",
    "take_apart",
]

_OURS = (string.ascii_letters + string.digits + "-_").encode("ascii")
_THEIRS = (string.ascii_letters + string.digits + "+/").encode("ascii")
_STANDARD = bytes(_THEIRS[_OURS.index(byte)] if byte in _OURS else 0 for byte in range(256))
"""To the alphabet of RFC 4648 section 4; what is not in ours becomes a byte that is in neither."""
_ENDINGS: tuple[dict[bytes, bytes], ...] = (
    {b"": b"", **{bytes([last]): b"" for last in _OURS}},
    {},
    {bytes([last]): b"==" for last in b"AQgw"},
    {bytes([last]): b"=" for last in b"AEIMQUYcgkosw048"},
)
"""What a segment would end with if it were padded, by its length modulo 4 and what stands last.

The unused bits are zero, and no segment has one character over (RFC 4648 section 3.5).
"""

# JSON's decoder reads base64 as strictly as `binascii`, in half the time.
_decode = msgspec.json.Decoder(bytes).decode

decode_json = msgspec.json.Decoder().decode
"""Not strict: takes the last of duplicate members, and any nesting."""
encode_json = msgspec.json.Encoder().encode

_DEEPEST = 32
_OUTLINE = bytes.maketrans(b"0123456789{", b"0000000000[")
_LONG_NUMBER = b"0" * 19
_INTEGER_DIGITS = 20
_INTEGERS = range(-(2**63), 2**64)
_KID_LENGTH = 512


def take_apart(token: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The header and what is signed, as they stand; the payload and the signature, decoded.

    Raises:
        Refusal: `token_malformed`, unless there are three segments, and the last two are spelt as
            `decode_segment` asks. Only the signature may be empty.
    """
    signed, _, signature = token.rpartition(b".")
    header, _, payload = signed.partition(b".")
    if not header or not payload:
        raise Refusal(Reason.TOKEN_MALFORMED)
    return header, signed, decode_segment(payload), decode_segment(signature)


def decode_segment(segment: bytes) -> bytes:
    """The bytes of one segment.

    Raises:
        Refusal: `token_malformed`, unless it is base64url without padding (RFC 7515 section 2)
            in its one canonical spelling (RFC 4648 section 3.5).
    """
    try:
        padding = _ENDINGS[len(segment) % 4][segment[-1:]]
        if not segment.isalnum():  # else it is the same in both alphabets
            segment = segment.translate(_STANDARD)
        return _decode(b"".join((b'"', segment, padding, b'"')))
    except (KeyError, msgspec.MsgspecError):
        raise Refusal(Reason.TOKEN_MALFORMED) from None


class _Named(msgspec.Struct, gc=False):
    iss: Any = msgspec.UNSET


_decode_issuer = msgspec.json.Decoder(_Named).decode


def issuer_in(payload: bytes) -> Any:
    """What a payload says of its issuer, before its signature is known to be right.

    All else is passed over, which a stranger can make last no longer than the signature.

    Returns:
        The value of `iss`, of whatever type; `msgspec.UNSET` where there is none.

    Raises:
        Refusal: `token_malformed`, unless it is a JSON object.
    """
    try:
        return _decode_issuer(payload).iss
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Refusal(Reason.TOKEN_MALFORMED) from None


def decode_object(raw: bytes) -> dict[str, Any]:
    """A JSON object, strictly: UTF-8, no NaN, no number beyond its type, no duplicate member.

    Integers have 64 bits at most and nesting 32 levels, so that no reader behind us chokes.

    Raises:
        Refusal: `token_malformed`.
    """
    try:
        value = decode_json(raw)
        outline = raw.translate(_OUTLINE)
        if _LONG_NUMBER in outline or encode_json(value) != raw:
            _check_spelling(raw)
        if type(value) is dict and (outline.count(b"[") <= _DEEPEST or _is_shallow(value)):
            return value
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        pass
    raise Refusal(Reason.TOKEN_MALFORMED)


def is_plain(raw: bytes) -> bool:
    """Whether JSON can hold no integer that is too long, and can nest no deeper than we allow."""
    outline = raw.translate(_OUTLINE)
    return _LONG_NUMBER not in outline and outline.count(b"[") <= _DEEPEST


def _check_spelling(raw: bytes) -> None:
    """Whether no object in the text repeats a member, and no integer is too long.

    Our decoder keeps the last of duplicates silently. What it encodes again has none, so text that
    comes back byte for byte had none. Other spellings are read once more by the standard library,
    which tells.

    Raises:
        ValueError: one does.
    """
    json.loads(raw, object_pairs_hook=_without_duplicates, parse_int=_bounded_integer)


def _is_shallow(value: dict[str, Any]) -> bool:
    """Whether it nests no deeper than we allow."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _members(outer)]
    return not level


def _members(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


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
    if any(type(certificate) is not str for certificate in members.get("x5c", ())):
        _refuse("x5c")
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

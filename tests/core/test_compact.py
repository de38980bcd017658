"""Exactly one spelling of a token is read; all others are refused before anything is believed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwt_guard import Reason, Refusal
from jwt_guard.tokens.compact import (
    decode_object,
    decode_segment,
    parse_header,
    take_apart,
)
from tests.support.tokens import segment


def _reason(function: Any, argument: bytes) -> tuple[Reason, str | None]:
    with pytest.raises(Refusal) as caught:
        function(argument)
    return caught.value.reason, caught.value.claim


MALFORMED = (Reason.TOKEN_MALFORMED, None)


def test_three_segments_are_taken_apart() -> None:
    """The signed part is the first two with their dot."""
    parts = take_apart(b"a-.b_8.-w")
    assert parts == (b"a-", b"a-.b_8", b"o\xff", b"\xfb")


def test_an_empty_signature_is_left_to_the_verifier() -> None:
    """It has three segments; that nothing signs it is another finding."""
    assert take_apart(b"aa.bbbb.") == (b"aa", b"aa.bbbb", b"m\xb6\xdb", b"")


@pytest.mark.parametrize(
    "foreign", [b"+", b"/", b"=", b" ", b"\n", b"\x00", b'"', b'","', b"\\", b",", b"\xc3"]
)
@pytest.mark.parametrize("around", [(b"aa.bbb", b".cccc"), (b"aa.bbbb.ccc", b"")])
def test_characters_of_another_alphabet_survive_no_translation(
    foreign: bytes, around: tuple[bytes, bytes]
) -> None:
    """What stands in for them is in no alphabet, and ends no text."""
    before, after = around
    assert _reason(take_apart, before + foreign + after) == MALFORMED


@given(st.binary(min_size=1), st.binary())
def test_what_is_put_together_comes_apart(payload: bytes, signature: bytes) -> None:
    """Whatever the lengths of the two segments."""
    signed = b"aa." + segment(payload).encode()
    token = signed + b"." + segment(signature).encode()
    assert take_apart(token) == (b"aa", signed, payload, signature)


_SPELLINGS = st.text('AQgw-_+/=\\" ,', max_size=12)


@given(_SPELLINGS, _SPELLINGS)
def test_two_segments_are_read_as_each_by_itself(middle: str, closing: str) -> None:
    """Neither changes how the other is read."""
    payload, signature = middle.encode(), closing.encode()
    try:
        alone = decode_segment(payload or b"!"), decode_segment(signature)
    except Refusal:
        assert _reason(take_apart, b"aa." + payload + b"." + signature) == MALFORMED
    else:
        assert take_apart(b"aa." + payload + b"." + signature)[2:] == alone


@pytest.mark.parametrize(
    "token", [b"", b".", b"..", b"...", b"a", b"a.b", b"a.b.c.d", b".b.c", b"a..c", b"." * 9999]
)
def test_any_other_number_of_segments_is_refused(token: bytes) -> None:
    """Two, four, five (an encrypted token) or ten thousand."""
    assert _reason(take_apart, token) == MALFORMED


@pytest.mark.parametrize("length", range(70))
def test_every_length_of_bytes_survives(length: int) -> None:
    """What is encoded comes back."""
    raw = bytes(range(200, 200 + length % 56)) * 2
    assert decode_segment(segment(raw).encode()) == raw


@pytest.mark.parametrize(
    "text",
    [
        b"A",
        b"AAAAA",
        b"AA==",
        b"AAA=",
        b"AA=",
        b"=",
        b"AB",
        b"AAB",
        b"AA+A",
        b"AA/A",
        b"AA A",
        b" AAA",
        b"AAA\n",
        b"AA\x00A",
        b"AAAA\x00\x00\x00\x00",
        b"A\xc3\xa9A",
        b"AAAA====",
        b"AAAA=AAA",
        b"AA.A",
    ],
)
def test_any_other_spelling_of_a_segment_is_refused(text: bytes) -> None:
    """Padding, the other alphabet, white space, unused bits that are set."""
    assert _reason(decode_segment, text) == MALFORMED


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b' {\n"a" : 1 }\t', {"a": 1}),
        (b'{"a":[1,{"b":null}],"c":true}', {"a": [1, {"b": None}], "c": True}),
        (b'{"a":"\\u0061\\ud83d\\ude00"}', {"a": "a\U0001f600"}),
        (b'{"a":1.5e3}', {"a": 1500.0}),
        (b'{"a":18446744073709551615}', {"a": 2**64 - 1}),
        (b'{"a": 18446744073709551615}', {"a": 2**64 - 1}),
        (b'{"a":-9223372036854775808}', {"a": -(2**63)}),
        (b'{"a":"123456789012345678901234567890"}', {"a": "123456789012345678901234567890"}),
        (b'{"a":' + b"[" * 31 + b"]" * 31 + b"}", None),
        (b'{"a":[' + b"[]," * 500 + b"[]]}", None),
    ],
)
def test_objects_are_read(raw: bytes, value: Any) -> None:
    """JSON as it is sent, in any spelling that has one meaning."""
    decoded = decode_object(raw)
    assert value is None or decoded == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b'"a"',
        b"{",
        b"{}{}",
        b"{} x",
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1, "b":2}]}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e400}',
        b'{"a":-1e400}',
        b'{"a":18446744073709551616}',
        b'{"a": 18446744073709551616}',
        b'{"a":-9223372036854775809}',
        b'{"a":' + b"9" * 400 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b'{"a":"\x00"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":' + b"[" * 33 + b"]" * 33 + b"}",
        b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"a":' + b"[" * 8000 + b"]" * 8000 + b"}",
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
    ids=lambda raw: raw[:12].decode("latin-1"),
)
def test_all_else_is_no_object(raw: bytes) -> None:
    """Other JSON, duplicates (E9), odd encodings (E11), depth (J3), huge numbers (J13)."""
    assert _reason(decode_object, raw) == MALFORMED


def _header(**members: Any) -> bytes:
    return segment({"alg": "ES256", **members}).encode()


def test_a_header_is_read() -> None:
    """The type in lower case and without its prefix; all other members as they are."""
    header = parse_header(_header(typ="application/AT+JWT", kid="k", jku="x", zzz=[1]))
    assert (header.algorithm, header.kid, header.type) == ("ES256", "k", "at+jwt")
    assert header.members["zzz"] == [1]
    assert parse_header(_header()).kid is None
    assert parse_header(_header()).type is None


@pytest.mark.parametrize(
    ("members", "at"),
    [
        ({"alg": None}, "alg"),
        ({"alg": []}, "alg"),
        ({"alg": ["ES256"]}, "alg"),
        ({"alg": 0}, "alg"),
        ({"kid": None}, "kid"),
        ({"kid": ""}, "kid"),
        ({"kid": 1}, "kid"),
        ({"kid": ["a"]}, "kid"),
        ({"kid": "k" * 513}, "kid"),
        ({"typ": None}, "typ"),
        ({"typ": ""}, "typ"),
        ({"typ": "at jwt"}, "typ"),
        ({"typ": "at+jwt\n"}, "typ"),
        ({"typ": ["at+jwt"]}, "typ"),
        ({"cty": 5}, "cty"),
        ({"jku": 5}, "jku"),
        ({"x5u": {}}, "x5u"),
        ({"x5t": 5}, "x5t"),
        ({"x5t#S256": 5}, "x5t#S256"),
        ({"jwk": "x"}, "jwk"),
        ({"x5c": "x"}, "x5c"),
        ({"b64": False}, "b64"),
        ({"b64": True}, "b64"),
        ({"zip": "DEF"}, "zip"),
        ({"enc": "A256GCM"}, "enc"),
        ({"epk": {}}, "epk"),
        ({"p2c": 2**31}, "p2c"),
        ({"p2s": "x"}, "p2s"),
    ],
    ids=str,
)
def test_a_parameter_of_another_type_or_meaning_is_refused(
    members: dict[str, Any], at: str
) -> None:
    """Types are taken literally; what would change the reading of the token is refused."""
    assert _reason(parse_header, _header(**members)) == (Reason.HEADER_INVALID, at)


def test_a_header_without_alg_is_refused() -> None:
    """There is no default."""
    assert _reason(parse_header, segment({"typ": "at+jwt"}).encode()) == (
        Reason.HEADER_INVALID,
        "alg",
    )


@pytest.mark.parametrize("crit", [[], ["x"], ["b64"], ["exp"], ["alg"], None, 5, "b64", [[1]], {}])
def test_any_crit_is_refused(crit: Any) -> None:
    """We implement no extension, so there is none that a token could ask for (RFC 7515, 4.1.11)."""
    assert _reason(parse_header, _header(crit=crit)) == (
        Reason.CRITICAL_HEADER_UNSUPPORTED,
        "crit",
    )

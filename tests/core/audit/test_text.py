"""Text from strangers."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwt_guard.audit.text import (
    LONGEST,
    claimed,
    clean,
    device_of,
    identifier,
    network_of,
    printable,
    truncated,
)

TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJldmUifQ.c2lnbmF0dXJl"


THUMBPRINT = "_jKMRvKP-itm4JC9ausMs3R6T5lgo_bRzbZFPtclsdk"


@pytest.mark.parametrize("tidied", [clean, identifier, claimed])
@given(text=st.text(st.characters(), max_size=3 * LONGEST))
def test_clean_text_is_printable_and_short(tidied: Callable[[str], str], text: str) -> None:
    """Whatever a stranger writes, one bounded line that JSON can hold is left of it."""
    kept = tidied(text)
    assert kept.isprintable()
    assert len(kept) <= LONGEST
    kept.encode()


def test_an_identifier_that_looks_like_a_token_can_still_be_told() -> None:
    """Key thumbprints and Entra's subjects do: ours stand as they are, claimed ones as digests."""
    assert clean(THUMBPRINT) == "[redacted]"
    assert identifier(THUMBPRINT) == THUMBPRINT
    assert claimed(THUMBPRINT) == f"sha256:{sha256(THUMBPRINT.encode()).hexdigest()[:16]}"
    assert claimed("key-1") == identifier("key-1") == "key-1"
    assert TOKEN[:9] not in claimed(TOKEN)


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[2J", "a\u2028b", "\u202egnp", "\ud800"])
def test_what_would_begin_a_line_or_move_a_cursor_is_escaped(text: str) -> None:
    """Line breaks, terminal sequences, separators, direction marks and lone surrogates."""
    assert "\\u{" in clean(text)
    assert printable(text) == clean(text)


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"/reset/{TOKEN}",
        f"Bearer {TOKEN}",
        TOKEN.partition(".")[0],
        f"/x/{'Ab3_' * 11}",
        f"{'é' * (LONGEST - 6)}{TOKEN}",
    ],
)
def test_no_token_nor_a_part_of_it_is_kept(text: str) -> None:
    """Wherever a token stands, also across the cut, nothing of it stays."""
    kept = clean(text)
    assert "eyJ" not in kept
    assert "Ab3_" not in kept


def test_ordinary_text_is_kept_as_it_is() -> None:
    """Paths, agents and identifiers are not mistaken for tokens."""
    for text in ("/users/6f9619ff-8b86-d011-b42d-00c04fc964ff/invoices", "Mozilla/5.0 (X11)"):
        assert clean(text) == text


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("192.0.2.77", "192.0.2.0"),
        ("2001:db8:1:2:3::4", "2001:db8:1::"),
        ("::ffff:192.0.2.77", "192.0.2.0"),
        ("fe80::1%eth0", "fe80::"),
        ("no address", "invalid"),
        ("1" * 10_000, "invalid"),
    ],
)
def test_addresses_are_cut_to_their_network(address: str, kept: str) -> None:
    """A /24 of IPv4, a /48 of IPv6; an IPv4 address in IPv6's clothes is one."""
    assert truncated(address) == kept
    assert network_of(address) == kept


def test_an_update_makes_no_new_device() -> None:
    """Version numbers do not count."""
    assert device_of("Firefox/120.0") == device_of("Firefox/121.0.1")
    assert device_of("Firefox/120.0") != device_of("curl/8.5")

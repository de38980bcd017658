"""Text from strangers, made fit for a log: escaped, cut, and rid of whatever resembles a token."""

import re
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address, ip_network

__all__ = [
    "LONGEST",
    "claimed",
    "clean",
    "device_of",
    "identifier",
    "network_of",
    "printable",
    "truncated",
]

LONGEST = 256
"""How many characters of any one value are kept."""

# A JSON object in base64url begins with eyJ; nothing that people name runs on for 40 characters.
_TOKEN_LIKE = re.compile(r"eyJ[A-Za-z0-9_-]{6,}[A-Za-z0-9_.=-]*|[A-Za-z0-9_=-]{40,}")
_REDACTED = "[redacted]"
_VERSION = re.compile(r"[\d._]+")
_REMEMBERED = 4096


def clean(text: str) -> str:
    """Printable text of at most `LONGEST` characters, an ellipsis where it was cut.

    Control and formatting characters, line and paragraph separators and lone surrogates are
    written as escapes (ASVS V16.4.1), and what looks like a token is left out (ASVS V16.2.5).
    """
    # Longer than what is kept, so that no half of a token slips through at the cut.
    return _clean(text[: 4 * LONGEST])


@lru_cache(_REMEMBERED)
def _clean(text: str) -> str:
    return _cut(printable(_TOKEN_LIKE.sub(_REDACTED, text)), "")


def identifier(text: str) -> str:
    """As `clean`, but for what somebody vouches for: a subject, a session, a key of ours.

    Many of those look like tokens and are none: key thumbprints, Entra's subjects.
    """
    return _cut(printable(text[:LONGEST]), text)


def claimed(text: str) -> str:
    """As `clean`, for an identifier that nobody vouches for.

    What looks like a token is told by a digest, so that two of them are still two.
    """
    kept = clean(text)
    if kept != _REDACTED:
        return kept
    return f"sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _cut(kept: str, text: str) -> str:
    whole = len(kept) <= LONGEST and len(text) <= LONGEST
    return kept if whole else kept[: LONGEST - 1] + "…"


def printable(text: str) -> str:
    """Text that moves no cursor and begins no line: whatever would is written as an escape."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return f"\\u{{{ord(character):x}}}"


def truncated(address: str, v4_bits: int = 24, v6_bits: int = 48) -> str:
    """The network that an address belongs to, as its first address; `invalid` if it is none."""
    return _truncated(address[:64], v4_bits, v6_bits)


@lru_cache(_REMEMBERED)
def _truncated(address: str, v4_bits: int, v6_bits: int) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "invalid"
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    bits = v4_bits if parsed.version == 4 else v6_bits
    return str(ip_network((parsed, bits), strict=False).network_address)


def network_of(address: str) -> str:
    """The network by which two callers are told apart: /24 of IPv4, /48 of IPv6."""
    return truncated(address)


def device_of(agent: str) -> str:
    """A user agent without its version numbers: an update makes no new device."""
    return _device_of(agent[:LONGEST])


@lru_cache(_REMEMBERED)
def _device_of(agent: str) -> str:
    return _VERSION.sub("", agent)

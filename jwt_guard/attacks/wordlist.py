"""Weak secrets of our own making: common words, and rules by which people dress them up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

_TEXT = (
    "secret secrets jwt token key password passphrase admin root test testing demo example sample "
    "dev development prod production staging local default change changeme changeit please "
    "replace replaceme your my super top very private hidden shared signing secure security auth "
    "api app server service backend web site project company user guest login session cookie "
    "django flask fastapi express node spring rails laravel symfony dotnet java python golang "
    "hello world welcome letmein iloveyou qwerty asdf dragon monkey master sunshine football "
    "summer winter spring autumn love god angel shadow ninja hunter trust freedom whatever "
    "foo bar baz foobar lorem ipsum temp tmp none null undefined true false string value here "
    "hmac hs256 sha256 rsa signature sign verify access refresh bearer oauth sso"
)
WORDS = tuple(_TEXT.split())

PHRASES = (
    ("your", "secret", "key"),
    ("your", "256", "bit", "secret"),
    ("your", "jwt", "secret"),
    ("my", "secret", "key"),
    ("my", "super", "secret", "key"),
    ("super", "secret", "key"),
    ("super", "secret"),
    ("top", "secret"),
    ("jwt", "secret"),
    ("jwt", "secret", "key"),
    ("jwt", "key"),
    ("jwt", "token", "secret"),
    ("access", "token", "secret"),
    ("refresh", "token", "secret"),
    ("secret", "key"),
    ("secret", "token"),
    ("signing", "key"),
    ("private", "key"),
    ("change", "me"),
    ("change", "this"),
    ("please", "change", "me"),
    ("change", "this", "to", "a", "secure", "secret"),
    ("change", "this", "in", "production"),
    ("insert", "your", "secret", "here"),
    ("replace", "me"),
    ("do", "not", "tell"),
    ("this", "is", "a", "secret"),
    ("this", "is", "not", "a", "secret"),
    ("very", "secret"),
    ("not", "so", "secret"),
    ("correct", "horse", "battery", "staple"),
    ("hello", "world"),
    ("let", "me", "in"),
    ("app", "secret"),
    ("api", "key"),
    ("api", "secret"),
    ("auth", "secret"),
    ("session", "secret"),
    ("django", "insecure"),
    ("dev", "secret"),
    ("test", "secret"),
    ("test", "key"),
)

SUFFIXES = ("", "1", "12", "123", "1234", "12345", "123456", "!", "1!", "123!", "@123", "01", "007")
JOINTS = ("", "-", "_", " ", ".")
RUNS = ("0", "1", "a", "x", "A", "z", "*", " ")
LENGTHS = (1, 4, 8, 16, 24, 32, 48, 64)
ROWS = (
    "1234567890",
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
)


def _cases(word: str) -> tuple[str, ...]:
    return word, word.capitalize(), word.upper()


def _dressed() -> Iterator[str]:
    for word, suffix in product(WORDS, SUFFIXES):
        for cased in _cases(word):
            yield cased + suffix


def _doubled() -> Iterator[str]:
    for word, joint in product(WORDS, JOINTS):
        yield f"{word}{joint}{word}"


def _phrases() -> Iterator[str]:
    for phrase, joint in product(PHRASES, JOINTS):
        for joined in (*_cases(joint.join(phrase)), joint.join(w.capitalize() for w in phrase)):
            yield from (joined + suffix for suffix in SUFFIXES)


def _pairs() -> Iterator[str]:
    for first, second, joint in product(WORDS, WORDS, ("", "-", "_")):
        yield f"{first}{joint}{second}"


def _years() -> Iterator[str]:
    for word, year in product(WORDS, range(2015, 2031)):
        yield from (f"{cased}{year}" for cased in _cases(word))


def _runs() -> Iterator[str]:
    yield from (char * length for char, length in product(RUNS, LENGTHS))
    for row in ROWS:
        yield from (row[:length] for length in range(3, len(row) + 1))
        yield from ((row * 7)[:length] for length in (16, 24, 32, 64))
    yield from (str(n) * 3 for n in range(10))


def weak_secrets() -> Iterator[str]:
    """Every generated secret, likeliest rules first, none twice."""
    seen: set[str] = set()
    for rule in (_phrases, _dressed, _runs, _years, _doubled, _pairs):
        for secret in rule():
            if secret not in seen:
                seen.add(secret)
                yield secret


FEW = (
    "secret",
    "password",
    "changeme",
    "your-256-bit-secret",
    "jwt_secret",
    "test",
    "admin",
    "key",
)

"""Showing what was sent and received without giving a token or a password away.

Requests are shown by allow-list: of a token only its header, of a body only its length.
"""

from __future__ import annotations

import json
import re

from jwt_guard.attacks import forge
from jwt_guard.attacks.model import Answer, Request

EXCERPT = 240
_HARMLESS = (
    "content-type x-http-method-override x-method-override x-original-url x-rewrite-url "
    "x-forwarded-host x-forwarded-uri x-forwarded-prefix host origin user-agent"
)
SHOWN_REQUEST = frozenset(_HARMLESS.split())
SHOWN_ANSWER = ("WWW-Authenticate", "Content-Type", "Location", "Cache-Control", "Retry-After")
TOKENISH = re.compile(r"[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{4,}(\.[A-Za-z0-9_-]*)*")
FIELDS = re.compile(r'("(?:\w*token|access|refresh|jwt|password)"\s*:\s*")[^"]*', re.IGNORECASE)


def shown_request(request: Request) -> str:
    """One line for the request and one for each header; values only where they are harmless."""
    path, mark, query = request.target.partition("?")
    names = "&".join(part.partition("=")[0] + "=<...>" for part in query.split("&"))
    lines = [f"{request.method} {_cut(path, EXCERPT)}{mark}{_cut(names, EXCERPT) if mark else ''}"]
    lines += [f"{name}: {_value(name, value)}" for name, value in request.headers]
    if request.body:
        lines.append(f"<body of {len(request.body)} bytes>")
    return "\n".join(lines)


def _value(name: str, value: str) -> str:
    if name.lower() in SHOWN_REQUEST:
        return _cut(_scrub(value), EXCERPT)
    words = value.split(" ", 1)
    scheme = f"{_cut(words[0], 20)} " if len(words) == 2 and words[0].isalpha() else ""
    return f"{scheme}<{_described(words[-1])}>"


def _described(text: str) -> str:
    size = f"{len(text)} characters"
    head = text.rpartition("=")[2].split(".")[0]
    try:
        header = json.dumps(json.loads(forge.unb64(head)))
    except (ValueError, RecursionError):
        return size
    digest = forge.fingerprint(text)
    return f"token with header {_cut(header, EXCERPT)}; {size}, sha256 {digest}"


def shown_answer(answer: Answer) -> str:
    """Status, telling headers and the start of the body; tokens in it are masked."""
    if answer.failure is not None:
        return f"{answer.failure}: {_cut(answer.detail, EXCERPT)}"
    lines = [f"{answer.status} after {answer.elapsed * 1000:.0f} ms"]
    for name in SHOWN_ANSWER:
        lines += [f"{name}: {_cut(_scrub(v), EXCERPT)}" for v in answer.headers_named(name)]
    body = _cut(_scrub(answer.text), EXCERPT)
    return "\n".join([*lines, body] if body else lines)


def _scrub(text: str) -> str:
    return FIELDS.sub(r"\1<...>", TOKENISH.sub("<token>", _printable(text)))


def _printable(text: str) -> str:
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def _cut(text: str, length: int) -> str:
    text = _printable(text)
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} characters)"

"""The ways in which a ``FaultyServer`` fails: the bad days of identity providers, and worse.

Some are faults as they stand (``html``), others are made by a function (``slow(2)``). Those in
``BROKEN`` answer at once and never usefully, whatever the path; those in ``STALLING`` take longer
than anyone should wait.
"""

import asyncio
import gzip
import json
import socket
import struct
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc.jwk import ECKey

from tests.support.faulty import Exchange, Fault

_MIB = 1024 * 1024
_SPACES = b" " * (64 * 1024)

TINY_RSA_KEY = {"kty": "RSA", "kid": "tiny", "use": "sig", "alg": "RS256", "n": "AQAB", "e": "Aw"}


async def html(exchange: Exchange) -> None:
    """A login page with 200, as captive portals and proxies send."""
    page = b"<!doctype html><title>Sign in</title><p>Please sign in"
    await exchange.answer(page, content_type="text/html; charset=utf-8")


async def wrong_content_type(exchange: Exchange) -> None:
    """The good document, said to be plain text."""
    await exchange.answer(_good(exchange), content_type="text/plain")


async def truncated(exchange: Exchange) -> None:
    """Half of the document, and the end of the connection before the announced length."""
    body = _good(exchange)
    await exchange.begin(_json_of(len(body)))
    await exchange.send(body[: len(body) // 2])


async def invalid_json(exchange: Exchange) -> None:
    """A complete response, whose JSON breaks off."""
    await exchange.answer(_good(exchange)[:-1])


async def not_an_object(exchange: Exchange) -> None:
    """Valid JSON of the wrong shape."""
    await exchange.answer(b'["keys"]')


async def deeply_nested(exchange: Exchange) -> None:
    """Brackets enough to exhaust a recursive parser."""
    await exchange.answer(b"[" * 100_000 + b"]" * 100_000)


async def not_http(exchange: Exchange) -> None:
    """Bytes of another protocol."""
    await exchange.send(b"\x16\x03\x01\x00\xff SSH-2.0 \r\n\r\n")


async def dropped(exchange: Exchange) -> None:
    """A connection reset in place of an answer."""
    linger = struct.pack("ii", 1, 0)
    exchange.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    exchange.writer.transport.abort()


async def hanging(exchange: Exchange) -> None:
    """The request is taken, and nothing ever comes back."""
    await asyncio.Event().wait()


async def stalled(exchange: Exchange) -> None:
    """Headers and half of the body come, and then nothing more."""
    body = _good(exchange)
    await exchange.begin(_json_of(len(body)))
    await exchange.send(body[: len(body) // 2])
    await asyncio.Event().wait()


async def empty_keys(exchange: Exchange) -> None:
    """A key set without keys."""
    await exchange.answer(b'{"keys": []}')


async def duplicate_kids(exchange: Exchange) -> None:
    """The good keys, and another key under the first one's kid."""
    keys = exchange.document["keys"]
    twin = ECKey.generate_key("P-256", {"kid": keys[0]["kid"], "alg": "ES256", "use": "sig"})
    await _answer_json(exchange, {"keys": [*keys, twin.as_dict(private=False)]})


def one_bad_key(bad: Any = TINY_RSA_KEY) -> Fault:
    """The good keys, and before them something that is no usable key."""

    async def fault(exchange: Exchange) -> None:
        await _answer_json(exchange, {"keys": [bad, *exchange.document["keys"]]})

    return fault


def wrong_issuer(issuer: str = "https://attacker.example.test") -> Fault:
    """Metadata that are good, save that they name another issuer."""

    async def fault(exchange: Exchange) -> None:
        await _answer_json(exchange, {**exchange.document, "issuer": issuer})

    return fault


def slow(seconds: float) -> Fault:
    """The good answer, late."""

    async def fault(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.serve()

    return fault


def dribbling(pause: float) -> Fault:
    """The good answer, a byte at a time, so that no single read takes long."""

    async def fault(exchange: Exchange) -> None:
        body = _good(exchange)
        await exchange.begin(_json_of(len(body)))
        for byte in body:
            await exchange.send(bytes([byte]))
            await asyncio.sleep(pause)

    return fault


def held(gate: threading.Event) -> Fault:
    """The good answer, once the gate is set."""

    async def fault(exchange: Exchange) -> None:
        while not gate.is_set():  # noqa: ASYNC110 - a gate of threads wakes no event loop
            await asyncio.sleep(0.002)
        await exchange.serve()

    return fault


def status(code: int, headers: Mapping[str, str] | None = None) -> Fault:
    """An error that is the server's own."""

    async def fault(exchange: Exchange) -> None:
        await exchange.answer(b'{"error": "broken"}', status=code, headers=headers)

    return fault


def too_many_requests(retry_after: int | str) -> Fault:
    """429 with Retry-After: seconds, or a date."""
    return status(429, {"Retry-After": str(retry_after)})


def redirect(path: str, code: int = 302) -> Fault:
    """A redirect to another path of the same server, which counts who follows."""

    async def fault(exchange: Exchange) -> None:
        await exchange.answer(b"", status=code, headers={"Location": exchange.origin + path})

    return fault


def huge(size: int = 256 * _MIB, *, announced: bool = False) -> Fault:
    """A body that starts well and goes on for ``size`` bytes, with or without Content-Length."""

    async def fault(exchange: Exchange) -> None:
        start = b'{"keys": ['
        length = {"Content-Length": str(size)} if announced else {}
        await exchange.begin({"Content-Type": "application/json", **length})
        await exchange.send(start)
        for _ in range((size - len(start)) // len(_SPACES)):
            await exchange.send(_SPACES)

    return fault


def bomb(size: int = 32 * _MIB) -> Fault:
    """A small compressed body that unpacks to ``size`` bytes."""

    async def fault(exchange: Exchange) -> None:
        await exchange.answer(_packed(size), headers={"Content-Encoding": "gzip"})

    return fault


def in_turn(*faults: Fault) -> Fault:
    """Each request meets the next fault, and the last one stays."""
    left = list(faults)

    async def fault(exchange: Exchange) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return fault


BROKEN: Mapping[str, Fault] = {
    "html": html,
    "truncated": truncated,
    "invalid_json": invalid_json,
    "not_an_object": not_an_object,
    "deeply_nested": deeply_nested,
    "not_http": not_http,
    "dropped": dropped,
    "server_error": status(500),
    "unavailable": status(503, {"Retry-After": "120"}),
    "not_found": status(404),
    "too_many_requests": too_many_requests(120),
    "redirect": redirect("/trap"),
    "permanent_redirect": redirect("/trap", 308),
    "huge": huge(),
    "huge_announced": huge(announced=True),
    "bomb": bomb(),
}

STALLING: Mapping[str, Fault] = {
    "hanging": hanging,
    "stalled": stalled,
    "dribbling": dribbling(1),
    "slow": slow(60),
}


def _good(exchange: Exchange) -> bytes:
    return json.dumps(exchange.document).encode()


def _json_of(length: int) -> dict[str, str]:
    return {"Content-Type": "application/json", "Content-Length": str(length)}


async def _answer_json(exchange: Exchange, document: Any) -> None:
    await exchange.answer(json.dumps(document).encode())


@cache
def _packed(size: int) -> bytes:
    start, end = b'{"keys": []', b"}"
    return gzip.compress(start + b" " * (size - len(start) - len(end)) + end, compresslevel=9)

"""A key set at a URL: how it is loaded, and what of it is believed."""

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from jwt_guard.flow import Flow
from jwt_guard.keys.documents import Document, KeysNotLoaded
from jwt_guard.keys.fetch import FetchFailed, Get, prepare
from jwt_guard.keys.loading import UnusableKeys, load_jwks
from jwt_guard.keys.reach import Reach

__all__ = ["JwksLoader", "Locate", "remote_loader"]

Locate = Callable[[float], Flow[str]]
"""Where the key set is, found before a deadline in seconds of `time.monotonic`."""

_FOUND_FOR = 3600.0


class JwksLoader:
    """Loads a key set from a URL, or from where the issuer's metadata say.

    Args:
        locate: finds the URL. It is asked again after an hour, and after each failure.
        algorithms: the values of `alg` that the keys may serve.
        reach: which addresses may be asked.
    """

    def __init__(self, locate: Locate, algorithms: Sequence[str], *, reach: Reach) -> None:
        self._locate = locate
        self._algorithms = algorithms
        self._reach = reach
        self._found: tuple[str, float] | None = None

    def __call__(self, known: Document | None, timeout: float) -> Flow[Document]:
        """See `LoadKeys`."""
        deadline = time.monotonic() + timeout
        url = yield from self._url(deadline)
        try:
            body = yield from Get(url=url, deadline=deadline, reach=self._reach)
        except FetchFailed:
            self._found = None
            raise
        entries = _entries(body)
        digest = _digest(entries)
        if known is not None and known.digest == digest:
            return known
        return self._document(entries, digest)

    def _url(self, deadline: float) -> Flow[str]:
        found = self._found
        if found is not None and time.monotonic() < found[1]:
            return found[0]
        url = yield from self._locate(deadline)
        self._found = url, time.monotonic() + _FOUND_FOR
        return url

    def _document(self, entries: list[Any], digest: bytes) -> Document:
        try:
            loaded = load_jwks({"keys": entries}, self._algorithms)
        except UnusableKeys as error:
            raise KeysNotLoaded(f"a key set of no use: {error}") from None
        return Document(digest=digest, keys=loaded.keys, skipped=loaded.skipped)


class _Published(msgspec.Struct):
    keys: list[Any]


def _entries(body: bytes) -> list[Any]:
    """The keys of a set. A single JWK is none (RFC 7517 section 5)."""
    try:
        return msgspec.json.decode(body, type=_Published).keys
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise KeysNotLoaded("not the JSON of a key set") from None


def _digest(entries: list[Any]) -> bytes:
    """The same for the same keys, in whatever order and spelling this server has put them."""
    spelt = sorted(msgspec.json.encode(entry, order="sorted") for entry in entries)
    return sha256(b"\n".join(spelt)).digest()


def remote_loader(
    issuer: str, url: str | None, algorithms: Sequence[str], *, reach: Reach
) -> JwksLoader:
    """A loader for one issuer's keys. Does what is slow about the first fetch.

    Args:
        issuer: its exact name.
        url: where its key set is; None to discover that from the issuer's metadata.
        algorithms: the values of `alg` that the keys may serve.
        reach: which addresses may be asked.
    """
    prepare()
    if url is not None:
        return JwksLoader(_at(url), algorithms, reach=reach)
    from jwt_guard.keys.discovery import Discovery

    return JwksLoader(Discovery(issuer, reach=reach).jwks_uri, algorithms, reach=reach)


def _at(url: str) -> Locate:
    """A URL that needs no finding."""

    def locate(deadline: float) -> Flow[str]:
        return url
        yield  # a generator without a step

    return locate

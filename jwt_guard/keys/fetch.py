"""Fetching small JSON documents from hosts that are trusted, but not to behave.

No redirect is followed, no proxy or credential taken from the environment, no compression
accepted; the size is capped, and one deadline holds for all steps together.
"""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import httpcore2
import httpx2

from jwt_guard.flow import Effect
from jwt_guard.keys.documents import KeysNotLoaded
from jwt_guard.keys.network import AsyncCheckedBackend, CheckedBackend
from jwt_guard.keys.reach import AddressRefused, Reach

__all__ = ["MAX_SIZE", "FetchFailed", "Get", "prepare"]

MAX_SIZE = 512 * 1024
"""The largest document that is read, in bytes; a key set of 200 RSA keys has a third of it."""

_HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "jwt-guard",
}


class FetchFailed(KeysNotLoaded):
    """A document could not be had. `status` is the HTTP status, where that was the reason."""

    def __init__(
        self, reason: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(reason, retry_after=retry_after)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Get(Effect[bytes]):
    """Fetch a document; the answer is its body.

    Attributes:
        url: where it is; from the configuration or validated metadata, never from a token.
        deadline: when all must have been done, in seconds of `time.monotonic`.
        reach: which addresses may be asked.
    """

    url: str
    deadline: float
    reach: Reach

    def run(self) -> bytes:
        """See `Effect`.

        Raises:
            FetchFailed: whatever went wrong.
        """
        try:
            transport = _Transport(CheckedBackend(self.reach, self.deadline))
            with (
                httpx2.Client(transport=transport, **self._options()) as client,
                client.stream("GET", self.url) as response,
            ):
                return _body(response)
        except Exception as error:  # noqa: BLE001 - whatever the network and its libraries raise
            raise _failure(error) from None

    async def arun(self) -> bytes:
        """See `Effect`.

        Raises:
            FetchFailed: whatever went wrong.
        """
        try:
            async with asyncio.timeout(self._left()):
                return await self._fetched()
        except Exception as error:  # noqa: BLE001 - whatever the network and its libraries raise
            raise _failure(error) from None

    def _options(self) -> dict[str, Any]:
        return {"headers": _HEADERS, "timeout": self._left(), "trust_env": False}

    def _left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    async def _fetched(self) -> bytes:
        transport = _AsyncTransport(AsyncCheckedBackend(self.reach, self.deadline))
        async with (
            httpx2.AsyncClient(transport=transport, **self._options()) as client,
            client.stream("GET", self.url) as response,
        ):
            return await _abody(response)


def _body(response: httpx2.Response) -> bytes:
    _check_head(response)
    body = bytearray()
    for chunk in response.iter_raw():
        _add(body, chunk)
    return bytes(body)


async def _abody(response: httpx2.Response) -> bytes:
    _check_head(response)
    body = bytearray()
    async for chunk in response.aiter_raw():
        _add(body, chunk)
    return bytes(body)


def _check_head(response: httpx2.Response) -> None:
    if response.is_redirect:
        raise FetchFailed("a redirect, which is not followed", status=response.status_code)
    if response.status_code != 200:
        raise FetchFailed(
            f"HTTP status {response.status_code}",
            status=response.status_code,
            retry_after=_seconds(response.headers.get("Retry-After", "")),
        )
    if not _is_json(response.headers.get("Content-Type", "")):
        raise FetchFailed("a content type that is not JSON")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchFailed("a compressed body, which was not asked for")


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    kind, _, name = media_type.partition("/")
    return kind == "application" and (name == "json" or name.endswith("+json"))


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None


def _add(body: bytearray, chunk: bytes) -> None:
    if len(body) + len(chunk) > MAX_SIZE:
        raise FetchFailed(f"more than {MAX_SIZE} bytes")
    body += chunk


def _failure(error: Exception) -> FetchFailed:
    """What went wrong, in words that hold nothing of what the other side sent."""
    if isinstance(error, FetchFailed):
        return error
    if isinstance(error, AddressRefused):
        return FetchFailed("a host at an address that may not be asked (see private_network)")
    if isinstance(error, httpx2.TimeoutException | httpcore2.TimeoutException | TimeoutError):
        return FetchFailed("no complete answer in time")
    return FetchFailed(f"no connection or a broken answer ({type(error).__name__})")


@lru_cache(maxsize=8)
def _tls(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    """The context for these variables, which OpenSSL and httpx2 know; it is slow to make."""
    return httpx2.create_ssl_context()


def _tls_context() -> ssl.SSLContext:
    return _tls(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


def prepare() -> None:
    """Do what is slow about the first fetch now, outside of any request."""
    _tls_context()
    with suppress(ImportError):  # else the first fetch on a loop imports it, and holds that up
        import_module("anyio._backends._asyncio")


class _Transport(httpx2.BaseTransport):
    """A transport over our own connections; httpx2's own takes none."""

    def __init__(self, backend: httpcore2.NetworkBackend) -> None:
        self._pool = httpcore2.ConnectionPool(_tls_context(), network_backend=backend)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._pool.handle_request(_core_request(request))
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _AsyncTransport(httpx2.AsyncBaseTransport):
    """See `_Transport`."""

    def __init__(self, backend: httpcore2.AsyncNetworkBackend) -> None:
        self._pool = httpcore2.AsyncConnectionPool(_tls_context(), network_backend=backend)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._pool.handle_async_request(_core_request(request))
        return httpx2.Response(answer.status, headers=answer.headers, stream=_AsyncBody(answer))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


def _core_request(request: httpx2.Request) -> httpcore2.Request:
    url = request.url
    return httpcore2.Request(
        method=request.method,
        url=httpcore2.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        ),
        headers=request.headers.raw,
        extensions=request.extensions,
    )

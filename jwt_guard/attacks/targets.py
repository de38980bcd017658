"""Where requests go: what a target is, and the one that is reached over the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self, runtime_checkable
from urllib.parse import urlsplit

import httpcore2
import httpx2

from jwt_guard.attacks.model import Answer, Outcome, Request
from jwt_guard.attacks.websocket import watch

MAX_BODY = 1_000_000
SWITCHING = 101
Headers = Sequence[tuple[str, str]]


@runtime_checkable
class Target(Protocol):
    """Something that answers requests. `send` never raises for what the target does."""

    @property
    def name(self) -> str:
        """How reports call the target."""
        ...

    @property
    def origin(self) -> str:
        """Scheme, host and port of the target's URLs."""
        ...

    def send(self, request: Request, *, timeout: float) -> Answer:
        """One request, answered or failed within `timeout` seconds."""
        ...

    def send_all(self, requests: Sequence[Request], *, timeout: float) -> tuple[Answer, ...]:
        """Many requests at the same moment."""
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...


class Closing:
    """The context-manager half that every target shares."""

    def close(self) -> None:
        """Let go of what the target holds."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


def failed(failure: Outcome, detail: str, since: float) -> Answer:
    """The answer that did not come; `since` is a moment of `time.perf_counter`."""
    return Answer(failure=failure, detail=detail, elapsed=time.perf_counter() - since)


def raw_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as bytes, without judging what is in them."""
    return [(n.encode("latin-1", "replace"), v.encode("utf-8")) for n, v in headers]


def text_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Headers as text, whatever bytes are in them."""
    return tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in headers)


class NetworkTarget(Closing):
    """A server named by URL. No proxy, no redirect followed, no cookie kept."""

    def __init__(self, url: str, *, verify: bool = True) -> None:
        parts = urlsplit(url)
        self.name = url.partition("?")[0].partition("#")[0]
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._client = httpx2.Client(
            verify=verify, trust_env=False, follow_redirects=False, limits=_LIMITS
        )

    def send(self, request: Request, *, timeout: float) -> Answer:
        """One request over the network."""
        since = time.perf_counter()
        try:
            return self._exchange(request, timeout, since)
        except httpx2.TimeoutException:
            return failed(Outcome.TIMED_OUT, "no answer in time", since)
        except (httpx2.LocalProtocolError, httpx2.InvalidURL, UnicodeError, ValueError) as e:
            return failed(Outcome.UNSENT, type(e).__name__, since)
        except (httpx2.HTTPError, OSError) as e:
            return failed(Outcome.DROPPED, _reason(e), since)

    def _exchange(self, request: Request, timeout: float, since: float) -> Answer:
        built = self._client.build_request(
            request.method,
            self.origin,
            headers=raw_headers(request.headers),
            content=request.body or None,
            timeout=timeout,
            # The path exactly as forged: a URL object would tidy `//` and `%2e` away.
            extensions={"target": request.target.encode("utf-8")},
        )
        self._client.cookies.clear()
        response = self._client.send(built, stream=True)
        try:
            body = self._received(response, since + timeout)
        finally:
            response.close()
        elapsed = time.perf_counter() - since
        headers = text_headers(response.headers.raw)
        return Answer(status=response.status_code, headers=headers, body=body, elapsed=elapsed)

    @classmethod
    def _received(cls, response: httpx2.Response, deadline: float) -> bytes:
        if response.status_code != SWITCHING:
            return cls._read(response, deadline)
        try:
            watch(response.extensions["network_stream"], deadline)
        except (TimeoutError, httpcore2.TimeoutException):
            raise httpx2.ReadTimeout("the connection was not closed in time") from None
        except httpcore2.NetworkError:
            pass  # cut off: closed is closed
        return b""

    @staticmethod
    def _read(response: httpx2.Response, deadline: float) -> bytes:
        body = b""
        for chunk in response.iter_raw():
            body += chunk
            if time.perf_counter() > deadline:
                raise httpx2.ReadTimeout("the body did not end in time")
            if len(body) > MAX_BODY:
                break
        return body[:MAX_BODY]

    def send_all(self, requests: Sequence[Request], *, timeout: float) -> tuple[Answer, ...]:
        """Many requests, each on a thread and connection of its own."""
        return on_threads(self, requests, timeout)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


_LIMITS = httpx2.Limits(max_connections=64, max_keepalive_connections=8)


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return f"{type(error).__name__}: {cause}"[:200]


def on_threads(target: Target, requests: Sequence[Request], timeout: float) -> tuple[Answer, ...]:
    """Send each request on a thread of its own, all let loose together."""
    barrier = threading.Barrier(len(requests))

    def send(request: Request) -> Answer:
        barrier.wait(timeout)
        return target.send(request, timeout=timeout)

    with ThreadPoolExecutor(len(requests)) as pool:
        return tuple(pool.map(send, requests))

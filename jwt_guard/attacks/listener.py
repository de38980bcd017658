"""A callback listener: proof, by a request that arrives, that a token steered the target."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from jwt_guard.attacks.forge import Json
from jwt_guard.attacks.provider import PATH, Provider, Served


class Listener:
    """An HTTP server that remembers who called and hands out the attacker's key set.

    Every address carries a tag, and `calls` counts by tag. It answers on any path: with a
    redirect under `/redirect/`, a provider's metadata where discovery looks, what its `provider`
    serves at that one's path, and else a JWKS.
    """

    def __init__(
        self,
        *,
        keys: Sequence[Json],
        host: str = "127.0.0.1",
        port: int = 0,
        url: str | None = None,
    ) -> None:
        self.provider = Provider()
        self._keys = keys
        self._paths: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.host = host
        self.url = (url or f"http://{host}:{self.port}").rstrip("/")
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def address(self, tag: str, kind: str = "jwks") -> str:
        """A URL on this listener that belongs to one probe."""
        return f"{self.url}/{kind}/{tag}"

    def calls(self, tag: str) -> tuple[str, ...]:
        """The paths called so far that carry the tag."""
        with self._lock:
            return tuple(path for path in self._paths if f"/{tag}" in path)

    def answer(self, path: str) -> Served:
        """Remember a call and say what to answer."""
        if path == PATH:
            return self.provider.served()
        with self._lock:
            self._paths.append(path)
        if path.startswith("/redirect/"):
            return Served(status=302, headers={"Location": path.replace("/redirect/", "/jwks/", 1)})
        document = self._metadata(path) if "/.well-known/" in path else {"keys": list(self._keys)}
        headers = {"Content-Type": "application/json"}
        return Served(headers=headers, body=json.dumps(document).encode())

    def _metadata(self, path: str) -> Json:
        before, _, after = path.partition("/.well-known/")
        tag = (before or "/" + after.partition("/")[2]).strip("/").rpartition("/")[2]
        return {"issuer": self.address(tag, "issuer"), "jwks_uri": self.address(tag)}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served = listener.answer(self.path)
                self.send_response(served.status)
                length = {"Content-Length": str(len(served.body))}
                for name, value in {**served.headers, **length}.items():
                    self.send_header(name, value)
                self.end_headers()
                time.sleep(served.pause)
                with suppress(ConnectionError):
                    self.wfile.write(served.body)

            do_HEAD = do_GET  # noqa: N815 - the names that http.server looks for
            do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep standard error free: calls are reported as evidence."""

        return Handler

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

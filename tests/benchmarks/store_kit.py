"""What the benchmarks of sessions share: an application on each kind of store, real servers."""

import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jwt_guard.guard import Guard
from jwt_guard.keys.signing import generate_key
from jwt_guard.sessions import Client, Sessions
from tests.support.servers import PostgreSQL, Valkey

__all__ = ["STORES", "WEB", "configuration", "sessions_of", "store_urls"]

STORES = ("memory", "sqlite", "postgresql", "valkey")
WEB = Client(client_id="web")


def configuration(url: str, *, timeout: float = 20.0) -> dict[str, Any]:
    """An application that logs its own users in, with new keys."""
    return {
        "audience": "https://api.example.test",
        "tokens": {
            "issuer": "https://app.example.test",
            "signing_keys": {"keys": [generate_key("ES256")]},
        },
        "store": {"url": url, "timeout": timeout},
    }


def sessions_of(guard: Guard) -> Sessions:
    """The sessions of a guard that has them."""
    assert guard.sessions is not None
    return guard.sessions


@contextmanager
def store_urls(kinds: Iterable[str]) -> Generator[dict[str, str]]:
    """The URL of an empty store of each kind, by its name, as long as the context lasts."""
    wanted = set(kinds)
    with (
        tempfile.TemporaryDirectory() as folder,
        Valkey() as valkey,
        PostgreSQL() as postgresql,
    ):
        urls = {
            "memory": "memory://",
            "sqlite": f"sqlite:///{Path(folder, 'store.sqlite3')}",
            "postgresql": postgresql.url,
            "valkey": valkey.url,
        }
        yield {kind: url for kind, url in urls.items() if kind in wanted}

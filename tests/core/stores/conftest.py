"""Every store under every driver: what a test says once holds for all of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from jwt_guard.flow import Flow, arun, run
from jwt_guard.stores.opening import open_store
from jwt_guard.stores.protocol import Store
from tests.support.servers import (
    postgresql_server,
    postgresql_url,
    store_url,
    valkey_cluster_server,
    valkey_cluster_url,
    valkey_server,
    valkey_url,
)

__all__ = [
    "postgresql_server",
    "postgresql_url",
    "store_url",
    "valkey_cluster_server",
    "valkey_cluster_url",
    "valkey_server",
    "valkey_url",
]

T = TypeVar("T")
Act = Callable[[Flow[T]], Awaitable[T]]


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    opened = open_store(store_url, Path(), timeout=5)
    yield opened
    await opened.aclose()


@pytest.fixture(params=["blocking", "asynchronous"])
def act(request: pytest.FixtureRequest) -> Act[T]:
    """Drives flows in each way."""

    async def blocking(flow: Flow[T]) -> T:
        return run(flow)

    return blocking if request.param == "blocking" else arun

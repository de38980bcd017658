"""Every store under every driver: what a test says once holds for all of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest
from asgiref.sync import sync_to_async

from jwt_guard.flow import Flow, arun, run
from jwt_guard.stores.protocol import Store
from tests.support.servers import (
    django_postgresql_url,
    django_sqlite_url,
    open_any,
    postgresql_server,
    postgresql_url,
    store_url,
    valkey_cluster_server,
    valkey_cluster_url,
    valkey_server,
    valkey_url,
)

__all__ = [
    "django_postgresql_url",
    "django_sqlite_url",
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
    opened = open_any(store_url, timeout=5)
    yield opened
    await opened.aclose()


@pytest.fixture(params=["blocking", "asynchronous"])
def act(request: pytest.FixtureRequest) -> Act[T]:
    """Drives flows in each way."""

    async def blocking(flow: Flow[T]) -> T:
        answer: T = await sync_to_async(run)(flow)
        return answer

    return blocking if request.param == "blocking" else arun

"""A store that takes what it is sent and answers nothing, as on a disk that is stuck."""

import time

import pytest

from jwt_guard.errors import Reason, Refusal
from jwt_guard.stores.protocol import Store
from tests.core.stores.conftest import Act
from tests.support.servers import PostgreSQL, Valkey, open_any


@pytest.mark.parametrize("kind", [PostgreSQL, Valkey])
async def test_nobody_waits_for_a_store_that_does_not_answer(
    kind: type[PostgreSQL | Valkey], act: Act[object]
) -> None:
    """An outage after the timeout, for one operation and for a transaction; then it goes on."""
    with kind() as server:
        store: Store = open_any(server.url, timeout=1)
        assert await act(store.read("none")) is None
        with server.frozen():
            for flow in (
                store.read("none"),
                store.end("none", at=1, reason="logout", until=2**52),
            ):
                began = time.monotonic()
                with pytest.raises(Refusal) as caught:
                    await act(flow)
                assert caught.value.reason is Reason.STORE_UNAVAILABLE
                assert time.monotonic() - began < 6
        assert await act(store.read("none")) is None
        await store.aclose()

"""Many wait, one fetches."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from jwt_guard.flow import run
from tests.core.keys_remote.support import averdict, guard_of, until, verdict
from tests.support import faults
from tests.support.faulty import JWKS, FaultyServer
from tests.support.tokens import claims, forge, jwk, jwks, key, mint


@pytest.fixture
def server(faulty_server: FaultyServer) -> FaultyServer:
    """A server with a good key, slow."""
    faulty_server.jwks = jwks()
    faulty_server.at(JWKS, faults.slow(0.3))
    return faulty_server


def _key_threads() -> int:
    return sum(thread.name == "jwt-guard-keys" for thread in threading.enumerate())


def test_threads_share_one_flight(server: FaultyServer) -> None:
    """Twenty requests at once at a cold start: one fetch, twenty answers."""
    guard = guard_of(server)
    with ThreadPoolExecutor(20) as pool:
        verdicts = list(pool.map(lambda _: verdict(guard, mint()), range(20)))
    assert verdicts == ["ada"] * 20
    assert server.count() == 1
    assert until(lambda: _key_threads() == 0)


async def test_tasks_share_one_flight_without_a_thread(server: FaultyServer) -> None:
    """The same on a loop, which goes on meanwhile and starts no thread."""
    guard = guard_of(server)
    work = asyncio.gather(*(averdict(guard, mint()) for _ in range(20)))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.01)
        assert _key_threads() == 0
        turns += 1
    assert await work == ["ada"] * 20
    assert server.count() == 1
    assert turns > 5


async def test_threads_and_loops_share_one_flight(server: FaultyServer) -> None:
    """A guard that serves both at once fetches once."""
    guard = guard_of(server)
    token = mint()
    waiting = asyncio.create_task(averdict(guard, token))
    await asyncio.sleep(0.05)
    other = asyncio.to_thread(verdict, guard, token)
    another = asyncio.to_thread(lambda: asyncio.run(averdict(guard, token)))
    assert set(await asyncio.gather(waiting, other, another)) == {"ada"}
    assert server.count() == 1


async def test_who_gives_up_leaves_the_others_be(server: FaultyServer) -> None:
    """A request that is cancelled, even the one that came first, cancels no fetch."""
    guard = guard_of(server)
    first = asyncio.create_task(averdict(guard, mint()))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(averdict(guard, mint()))
    await asyncio.sleep(0.05)
    first.cancel()
    assert await second == "ada"
    assert server.count() == 1


async def test_a_blocking_call_on_the_loop_is_answered(server: FaultyServer) -> None:
    """Who blocks the very loop that a fetch runs on does not wait for it in vain."""
    guard = guard_of(server)
    waiting = asyncio.create_task(averdict(guard, mint()))
    await asyncio.sleep(0.05)
    assert verdict(guard, mint()) == "ada"
    assert await waiting == "ada"


def test_a_loop_that_ends_during_a_fetch_leaves_no_claim(server: FaultyServer) -> None:
    """The next request fetches anew; nobody waits for what will never come."""
    guard = guard_of(server)

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(averdict(guard, mint()), 0.05)

    asyncio.run(leave())
    assert verdict(guard, mint()) == "ada"


def test_requests_that_meet_a_rotation_all_succeed(server: FaultyServer) -> None:
    """Fifty at once with a key that is new: one fetch, nobody refused."""
    guard = guard_of(server)
    assert guard.reload_keys() == {"https://issuer.example.test": True}
    server.jwks = {"keys": [jwk(), jwk(name="next")]}
    token = mint(name="next")
    with ThreadPoolExecutor(50) as pool:
        verdicts = list(pool.map(lambda _: verdict(guard, token), range(50)))
    assert verdicts == ["ada"] * 50
    assert server.count() == 2


async def test_a_refresh_ahead_is_a_task_on_a_loop(server: FaultyServer) -> None:
    """It delays no request and needs no thread."""
    guard = guard_of(server, refresh_every=1)
    assert await averdict(guard, mint()) == "ada"
    await asyncio.sleep(1.05)
    start = asyncio.get_running_loop().time()
    assert await averdict(guard, mint()) == "ada"
    assert asyncio.get_running_loop().time() - start < 0.2
    assert _key_threads() == 0
    await asyncio.sleep(0.5)
    assert server.count() == 2


def test_keys_without_names_are_renewed_by_a_wrong_signature(server: FaultyServer) -> None:
    """Where tokens name no key, a rotation shows in the signature."""
    server.heal(JWKS)
    server.jwks = {"keys": [{k: v for k, v in jwk().items() if k != "kid"}]}
    guard = guard_of(server)
    nameless = {"alg": "ES256", "typ": "at+jwt"}
    assert verdict(guard, forge(nameless, claims(), signing_key=key())) == "ada"
    server.jwks = {"keys": [{k: v for k, v in jwk(name="next").items() if k != "kid"}]}
    assert verdict(guard, forge(nameless, claims(), signing_key=key("ES256", "next"))) == "ada"
    assert verdict(guard, forge(nameless, claims(), signing_key=key())) == "signature_invalid"
    assert server.count() <= 3


def test_a_key_that_is_withdrawn_is_refused_cached_or_not(server: FaultyServer) -> None:
    """After the refresh that no longer brings it, tokens that it signed are bad."""
    server.heal(JWKS)
    guard = guard_of(server)
    token = mint()
    assert verdict(guard, token) == "ada"
    server.jwks = {"keys": [jwk(name="next")]}
    assert run(next(iter(guard.issuers)).keys.reload())
    assert verdict(guard, token) == "key_unknown"

"""One behaviour: each test runs over every store, blocking and on an event loop."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import valkey
from django.db import connections

from jwt_guard.flow import arun, run
from jwt_guard.stores.memory import MemoryStore
from jwt_guard.stores.opening import open_store
from jwt_guard.stores.protocol import FOREVER, Session, Store, cut_off_key
from tests.core.stores.conftest import Act
from tests.support.servers import STORES

NOW = int(time.time() * 1000)
HOUR = 3_600_000


def session(sid: str = "sid-1", **changes: Any) -> Session:
    """A session that has just begun, with something in every field."""
    good = Session(
        sid=sid,
        subject="ada",
        client_id="web",
        tenant="acme",
        roles=("admin", "analyst"),
        scopes=("read",),
        auth_time=NOW // 1000,
        acr="2",
        amr=("pwd", "otp"),
        claims={"name": "Ada ☂", "deep": {"list": [1, 2.5, None, True]}},
        device="phone",
        thumbprint="jkt",
        salt="c2FsdA",
        created_at=NOW,
        expires_at=NOW + 2 * HOUR,
        used_at=NOW,
        idle_expires_at=NOW + HOUR,
        agent="Browser/1.0",
        place="192.0.2.1",
    )
    return replace(good, **changes)


async def test_a_session_is_read_as_it_was_made(store: Store, act: Act[Any]) -> None:
    """Every field, also those that hold nothing; and no other session."""
    full = session()
    bare = session("sid-2", tenant=None, roles=(), acr=None, amr=(), claims={}, device=None)
    await act(store.create(full))
    await act(store.create(bare))
    assert await act(store.read("sid-1")) == full
    assert await act(store.read("sid-2")) == bare
    assert await act(store.read("sid-3")) is None


async def test_a_change_is_kept_if_nobody_was_faster(store: Store, act: Act[Any]) -> None:
    """Compare-and-set by version; what a refresh may not change stays, whatever is asked."""
    seen = session()
    await act(store.create(seen))
    moved = replace(seen, generation=1, branch=5, presented_at=NOW + 5, version=1, place="here")
    assert await act(store.change(seen, replace(moved, subject="eve")))
    assert not await act(store.change(seen, replace(moved, generation=9)))
    assert await act(store.read("sid-1")) == moved
    assert not await act(store.change(session("sid-9"), moved))
    assert await act(store.read("sid-9")) is None


async def test_an_ended_session_cannot_be_changed(store: Store, act: Act[Any]) -> None:
    """Whoever saw it alive comes too late; it is ended once, and cut off for ever."""
    seen = session()
    await act(store.create(seen))
    assert await act(store.end("sid-1", at=NOW + 1, reason="logout", until=NOW + HOUR))
    assert not await act(store.end("sid-1", at=NOW + 2, reason="again", until=NOW + HOUR))
    assert not await act(store.change(seen, replace(seen, generation=1, version=1)))
    assert await act(store.read("sid-1")) == seen.ended(NOW + 1, "logout")
    assert await act(store.latest_cut_off([cut_off_key("sid-1")])) == FOREVER
    assert await act(store.latest_cut_off([cut_off_key("sid-2")])) is None


async def test_an_unknown_session_is_cut_off_all_the_same(store: Store, act: Act[Any]) -> None:
    """It may be one that was purged, with an access token that still lives."""
    assert not await act(store.end("sid-9", at=NOW, reason="x", until=NOW + HOUR))
    assert await act(store.latest_cut_off([cut_off_key("sid-9")])) == FOREVER
    assert await act(store.read("sid-9")) is None


async def test_a_subjects_sessions_are_listed_the_youngest_first(
    store: Store, act: Act[Any]
) -> None:
    """The ended ones too, and nobody else's."""
    for number in (2, 1, 3):
        await act(store.create(session(f"sid-{number}", created_at=NOW + number)))
    await act(store.create(session("sid-4", subject="eve")))
    await act(store.end("sid-1", at=NOW, reason="logout", until=NOW + HOUR))
    listed = await act(store.sessions_of("ada"))
    assert [each.sid for each in listed] == ["sid-3", "sid-2", "sid-1"]
    assert listed[2].end_reason == "logout"
    assert await act(store.sessions_of("nobody")) == []


async def test_of_several_cut_offs_the_latest_counts(store: Store, act: Act[Any]) -> None:
    """G13: in any order, and a later one is never made earlier."""
    for key, at in [("a", 20), ("b", 30), ("a", 25), ("b", 10)]:
        await act(store.cut_off(key, at=NOW + at, until=NOW + HOUR))
    assert await act(store.latest_cut_off(["a"])) == NOW + 25
    assert await act(store.latest_cut_off(["a", "b", "c"])) == NOW + 30
    assert await act(store.latest_cut_off(["c", "d"])) is None


async def test_what_is_counted_begins_anew_at_its_end(store: Store, act: Act[Any]) -> None:
    """The first one decides on the end; another key is another count; forgetting is an end too."""

    async def count(now: int, key: str = "k", by: int = 1) -> int:
        end = NOW + now + HOUR
        counted: int = await act(store.tally(key, now=NOW + now, until=end, by=by))
        return counted

    assert [await count(0), await count(1), await count(HOUR - 1)] == [1, 2, 3]
    assert [await count(0, "other"), await count(0, "other", -1)] == [1, 0]
    assert [await count(HOUR), await count(HOUR)] == [1, 2]
    await act(store.forget("k"))
    await act(store.forget("never counted"))
    assert await count(HOUR + 1) == 1


async def test_what_was_forgotten_and_counted_again_ends_once(store: Store, act: Act[Any]) -> None:
    """As after each login: else the one who comes when the counts are over meets an error."""
    for second in range(3):
        assert await act(store.tally("k", now=NOW + second, until=NOW + HOUR + second)) == 1
        await act(store.forget("k"))
    assert await act(store.tally("k", now=NOW, until=NOW + HOUR)) == 1
    for name in ("other", "k"):
        assert await act(store.tally(name, now=NOW + 2 * HOUR, until=NOW + 3 * HOUR)) == 1


@pytest.mark.parametrize("until", [FOREVER, FOREVER - 1])
async def test_what_ends_never_is_counted_too(store: Store, act: Act[Any], until: int) -> None:
    """A trusted issuer may write any number as the end of its tokens."""
    assert [await act(store.tally("k", now=NOW, until=until)) for _ in range(2)] == [1, 2]
    await act(store.cut_off("k", at=FOREVER, until=until))
    assert await act(store.latest_cut_off(["k"])) == FOREVER


async def fill_with_what_expires(store: Store, act: Act[Any]) -> None:
    """Sessions, cut-offs and counts that end in an hour, and some whose end was put off."""
    soon, late = NOW + HOUR, NOW + 2 * HOUR
    for sid in ("old-1", "old-2", "used"):
        await act(store.create(session(sid, idle_expires_at=soon, expires_at=late)))
    used = session("used", idle_expires_at=soon, expires_at=late)
    await act(store.change(used, replace(used, idle_expires_at=late, version=1)))
    for key, until in [("old", soon), ("both", soon), ("both", late), ("both", soon)]:
        await act(store.cut_off(key, at=NOW, until=until))
    await act(store.tally("old", now=NOW, until=soon))
    await act(store.tally("old", now=NOW, until=late))
    await act(store.tally("young", now=NOW, until=late))


@pytest.mark.parametrize("store_url", [k for k in STORES if "valkey" not in k], indirect=True)
async def test_what_has_expired_is_purged_and_nothing_else(store: Store, act: Act[Any]) -> None:
    """Sessions by their last use, cut-offs by their longest need, counts by their end."""
    await fill_with_what_expires(store, act)
    soon = NOW + HOUR
    assert await act(store.purge(now=soon - 1, limit=10)) == 0
    assert [await act(store.purge(now=soon, limit=1)) for _ in range(3)] == [3, 1, 0]
    assert [each.sid for each in await act(store.sessions_of("ada"))] == ["used"]
    assert await act(store.latest_cut_off(["old"])) is None
    assert await act(store.latest_cut_off(["both"])) == NOW
    assert await act(store.tally("old", now=soon, until=soon + HOUR)) == 1
    assert await act(store.tally("young", now=soon, until=soon + HOUR)) == 2


async def test_valkey_drops_by_itself_what_has_expired(valkey_url: str, act: Act[Any]) -> None:
    """An hour later, lest its clock be ahead of ours; there is nothing left for a purge to do."""
    store = open_store(valkey_url, Path(), timeout=5)
    await fill_with_what_expires(store, act)
    with valkey.Valkey.from_url(valkey_url) as client:
        ends = {key.decode(): client.pexpiretime(key) for key in client.scan_iter()}
    assert ends == {
        "jwt_guard:session:{s.old-1}": NOW + 2 * HOUR,
        "jwt_guard:session:{s.old-2}": NOW + 2 * HOUR,
        "jwt_guard:session:{s.used}": NOW + 3 * HOUR,
        "jwt_guard:subject:{ada}": NOW + 3 * HOUR,
        "jwt_guard:cut:{old}": NOW + 2 * HOUR,
        "jwt_guard:cut:{both}": NOW + 3 * HOUR,
        "jwt_guard:tally:{old}": NOW + 2 * HOUR,
        "jwt_guard:tally:{young}": NOW + 3 * HOUR,
    }
    assert await act(store.purge(now=NOW + 9 * HOUR, limit=10)) == 0
    await store.aclose()


async def test_valkeys_clock_may_be_ahead(valkey_url: str, act: Act[Any]) -> None:
    """Half an hour: what was revoked stays so, sessions live, and counts go on."""
    behind = int(time.time() * 1000) - HOUR // 2
    store = open_store(valkey_url, Path(), timeout=5)
    await act(store.cut_off("a", at=behind, until=behind + 1))
    assert await act(store.latest_cut_off(["a"])) == behind
    await act(store.create(session(idle_expires_at=behind + 1, expires_at=behind + 1)))
    assert await act(store.read("sid-1")) is not None
    assert [await act(store.tally("k", now=behind, until=behind + 1)) for _ in range(2)] == [1, 2]
    await store.aclose()


async def test_of_many_at_once_one_is_first(store: Store) -> None:
    """Twenty threads: one change, counts without gaps, one end."""
    seen = session()
    await arun(store.create(seen))

    def change(number: int) -> bool:
        return run(store.change(seen, replace(seen, generation=number, version=1)))

    def count(number: int) -> int:
        return run(store.tally("many", now=NOW, until=NOW + HOUR))

    def end(number: int) -> bool:
        return run(store.end("sid-1", at=NOW, reason=str(number), until=NOW + HOUR))

    def in_a_thread(work: Callable[[int], int], number: int) -> int:
        try:
            return work(number)
        finally:
            connections.close_all()

    works: list[tuple[Callable[[int], int], Sequence[int]]] = [
        (change, [False] * 19 + [True]),
        (count, list(range(1, 21))),
        (end, [False] * 19 + [True]),
    ]
    for work, right in works:
        threads = [asyncio.to_thread(in_a_thread, work, number) for number in range(20)]
        assert sorted(await asyncio.gather(*threads)) == right


async def test_a_store_says_nothing_of_its_url(store: Store, store_url: str) -> None:
    """It may hold a password."""
    assert "//" not in repr(store)
    assert type(store).__name__ in repr(store)


def test_a_store_in_memory_tidies_up_by_itself() -> None:
    """What comes pushes out what has expired: nobody has to purge, and nothing piles up."""
    store = MemoryStore()
    for hour in range(50):
        now = NOW + hour * HOUR
        name = f"sid-{hour}"
        run(store.create(session(name, subject=name, used_at=now, idle_expires_at=now + HOUR)))
        run(store.end(name, at=now, reason="logout", until=now + HOUR))
        run(store.tally(name, now=now, until=now + HOUR))
    kept = run(store.purge(now=NOW + 999 * HOUR, limit=999))
    assert kept == 3, "one session, one cut-off, one count"

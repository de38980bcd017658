"""Races over every store: one lineage, nobody logged out; and after a revocation, nothing."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import arun, run
from jwt_guard.sessions import Client, Grant
from tests.core.sessions.conftest import WEB, App, application
from tests.support.servers import open_any

TOGETHER = 20


@pytest.fixture
async def shared(store_url: str) -> AsyncIterator[App]:
    """An application on each kind of store."""
    app = application(kept_in=open_any(store_url, timeout=20))
    yield app
    await app.guard.store.aclose()


def revoke(app: App, grant: Grant) -> bool:
    """As an administrator."""
    return run(app.sessions.revoke_session(grant.session_id))


def at_once(work: Callable[[], Any], *others: Callable[[], Any]) -> list[Any]:
    """Do all of it in threads that start together; answers or refusals."""
    barrier = threading.Barrier(1 + len(others))
    answers: list[Any] = []

    def thread(job: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            answers.append(job())
        except Refusal as refusal:
            answers.append(refusal)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=thread, args=(job,)) for job in (work, *others)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return answers


def is_one_lineage(grants: list[Grant], app: App) -> None:
    """All got the same successor, and it works."""
    assert len(grants) == TOGETHER
    assert len({grant.refresh_token for grant in grants}) == 1
    app.refresh(grants[0].refresh_token)


def test_threads_that_refresh_at_once_get_one_lineage(shared: App) -> None:
    """G5 (CVE-2026-1035): the same token, twenty times in the same instant."""
    for _ in range(3):
        token = shared.login().refresh_token
        is_one_lineage(at_once(*[partial(shared.refresh, token)] * TOGETHER), shared)


async def test_tasks_that_refresh_at_once_get_one_lineage(shared: App) -> None:
    """The same on an event loop."""
    for _ in range(3):
        token = (await arun(shared.sessions.start("ada", client=WEB))).refresh_token
        flows = [shared.sessions.refresh(token, client=WEB) for _ in range(TOGETHER)]
        grants = await asyncio.gather(*map(arun, flows))
        await sync_to_async(is_one_lineage)(grants, shared)


def test_nothing_survives_a_revocation_in_the_same_instant(shared: App) -> None:
    """G7: whether the refresh or the revocation was first."""
    for _ in range(5):
        grant = shared.login(subject=f"ada-{random.random()}")
        refresh = partial(shared.refresh, grant.refresh_token)
        given = at_once(refresh, partial(revoke, shared, grant))
        for each in [grant, *(g for g in given if isinstance(g, Grant))]:
            with pytest.raises(Refusal, match="token_revoked"):
                shared.guard.verify(each.access_token)
            with pytest.raises(Refusal, match="grant_invalid"):
                shared.refresh(each.refresh_token)


@pytest.mark.parametrize("drive", [sync_to_async(run), arun], ids=["blocking", "asynchronous"])
async def test_the_longest_names_fit_into_each_store(
    shared: App, drive: Callable[..., Any]
) -> None:
    """A browser with a long user agent logs in everywhere."""
    device, agent, place = "d" * 999, "a" * 999, "p" * 999
    client = Client(client_id="c" * 255, device=device, agent=agent, place=place)
    grant = await drive(shared.sessions.start("ada", client=client))
    await drive(shared.sessions.refresh(grant.refresh_token, client=client))
    (info,) = await drive(shared.sessions.list("ada"))
    assert (info.device, info.agent, info.place) == (device[:255], agent[:255], place[:255])


@pytest.mark.parametrize("drive", [sync_to_async(run), arun], ids=["blocking", "asynchronous"])
async def test_a_whole_life_on_each_store(shared: App, drive: Callable[..., Any]) -> None:
    """Login, rotation, theft, listing, revocation; each driver sees what the other one did."""
    sessions = shared.sessions
    first = await arun(sessions.start("ada", client=WEB))
    second = await drive(sessions.refresh(first.refresh_token, client=WEB))
    third = await arun(sessions.refresh(second.refresh_token, client=WEB))
    other = await drive(sessions.start("ada", client=WEB))
    listed = await arun(sessions.list("ada"))
    assert {info.session_id for info in listed} == {first.session_id, other.session_id}
    with pytest.raises(Refusal) as caught:
        await drive(sessions.refresh(first.refresh_token, client=WEB))
    assert caught.value.reason is Reason.GRANT_REUSED
    with pytest.raises(Refusal, match="token_revoked"):
        await shared.guard.averify(third.access_token)
    assert (await shared.guard.averify(other.access_token)).subject == "ada"
    await drive(sessions.revoke_subject("ada"))
    with pytest.raises(Refusal, match="token_revoked"):
        await shared.guard.averify(other.access_token)
    again = await drive(sessions.start("ada", client=WEB))
    assert (await shared.guard.averify(again.access_token)).subject == "ada"
    assert len(await drive(sessions.list("ada"))) == 1

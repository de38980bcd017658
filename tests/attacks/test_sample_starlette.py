"""The Starlette application, attacked with the whole catalogue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jwt_guard.attacks import Limits, NetworkTarget, Runner, select
from sample_apps.servers import running_apps
from tests.attacks.samples import SampleAttacks, plan_of, setting


class TestStarlette(SampleAttacks):
    """Over every store."""

    name = "starlette"
    cached = frozenset({"memory", "postgresql"})


def test_a_second_user_reaches_nothing_more(tmp_path: Path) -> None:
    """With the roles exchanged the role route is refused, so the finding above is no accident."""
    given = setting(tmp_path, cache=0, store="memory://")
    with running_apps(given.config, ["starlette"]) as (app,):
        plan = replace(plan_of(app.url, given), signing_key=None)
        swapped = replace(plan, token=plan.second_token or "", second_token=plan.token)
        with NetworkTarget(f"{app.url}/me") as target:
            report = Runner(target, swapped, limits=Limits(rate=0)).run(select(only=["F12"]))
    assert [r.attack.id for r in report.findings] == ["F12"]

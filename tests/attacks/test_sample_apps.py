"""The sample applications, attacked with the whole catalogue over a real port."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest

from jwt_guard.attacks import (
    Limits,
    Listener,
    NetworkTarget,
    Plan,
    Report,
    Runner,
    Severity,
    Verdict,
    route,
    select,
)
from jwt_guard.attacks.material import attacker_jwks
from jwt_guard.keys.signing import generate_key
from sample_apps.servers import running_apps
from sample_apps.shared import AUDIENCE, ISSUER
from tests.support.servers import (
    postgresql_server,
    postgresql_url,
    valkey_server,
    valkey_url,
)

__all__ = ["postgresql_server", "postgresql_url", "valkey_server", "valkey_url"]

STREAMING = ("starlette", "fastapi")
# How long an open stream may outlive its session: the applications look twice a minute.
CHECKED_WITHIN = 35
# What is waited for so long is waited for once a framework.
REVOKING = {("starlette", "memory"), ("fastapi", "sqlite")}
POST = "POST"

EACH = [
    ("starlette", 10_000, "memory"),
    ("starlette", 0, "postgresql"),
    ("fastapi", 10_000, "valkey"),
    ("fastapi", 0, "sqlite"),
    ("flask", 10_000, "postgresql"),
    ("flask", 0, "memory"),
    ("django", 10_000, "sqlite"),
    ("django", 0, "valkey"),
]
"""Every application with the cache on and off, every store twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to run an application: its configuration file and the key that it signs with."""

    config: Path
    key: str


def _setting(folder: Path, *, cache: int, store: str) -> Setting:
    key = generate_key("ES256")
    keys, config = folder / "signing-keys.json", folder / "jwt_guard.toml"
    keys.write_text(json.dumps({"keys": [key]}))
    config.write_text(
        f"""
audience = "{AUDIENCE}"
[tokens]
issuer = "{ISSUER}"
signing_keys = "{keys}"
[store]
url = "{store}"
[cache]
size = {cache}
"""
    )
    return Setting(config=config, key=json.dumps(key))


def _login(name: str) -> str:
    return json.dumps({"username": name, "password": f"{name}-demo"})


def _token(url: str, name: str) -> str:
    headers = {"Content-Type": "application/json"}
    answer = httpx2.post(
        f"{url}/auth/login", content=_login(name), headers=headers, trust_env=False
    )
    text: str = answer.json()["access_token"]
    return text


def _plan(url: str, setting: Setting) -> Plan:
    return Plan(
        signing_key=setting.key,
        token=_token(url, "ada"),
        request=route("/me"),
        second_token=_token(url, "linus"),
        login=route("/auth/login", method=POST, body=_login("grace")),
        refresh=route("/auth/refresh", method=POST),
        logout=route("/auth/logout", method=POST),
        logout_everywhere=route("/auth/logout-everywhere", method=POST),
        role_routes=(route("/reports"),),
        tenant_route=route("/tenants/globex/invoices"),
        public_path="/public",
        leeway=0,
    )


def _with_streams(plan: Plan, *, grace: int) -> Plan:
    stream, socket = route("/stream"), route("/ws")
    return replace(plan, stream_route=stream, websocket_route=socket, stream_grace=grace)


def _attacked(url: str, plan: Plan) -> Report:
    with Listener(keys=attacker_jwks()) as listener, NetworkTarget(f"{url}/me") as target:
        runner = Runner(target, plan, limits=Limits(rate=0), listener=listener)
        return runner.run(select())


def _store(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if kind == "memory":
        return "memory://"
    if kind == "sqlite":
        return f"sqlite:///{folder / 'store.db'}"
    url: str = request.getfixturevalue(f"{kind}_url")
    return url


@pytest.mark.parametrize(("name", "cache", "kind"), EACH)
def test_nothing_is_found_at_a_sample_application(
    name: str, cache: int, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The whole catalogue, with the signing key and the application's own logins lent to it."""
    setting = _setting(tmp_path, cache=cache, store=_store(kind, request, tmp_path))
    with running_apps(setting.config, [name]) as (app,):
        plan = _plan(app.url, setting)
        if name in STREAMING:
            plan = _with_streams(plan, grace=CHECKED_WITHIN if (name, kind) in REVOKING else 0)
        report = _attacked(app.url, plan)
    above = {r.attack.id: r.reason for r in report.findings if r.severity > Severity.INFO}
    assert above == {}
    assert report.trouble is None
    unclear = {r.attack.id: r.reason for r in report.results if r.verdict is Verdict.INCONCLUSIVE}
    assert unclear == {}
    assert report.counted(Verdict.SAFE) > 95


def test_a_second_user_reaches_nothing_more(tmp_path: Path) -> None:
    """With the roles exchanged the role route is refused, so the finding above is no accident."""
    setting = _setting(tmp_path, cache=0, store="memory://")
    with running_apps(setting.config, ["starlette"]) as (app,):
        plan = replace(_plan(app.url, setting), signing_key=None)
        swapped = replace(plan, token=plan.second_token or "", second_token=plan.token)
        with NetworkTarget(f"{app.url}/me") as target:
            report = Runner(target, swapped, limits=Limits(rate=0)).run(select(only=["F12"]))
    assert [r.attack.id for r in report.findings] == ["F12"]

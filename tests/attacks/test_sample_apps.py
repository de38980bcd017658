"""The sample applications, attacked with the whole catalogue over a real port."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from socket import create_server

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
from sample_apps.shared import AUDIENCE, ISSUER

APPS = ("starlette_app", "fastapi_app", "flask_app", "django_app")
STREAMING = ("starlette_app", "fastapi_app")
ROOT = Path(__file__).parents[2]
POST = "POST"


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


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


@contextmanager
def _serving(name: str, setting: Setting) -> Generator[str]:
    port = _free_port()
    options = ["--port", str(port), "--config", str(setting.config)]
    process = subprocess.Popen(
        [sys.executable, "-m", f"sample_apps.{name}", *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "the sample application ended by itself"
        try:
            httpx2.get(f"{url}/public", trust_env=False)
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the sample application does not answer")


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
        role_route=route("/reports"),
        tenant_route=route("/tenants/globex/invoices"),
        public_path="/public",
        leeway=0,
    )


def _attacked(url: str, plan: Plan) -> Report:
    with Listener(keys=attacker_jwks()) as listener, NetworkTarget(f"{url}/me") as target:
        runner = Runner(target, plan, limits=Limits(rate=0), listener=listener)
        return runner.run(select())


@pytest.mark.parametrize("cache", [10_000, 0], ids=["cached", "uncached"])
@pytest.mark.parametrize("name", APPS)
def test_nothing_is_found_at_a_sample_application(name: str, cache: int, tmp_path: Path) -> None:
    """The whole catalogue, with the signing key and the application's own logins lent to it."""
    store = "memory://" if cache else f"sqlite:///{tmp_path / 'store.db'}"
    setting = _setting(tmp_path, cache=cache, store=store)
    with _serving(name, setting) as url:
        plan = _plan(url, setting)
        streams = route("/stream") if name in STREAMING else None
        report = _attacked(url, replace(plan, stream_route=streams))
    above = {r.attack.id: r.reason for r in report.findings if r.severity > Severity.INFO}
    assert above == {}
    assert report.trouble is None
    unclear = {r.attack.id: r.reason for r in report.results if r.verdict is Verdict.INCONCLUSIVE}
    assert unclear == {}
    assert report.counted(Verdict.SAFE) > 95


def test_a_second_user_reaches_nothing_more(tmp_path: Path) -> None:
    """With the roles exchanged the role route is refused, so the finding above is no accident."""
    setting = _setting(tmp_path, cache=0, store="memory://")
    with _serving(APPS[0], setting) as url:
        plan = replace(_plan(url, setting), signing_key=None)
        swapped = replace(plan, token=plan.second_token or "", second_token=plan.token)
        with NetworkTarget(f"{url}/me") as target:
            report = Runner(target, swapped, limits=Limits(rate=0)).run(select(only=["F12"]))
    assert [r.attack.id for r in report.findings] == ["F12"]

"""The sample applications, attacked with the whole catalogue over a real port.

Every application over every store, over half of them with the cache on, and over the other half
with it off: so each store is attacked under two frameworks with it, and under two without. Each
application has a file of its own, so that workers share them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import httpx2
import pytest

from jwt_guard.attacks import (
    CATALOGUE,
    Limits,
    Listener,
    NetworkTarget,
    Plan,
    Report,
    Runner,
    Severity,
    Verdict,
    route,
)
from jwt_guard.attacks.material import attacker_jwks
from jwt_guard.keys.signing import generate_key
from sample_apps.servers import running_apps
from sample_apps.shared import AUDIENCE, ISSUER

__all__ = ["SampleAttacks", "plan_of", "setting"]

# What each kind of store is given to sign with, so that every algorithm is attacked too.
ALGORITHMS = {"memory": "ES256", "sqlite": "RS256", "postgresql": "PS256", "valkey": "EdDSA"}
OTHER_ISSUER = "https://second-issuer.test"
POST = "POST"

STREAMING = ("starlette", "fastapi")
# The applications look twice a minute whether the session of an open stream goes on; what is
# waited for so long is waited for once an application.
REVOKING = "memory"
NO_STREAMS = frozenset({"G14"})
# What a sample application has no use for, and what test_provider.py and others look at.
NOT_TRIED = frozenset({"C1", "C5", "D9", "F15", "F16", "G3", "G15", "J7", "J8", "J9", "J10"})
SENDER_CONSTRAINED = frozenset(f"I{number}" for number in range(1, 12))
OTHER_ALGORITHMS = {
    "ES": frozenset({"A13", "J12"}),
    "RS": frozenset({"A10", "A11", "A12", "B4", "B5", "J11"}),
    "PS": frozenset({"A10", "A11", "A12", "B4", "B5", "J11"}),
    "Ed": frozenset({"A10", "A11", "A12", "A13", "B4", "B5", "B11", "B12", "J11", "J12"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to run an application.

    `config` is its configuration file, `key` the one that it signs with, `log` its audit trail.
    """

    config: Path
    key: str
    log: Path


def setting(folder: Path, *, cache: int, store: str, algorithm: str = "ES256") -> Setting:
    """An application that issues tokens, and trusts a second issuer beside itself."""
    key, other = generate_key(algorithm), generate_key("ES256")
    keys, config, log = (folder / name for name in ("keys.json", "jwt_guard.toml", "audit.jsonl"))
    keys.write_text(json.dumps({"keys": [key]}))
    others = folder / "others.json"
    others.write_text(json.dumps({"keys": [{k: v for k, v in other.items() if k != "d"}]}))
    log.touch()
    config.write_text(
        f"""
audience = "{AUDIENCE}"
[[issuers]]
issuer = "{OTHER_ISSUER}"
keys = "{others}"
algorithms = ["ES256"]
[tokens]
issuer = "{ISSUER}"
signing_keys = "{keys}"
[store]
url = "{store}"
[cache]
size = {cache}
[audit]
sink = "{log}"
"""
    )
    return Setting(config=config, key=json.dumps(key), log=log)


def _login(name: str, **more: bool) -> str:
    return json.dumps({"username": name, "password": f"{name}-demo", **more})


def _token(url: str, name: str) -> str:
    headers = {"Content-Type": "application/json"}
    answer = httpx2.post(
        f"{url}/auth/login", content=_login(name), headers=headers, trust_env=False, timeout=30
    )
    text: str = answer.json()["access_token"]
    return text


def plan_of(url: str, given: Setting) -> Plan:
    """What the owner of a sample application can tell: keys, people, routes, logs."""
    return Plan(
        signing_key=given.key,
        retired_key=json.dumps(generate_key(json.loads(given.key)["alg"])),
        second_issuer=OTHER_ISSUER,
        token=_token(url, "ada"),
        request=route("/me"),
        second_token=_token(url, "linus"),
        login=route("/auth/login", method=POST, body=_login("grace")),
        refresh=route("/auth/refresh", method=POST),
        logout=route("/auth/logout", method=POST),
        logout_everywhere=route("/auth/logout-everywhere", method=POST),
        cookie_login=route("/auth/login", method=POST, body=_login("grace", cookies=True)),
        csrf_cookie="__Host-csrf",
        unsafe_route=route("/reports", method=POST),
        role_routes=(route("/reports"),),
        tenant_route=route("/tenants/globex/invoices"),
        public_path="/public",
        logs=(given.log,),
        leeway=0,
    )


def _with_streams(plan: Plan, *, revoking: bool) -> Plan:
    grace = Plan(token="").stream_grace if revoking else 0
    stream, socket = route("/stream"), route("/ws")
    return replace(plan, stream_route=stream, websocket_route=socket, stream_grace=grace)


def _attacked(url: str, plan: Plan) -> Report:
    # A machine that is busy with other tests may take its time.
    limits = Limits(rate=0, timeout=60)
    with Listener(keys=attacker_jwks()) as listener, NetworkTarget(f"{url}/me") as target:
        return Runner(target, plan, limits=limits, listener=listener).run(CATALOGUE)


def _store(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if kind == "memory":
        return "memory://"
    if kind == "sqlite":
        return f"sqlite:///{folder / 'store.db'}"
    url: str = request.getfixturevalue(f"{kind}_url")
    return url


class SampleAttacks:
    """The tests of one application; subclasses name it, each in a file of its own.

    Attributes:
        name: what it is called.
        cached: the stores over which its cache is on.
    """

    name: ClassVar[str]
    cached: ClassVar[frozenset[str]]

    @pytest.mark.timeout(400)
    @pytest.mark.parametrize("kind", ALGORITHMS)
    def test_nothing_is_found(
        self, kind: str, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        """The whole catalogue, with all that its owner can lend, and nothing left unclear."""
        algorithm = ALGORITHMS[kind]
        cache = 10_000 if kind in self.cached else 0
        store = _store(kind, request, tmp_path)
        given = setting(tmp_path, cache=cache, store=store, algorithm=algorithm)
        with running_apps(given.config, [self.name]) as (app,):
            plan = plan_of(app.url, given)
            if self.name in STREAMING:
                plan = _with_streams(plan, revoking=kind == REVOKING)
            report = _attacked(app.url, plan)
        above = {r.attack.id: r.reason for r in report.findings if r.severity > Severity.INFO}
        assert not above, above
        assert report.trouble is None, report.trouble
        unclear = _named(report, Verdict.INCONCLUSIVE)
        assert not unclear, unclear
        expected = NOT_TRIED | SENDER_CONSTRAINED | OTHER_ALGORITHMS[algorithm[:2]]
        unexpected = _named(report, Verdict.SKIPPED).keys() ^ expected
        assert unexpected == (frozenset() if self.name in STREAMING else NO_STREAMS), unexpected


def _named(report: Report, verdict: Verdict) -> dict[str, str]:
    return {r.attack.id: r.reason for r in report.results if r.verdict is verdict}

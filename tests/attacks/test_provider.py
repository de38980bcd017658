"""The sample applications as the customers of a provider that we play (D9, J6 to J9)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jwt_guard.attacks import Limits, Listener, Plan, Runner, Verdict, route, select, target_of
from jwt_guard.attacks.forge import sign
from jwt_guard.attacks.material import attacker_jwks, signer_from
from jwt_guard.attacks.provider import PATH
from jwt_guard.keys import pace
from jwt_guard.keys.signing import generate_key
from sample_apps import flask_app, starlette_app
from sample_apps.shared import AUDIENCE, configuration

ISSUER = "https://provider.test"
ATTACKS = ("D9", "J6", "J7", "J8", "J9")


def _config(folder: Path, keys: str) -> Path:
    path = folder / "jwt_guard.toml"
    path.write_text(
        f"""
audience = "{AUDIENCE}"
[[issuers]]
issuer = "{ISSUER}"
keys = "{keys}"
algorithms = ["RS256"]
allow_http = true
"""
    )
    return path


def _token(key: str) -> str:
    now = int(time.time())
    signer = signer_from(key, alg="RS256", kid=None)
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "client_id": "web", "jti": "1"}
    header = {"alg": "RS256", "typ": "at+jwt", "kid": signer.kid}
    return sign(signer, header, {**claims, "iat": now, "exp": now + 600})


@pytest.mark.timeout(400)
@pytest.mark.parametrize("create", [starlette_app.create_app, flask_app.create_app])
def test_a_bad_provider_is_survived(
    create: Callable[[Any], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redirects, floods, malformed, oversized and missing keys do no harm; ten times as fast."""
    monkeypatch.setattr(pace, "WINDOW", pace.WINDOW / 10)
    monkeypatch.setattr(pace, "_FIRST_PAUSE", 1.0)
    key = json.dumps(generate_key("RS256"))
    plan = Plan(token=_token(key), request=route("/me"), signing_key=key, provider=True, leeway=0)
    with Listener(keys=attacker_jwks()) as listener:
        app = create(configuration(_config(tmp_path, listener.url + PATH)))
        with target_of(app) as target:  # type: ignore[attr-defined]
            runner = Runner(target, plan, limits=Limits(rate=0, timeout=60), listener=listener)
            report = runner.run(select(only=ATTACKS))
    assert report.trouble is None
    outcomes = {result.attack.id: (result.verdict, result.reason) for result in report.results}
    assert {name: verdict for name, (verdict, _) in outcomes.items()} == dict.fromkeys(
        ATTACKS, Verdict.SAFE
    ), outcomes

"""How each kind of tiny server is attacked: the plan that its owner would make."""

from __future__ import annotations

import json
from dataclasses import replace

from joserfc.jwk import ECKey

from jwt_guard.attacks import Carrier, Limits, Listener, Plan, Report, Runner, route, select
from jwt_guard.attacks.forge import HmacSigner
from jwt_guard.attacks.in_process import AsgiTarget
from jwt_guard.attacks.material import JoseSigner, attacker_jwks
from jwt_guard.attacks.model import Request
from jwt_guard.attacks.provider import PATH
from tests.attacks.vulnerable.base import SoundServer, claims_of
from tests.attacks.vulnerable.bound import BoundServer
from tests.attacks.vulnerable.cookies import COOKIE, BrowserServer, CookieServer
from tests.attacks.vulnerable.declared import EXPECTED, SETTINGS
from tests.attacks.vulnerable.life import Streaming
from tests.attacks.vulnerable.login import LoginServer
from tests.attacks.vulnerable.proofs import CertificateIgnored
from tests.attacks.vulnerable.provided import Provided

PROOF_KEY = ECKey.generate_key("P-256")
LOGIN = '{"username": "grace", "password": "ada-demo"}'
POST = "POST"
# G10 lets a token expire, which takes three seconds: not at servers where nothing is cached.
SLOW = {"G10", "G14"}


def plan_for(server: SoundServer) -> Plan:
    """The plan for one server."""
    base = Plan(
        token=server.issue(),
        request=route("/me"),
        signing_key=_key(server),
        role_routes=(route("/reports"),),
        tenant_route=route("/tenants/globex/invoices"),
        public_path="/public",
        leeway=0,
    )
    if isinstance(server, LoginServer):
        base = _with_routes(base)
    if isinstance(server, CookieServer):
        base = _with_cookie(base, server)
    if isinstance(server, BrowserServer):
        base = _with_browser(base)
    if isinstance(server, BoundServer):
        base = _with_proof_key(base, server)
    if isinstance(server, Streaming):
        stream, socket = route("/stream"), route("/ws")
        base = replace(base, stream_route=stream, websocket_route=socket, stream_grace=3)
    if isinstance(server, Provided):
        base = replace(base, provider=True)
    if isinstance(server, CertificateIgnored):
        base = replace(base, token=server.issue(cnf={"x5t#S256": "A" * 43}))
    return replace(base, **SETTINGS.get(type(server), {}))  # type: ignore[arg-type]


def _key(server: SoundServer) -> str:
    signer = server.keys[server.kid]
    if isinstance(signer, HmacSigner):
        return signer.key.decode()
    assert isinstance(signer, JoseSigner)
    return json.dumps(signer.key.as_dict(private=True))


def _with_routes(plan: Plan) -> Plan:
    return replace(
        plan,
        login=route("/auth/login", method=POST, body=LOGIN),
        refresh=route("/auth/refresh", method=POST),
        logout=route("/auth/logout", method=POST),
        logout_everywhere=route("/auth/logout-everywhere", method=POST),
        disable=route("/account/disable", method=POST),
    )


def _with_cookie(plan: Plan, server: CookieServer) -> Plan:
    claims = claims_of()
    token = server.issue(jti=claims["jti"])
    unsafe = Request(method=POST, target="/me", headers=(("X-CSRF-Token", server.proof(claims)),))
    return replace(
        plan,
        token=token,
        carrier=Carrier(cookie=COOKIE),
        unsafe_route=unsafe,
        csrf_cookie="csrf",
        logout=None,
        logout_everywhere=None,
        disable=None,
    )


def _with_browser(plan: Plan) -> Plan:
    return replace(
        plan,
        cookie_login=route("/browser/login", method=POST, body=LOGIN),
        unsafe_route=route("/me", method=POST),
        csrf_cookie="__Host-csrf",
    )


def _with_proof_key(plan: Plan, server: BoundServer) -> Plan:
    return replace(
        plan,
        token=server.issue(cnf={"jkt": PROOF_KEY.thumbprint()}),
        carrier=Carrier(scheme="DPoP"),
        dpop_key=json.dumps(PROOF_KEY.as_dict(private=True)),
    )


def attacked(server: SoundServer) -> Report:
    """What the whole catalogue finds at a server."""
    expected = EXPECTED.get(type(server), frozenset(SLOW))
    attacks = select(skip=SLOW - expected)
    with Listener(keys=attacker_jwks()) as listener, AsgiTarget(server) as target:
        if isinstance(server, Provided):
            server.source = listener.url + PATH
        runner = Runner(target, plan_for(server), limits=Limits(rate=0), listener=listener)
        return runner.run(attacks)

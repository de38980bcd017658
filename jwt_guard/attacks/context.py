"""What an attack has in its hands when it forges."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from jwt_guard.attacks import ecdsa, forge
from jwt_guard.attacks.dpop import Prover
from jwt_guard.attacks.forge import Json, Signer, Token
from jwt_guard.attacks.listener import Listener
from jwt_guard.attacks.material import AttackerKeys, PublicKey, attacker_keys, thumbprint
from jwt_guard.attacks.model import (
    Answer,
    CannotTest,
    Check,
    Need,
    Probe,
    Request,
    Severity,
    must_refuse,
)
from jwt_guard.attacks.plan import Plan

ROLE_CLAIMS = ("roles", "role", "groups", "permissions", "realm_access.roles", "scope", "scp")
T = TypeVar("T")


def given(value: T | None) -> T:
    """What an attack's needs have promised to be there. Raises CannotTest when it is not."""
    if value is None:
        raise CannotTest("something that the attack needs is absent")
    return value


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Context:
    """The baseline and the material of one run; `good`, `bad`, `nothing` are its three answers.

    `settle` is how many seconds a late callback is waited for.
    """

    plan: Plan
    token: Token
    origin: str
    good: Answer
    bad: Answer
    nothing: Answer
    keys: tuple[PublicKey, ...] = ()
    jwks: tuple[Json, ...] = ()
    signer: Signer | None = None
    retired: Signer | None = None
    prover: Prover | None = None
    listener: Listener | None = None
    settle: float = 0.3
    attacker: AttackerKeys = field(default_factory=attacker_keys)

    @property
    def key(self) -> PublicKey | None:
        """The published key that signed the token, as far as its kid tells."""
        named = (key for key in self.keys if key.kid == self.token.kid)
        return next(named, self.keys[0] if self.keys else None)

    @property
    def known_key(self) -> PublicKey:
        """The same, for attacks whose needs include a public key."""
        return given(self.key)

    @property
    def owner(self) -> Signer:
        """The owner's signing key, for attacks whose needs include it."""
        return given(self.signer)

    @property
    def callback(self) -> Listener:
        """The callback listener, for attacks whose needs include it."""
        return given(self.listener)

    @property
    def dpop(self) -> Prover:
        """The DPoP prover, for attacks whose needs include it."""
        return given(self.prover)

    def request(self, token: str | None, *, base: Request | None = None) -> Request:
        """The target's request carrying a token (and its proof), or none."""
        request = base or self.plan.request
        if token is None:
            return request
        carried = self.plan.carrier.put(request, token)
        if self.prover is None:
            return carried
        return carried.setting("DPoP", self.prover.proof(request, token))

    def attempt(
        self,
        token: str | None,
        label: str,
        *,
        check: Check | None = must_refuse,
        severity: Severity | None = None,
        base: Request | None = None,
    ) -> Probe:
        """A probe that presents a token on the target's request, or on another."""
        request = self.request(token, base=base)
        return Probe(label=label, request=request, check=check, severity=severity)

    def fresh(self, **claims: object) -> dict[str, object]:
        """The token's claims made fresh: valid from now for five minutes, with a jti of its own."""
        now = int(time.time())
        times: dict[str, object] = {"iat": now, "exp": now + 300, "nbf": None}
        if "jti" in self.token.payload:
            times["jti"] = secrets.token_urlsafe(16)
        return forge.payload_of(self.token, **{**times, **claims})

    def mint(self, *, header: Json | None = None, **claims: object) -> str:
        """A token truly signed by the owner's key; a claim of None is left out."""
        head = forge.header_of(self.token, **(header or {}))
        return forge.sign(self.owner, head, self.fresh(**claims))

    def forged(self, claims: Json | None = None, *, header: Json | None = None) -> str:
        """A token signed by the attacker's key of the same kind."""
        signer = self.attacker.like(self.token.alg)
        head = forge.header_of(self.token, **{"alg": signer.alg, **(header or {})})
        return forge.sign(signer, head, self.fresh(**(claims or {})))

    @property
    def role_claim(self) -> str | None:
        """The dotted path of the claim that holds roles: as told, or the first usual one."""
        usual = (path for path in ROLE_CLAIMS if self.claim(path) is not None)
        return self.plan.role_claim or next(usual, None)

    def claim(self, path: str) -> object:
        """The claim at a dotted path, or None."""
        value: object = self.token.payload
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def lacking(self, needs: tuple[Need, ...]) -> Need | None:
        """The first need that is not met, or None."""
        return next((need for need in needs if not PRESENT[need](self)), None)

    def bound_to(self, member: str) -> bool:
        """Whether the token's `cnf` claim has that member."""
        cnf = self.token.payload.get("cnf")
        return isinstance(cnf, dict) and member in cnf

    @property
    def proves_possession(self) -> bool:
        """Whether the DPoP key at hand is the one that the token is bound to."""
        cnf = self.token.payload.get("cnf")
        if self.prover is None or not isinstance(cnf, dict):
            return False
        return cnf.get("jkt") == thumbprint(self.prover.signer)


def _published(context: Context, kind: str) -> bool:
    key = context.key
    return key is not None and key.jwk.get("kty") == kind


def _never(_context: Context) -> bool:
    return False


PRESENT: dict[Need, Callable[[Context], bool]] = {
    Need.PUBLIC_KEY: lambda c: c.key is not None,
    Need.KEY_SET: lambda c: bool(c.jwks),
    Need.RSA_PUBLIC_KEY: lambda c: _published(c, "RSA"),
    Need.EC_PUBLIC_KEY: lambda c: _published(c, "EC"),
    Need.SIGNING_KEY: lambda c: c.signer is not None,
    Need.HMAC_TOKEN: lambda c: c.token.alg.startswith("HS"),
    Need.ASYMMETRIC_TOKEN: lambda c: not c.token.alg.startswith("HS"),
    Need.RSA_TOKEN: lambda c: c.token.alg[:2] in {"RS", "PS"},
    Need.EC_TOKEN: lambda c: c.token.alg.startswith("ES"),
    Need.RECOVERABLE_TOKEN: lambda c: c.token.alg in ecdsa.CURVES,
    Need.ENCRYPTION_KEY: lambda c: _published(c, "RSA") or _published(c, "EC"),
    Need.LISTENER: lambda c: c.listener is not None,
    Need.RETIRED_KEY: lambda c: c.retired is not None,
    Need.SECOND_TOKEN: lambda c: c.plan.second_token is not None,
    Need.SECOND_ISSUER: lambda c: c.plan.second_issuer is not None,
    Need.OTHER_KIND: lambda c: bool(c.plan.other_tokens) or c.signer is not None,
    Need.LOGIN: lambda c: c.plan.login is not None,
    Need.REFRESH: lambda c: None not in (c.plan.login, c.plan.refresh),
    Need.LOGOUT: lambda c: None not in (c.plan.login, c.plan.logout),
    Need.LOGOUT_EVERYWHERE: lambda c: None not in (c.plan.login, c.plan.logout_everywhere),
    Need.LOGOUT_REFRESH: lambda c: None not in (c.plan.login, c.plan.refresh, c.plan.logout),
    Need.HEADER: lambda c: c.plan.carrier.cookie is None,
    Need.COOKIE: lambda c: c.plan.uses_cookies,
    Need.CSRF: lambda c: c.plan.uses_cookies and c.plan.unsafe_route is not None,
    Need.ROLE_ROUTE: lambda c: (
        bool(c.plan.role_routes)
        and (c.plan.second_token is not None or None not in (c.signer, c.role_claim))
    ),
    Need.TENANT_ROUTE: lambda c: c.plan.tenant_route is not None,
    Need.STREAM_ROUTE: lambda c: (
        bool(c.plan.streams) and (c.signer is not None or None not in (c.plan.login, c.plan.logout))
    ),
    Need.DPOP_KEY: lambda c: c.proves_possession,
    Need.DPOP_SIGNING_KEY: lambda c: c.proves_possession and c.signer is not None,
    Need.BOUND_TOKEN: lambda c: c.proves_possession or c.bound_to("x5t#S256"),
    Need.MTLS_TOKEN: lambda c: c.bound_to("x5t#S256"),
    Need.ONE_TIME: lambda c: "one-time-tokens" in c.plan.policies,
    Need.CLIENT_BOUND: lambda c: "client-bound" in c.plan.policies and c.signer is not None,
    Need.DEVICE_BOUND: lambda c: (
        "device-bound" in c.plan.policies and None not in (c.plan.login, c.plan.refresh)
    ),
    Need.ACCOUNT_CHANGE: lambda c: None not in (c.plan.login, c.plan.disable),
    Need.PROVIDER: lambda c: c.plan.provider,
    Need.COLD_START: _never,
}


def loopback(host: str | None) -> bool:
    """Whether a host name or address is this machine itself, judged by its text alone."""
    name = (host or "").strip("[]").rstrip(".").lower()
    return (
        name == "localhost"
        or name.endswith(".localhost")
        or name == "::1"
        or (name.startswith("127.") and name.replace(".", "").isdigit())
    )


def host_of(url: str) -> str:
    """The host part of a URL, without port; empty where there is none."""
    return urlsplit(url).hostname or ""

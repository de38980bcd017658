"""`[[issuers]]`: whom we trust, and where their keys are."""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from jwt_guard.config.readers import DAY, issuer_name, key_material, problem_at
from jwt_guard.errors import ConfigurationError, Problem
from jwt_guard.keys.algorithms import ALGORITHMS
from jwt_guard.keys.decryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from jwt_guard.keys.reach import Reach
from jwt_guard.keys.urls import is_fetchable, is_http_elsewhere
from jwt_guard.settings import (
    Mistake,
    boolean,
    choice,
    names,
    path,
    paths,
    read_section,
    seconds,
    setting,
    some_of,
    text,
)
from jwt_guard.tokens.issuer_names import right_form
from jwt_guard.tokens.presets import PROFILES

__all__ = ["IssuerConfig"]

_KEY_MANAGEMENT = ("RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
_CONTENT_ENCRYPTION = ("A256GCM", "A128GCM", "A256CBC-HS512", "A128CBC-HS256")
_TENANT = "{tenant}"
_TENANT_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def _algorithms(value: Any) -> tuple[str, ...]:
    listed = names(value)
    unknown = [name for name in listed if name not in ALGORITHMS]
    if unknown:
        raise Mistake(
            "holds an algorithm that is not supported or not safe",
            f"choose from {', '.join(ALGORITHMS)}",
        )
    if len({ALGORITHMS[name].symmetric for name in listed}) > 1:
        raise Mistake(
            "mixes HMAC with public-key algorithms, so that a public key could pass as a secret",
            "name one kind (RFC 8725bis section 3.1)",
        )
    return listed


def _tenant_names(value: Any) -> tuple[str, ...]:
    """Names that fill the gap in a URL, and nothing beside it."""
    listed = names(value)
    if not all(_TENANT_NAME.fullmatch(name) for name in listed):
        raise Mistake("holds what is no tenant", "use letters, digits, `-`, `_` and inner dots")
    return listed


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig:
    """`[[issuers]]`: one issuer that is trusted."""

    issuer: str = setting(issuer_name, "the exact value of `iss`")
    keys: str | dict[str, Any] | None = setting(
        key_material,
        'a JWKS, JWK or PEM file, an https URL of a JWKS, "discover", or `env:NAME` for a variable'
        " that holds a JWKS or PEM; in code also a JWKS as a mapping",
        default=None,
        secret=True,
    )
    secret: str | None = setting(
        text,
        "an HMAC secret, instead of `keys`: `env:NAME` or `file:PATH`; text in place is taken but"
        " reported by `check`",
        default=None,
        secret=True,
    )
    algorithms: tuple[str, ...] = setting(_algorithms, "the values of `alg` that are accepted")
    audience: tuple[str, ...] = setting(
        names, "whom its tokens must be for, instead of the common `audience`", default=()
    )
    profile: str = setting(
        choice(*PROFILES), "the kind of token, or a provider's preset", default="rfc9068"
    )
    clients: tuple[str, ...] = setting(
        names, "the clients whose tokens are accepted; all, when not set", default=()
    )
    one_time: bool = setting(
        boolean,
        "accept each token once, by its `jti`, in all processes that share the store",
        default=False,
    )
    client_subjects: bool = setting(
        boolean, "whether a client may be its own subject (client credentials)", default=True
    )
    allow_http: bool = setting(
        boolean, "allow http to a loopback host; for development, `check` reports it", default=False
    )
    private_network: bool = setting(
        boolean,
        "allow keys to be fetched from hosts in private networks; `check` reports it",
        default=False,
    )
    refresh_every: float = setting(
        seconds(1, DAY),
        "how often fetched keys are fetched anew, in the background, in seconds; they expire"
        " after twice that",
        default=300.0,
    )
    outage_limit: float = setting(
        seconds(0, 30 * DAY),
        "how long expired keys still serve while new ones cannot be fetched, in seconds",
        default=3600.0,
    )
    timeout: float = setting(
        seconds(0.1, 60), "how long a fetch of keys may take in all, in seconds", default=5.0
    )

    role_claims: tuple[str | tuple[str, ...], ...] = setting(
        paths,
        "where roles stand in its claims; when not set, `claims` of `[roles]`, or the profile's"
        " places",
        default=(),
    )
    scope_claims: tuple[str | tuple[str, ...], ...] = setting(
        paths, "where scopes stand in its claims; the profile's places, when not set", default=()
    )
    permission_claims: tuple[str | tuple[str, ...], ...] = setting(
        paths,
        "where permissions stand in its claims; the profile's places, when not set",
        default=(),
    )
    tenant_claim: str | tuple[str, ...] | None = setting(
        path,
        "where the tenant stands in its claims; when not set, `claim` of `[tenants]`, or the"
        " profile's place",
        default=None,
    )
    tenant: str | None = setting(
        text,
        "the tenant of all its tokens, which then need not name one, and are refused if they name"
        " another; may hold `{tenant}`",
        default=None,
    )
    decryption_keys: str | dict[str, Any] | None = setting(
        key_material,
        "our private keys, where tokens must come encrypted: a JWK, JWK set or PEM file, `env:NAME`"
        " or `file:PATH`; unencrypted ones are refused then",
        default=None,
        secret=True,
    )
    key_management: tuple[str, ...] = setting(
        some_of(*KEY_MANAGEMENT),
        "the values of `alg` that are accepted in encrypted tokens",
        default=_KEY_MANAGEMENT,
    )
    content_encryption: tuple[str, ...] = setting(
        some_of(*CONTENT_ENCRYPTION),
        "the values of `enc` that are accepted in encrypted tokens",
        default=_CONTENT_ENCRYPTION,
    )
    tenants: tuple[str, ...] = setting(
        _tenant_names,
        "the tenants for which `{tenant}` in `issuer` and `keys` stands; each is an issuer",
        default=(),
    )
    at: str = field(default="issuer", compare=False)
    """Where it stands in the configuration."""

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "IssuerConfig":
        """One entry from a mapping with the keys of a table.

        Raises:
            ConfigurationError: with every mistake that it holds.
        """
        problems: list[Problem] = []
        read = read_section(cls, raw, "issuer", problems)
        if read is None or problems:
            raise ConfigurationError(*problems)
        return read

    def per_tenant(self) -> tuple["IssuerConfig", ...]:
        """One entry for each tenant; itself, where it is for none."""
        return tuple(
            replace(
                self,
                issuer=self.issuer.replace(_TENANT, tenant),
                keys=self.keys.replace(_TENANT, tenant)
                if isinstance(self.keys, str)
                else self.keys,
                tenant=self.tenant and self.tenant.replace(_TENANT, tenant),
                tenants=(tenant,),
            )
            for tenant in self.tenants
        ) or (self,)

    def problems(self, at: str, sound: AbstractSet[str]) -> Iterator[Problem]:
        """What is wrong between the fields."""
        if sound >= {"tenants", "keys"}:
            yield from self._name_problems(at)
        if "decryption_keys" in sound and self._only_the_rules_of_encryption:
            message = "is missing, so that unencrypted tokens would be accepted"
            yield problem_at(at, "decryption_keys", message, "name our private keys")
        if not sound >= {"keys", "secret"}:
            return
        if self.keys is None and self.secret is None:
            yield problem_at(at, "keys", "needs keys or a secret, one of them", "set `keys`")
        if self.keys is not None and self.secret is not None:
            yield problem_at(at, "keys", "has a `secret` beside it", "remove one of the two")
        if self.secret is not None and not ALGORITHMS[self.algorithms[0]].symmetric:
            yield problem_at(
                at, "secret", "goes with HS256, HS384 or HS512 only", "set `keys` instead"
            )
        yield from self._place_problems(at)

    @property
    def _only_the_rules_of_encryption(self) -> bool:
        """Whether it says how tokens are encrypted, and not by which keys."""
        rules = self.key_management, self.content_encryption
        return self.decryption_keys is None and rules != (_KEY_MANAGEMENT, _CONTENT_ENCRYPTION)

    def _name_problems(self, at: str) -> list[Problem]:
        """Names that no token bears."""
        if bool(self.tenants) != (_TENANT in self.issuer):
            message = f"goes with {_TENANT} in `issuer`, and that with it"
            return [problem_at(at, "tenants", message, "list the tenants that are trusted")]
        if self.tenant and _TENANT in self.tenant and not self.tenants:
            message = f"holds {_TENANT}, which nothing fills"
            return [problem_at(at, "tenant", message, "write its name, or list `tenants`")]
        for each in self.per_tenant():
            if "{" in each.issuer or (each.place is not None and "{" in each.place):
                message = "holds braces that no tenant fills"
                return [problem_at(at, "issuer", message, f"write {_TENANT}, and list `tenants`")]
            written = right_form(each.issuer, self.profile)
            if written is not None:
                return [
                    problem_at(at, "issuer", "is no name that its tokens bear", f"write {written}")
                ]
        return []

    @property
    def place(self) -> str | None:
        """The URL at which keys are looked for first; None where they are at hand."""
        if self.keys == "discover":
            return self.issuer
        is_url = isinstance(self.keys, str) and "://" in self.keys[:8]
        return str(self.keys) if is_url else None

    def _place_problems(self, at: str) -> list[Problem]:
        """What is wrong with where the keys are, the first thing of it."""
        place, discover = self.place, self.keys == "discover"
        if place is None:
            is_close = isinstance(self.keys, str) and self.keys.lower() == "discover"
            return [problem_at(at, "keys", "is no file", 'write "discover"')] if is_close else []
        reach = Reach(loopback=self.allow_http, private=self.private_network)
        name = "issuer" if discover else "keys"
        faults = (
            (
                "://" not in place[:8],
                name,
                "is no URL to discover from",
                "set `keys` to a file",
            ),
            (
                "/.well-known/o" in place,
                name,
                "is where metadata are, not a name or keys",
                'write the issuer that they state, and `keys = "discover"`',
            ),
            (
                discover and "?" in place,
                name,
                "has a query (RFC 8414 section 2)",
                "set `keys` to the URL of its keys",
            ),
            (
                ALGORITHMS[self.algorithms[0]].symmetric,
                "algorithms",
                "are HMAC's, whose secrets never come over the network",
                "set `secret` instead of `keys`",
            ),
            (
                is_http_elsewhere(place),
                name,
                "is an http URL of another host",
                "use TLS, a port on this host (`allow_http` is for that alone), or keys in a file",
            ),
            (
                not is_fetchable(place, reach),
                name,
                "is not an https URL of a host that may be asked",
                "use https; name allow_http for this very host, private_network for a private one",
            ),
        )
        return [problem_at(at, *fault) for is_so, *fault in faults if is_so][:1]

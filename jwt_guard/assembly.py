"""From a configuration to the parts that a guard holds; all that cannot be built is reported."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from inspect import iscoroutinefunction
from math import inf
from typing import Any

from jwt_guard.audit.observer import Observer
from jwt_guard.config import Config, IssuerConfig
from jwt_guard.errors import ConfigurationError, Problem
from jwt_guard.keys.algorithms import ALGORITHMS
from jwt_guard.keys.decryption import load_decryption_keys
from jwt_guard.keys.loading import UnusableKeys
from jwt_guard.keys.signing import SigningKeys
from jwt_guard.keys.sources import key_source, own_keys, private_material
from jwt_guard.stores.opening import open_store
from jwt_guard.stores.protocol import Store, UnusableStore
from jwt_guard.tokens.claims import ClaimRules
from jwt_guard.tokens.directory import IssuerDirectory
from jwt_guard.tokens.encryption import Decryptor, Decryptors
from jwt_guard.tokens.presets import PROFILES
from jwt_guard.tokens.profiles import RFC9068, ClaimPath, Profile
from jwt_guard.tokens.verifier import TrustedIssuer

__all__ = ["Assembly", "IssuerResolver", "oldest_token", "opened_store"]

_DAY = 86_400.0

IssuerResolver = Callable[[str], Mapping[str, Any] | IssuerConfig | None]
"""From an `iss` to what a table of `[[issuers]]` would say of it; None for a stranger."""

_AUDIENCE = "{audience}"

_OWN_ALGORITHMS = frozenset(ALGORITHMS)
"""Each of our own keys serves the one algorithm that it was made for, so that this is no choice."""


def opened_store(config: Config) -> Store:
    """The store; nothing is connected yet.

    Raises:
        ConfigurationError: its URL is not understood, or an extra is not installed.
    """
    try:
        return open_store(config.store.url, config.base, timeout=config.store.timeout)
    except UnusableStore as error:
        written = "write memory://, sqlite:///file.db, postgresql://... or valkey://..."
        remedy = error.remedy or written
        raise ConfigurationError(
            Problem(path="store.url", message=str(error), remedy=remedy)
        ) from None


class Assembly:
    """Builds the trusted issuers of a guard.

    Args:
        config: what they are built from.
        observers: who is told of key rotations and outages.

    Attributes:
        decryptors: the keys that encrypted tokens are opened with.
        one_time: the issuers whose tokens are good for one request, as far as they are built.
    """

    def __init__(self, config: Config, observers: Iterable[Observer] = ()) -> None:
        self._config = config
        self._observers = observers
        self.decryptors = Decryptors()
        self.one_time: set[str] = set()

    def issuers(self) -> tuple[SigningKeys | None, dict[str, TrustedIssuer]]:
        """Our own signing keys, if we issue tokens, and every named issuer by its exact `iss`.

        Raises:
            ConfigurationError: keys cannot be loaded, or are too weak; with all that are so.
        """
        problems: list[Problem] = []
        own = self._signing_keys(problems)
        trusted = self._named(problems)
        if problems:
            raise ConfigurationError(*dict.fromkeys(problems))  # tenants of one table share theirs
        if self._config.tokens is not None and own is not None:
            trusted[self._config.tokens.issuer] = _own(
                self._config, self._config.tokens.issuer, own
            )
        return own, trusted

    def directory(
        self, named: Mapping[str, TrustedIssuer], resolve: IssuerResolver | None
    ) -> IssuerDirectory:
        """The trusted issuers: those that are named, and those that code resolves.

        Raises:
            ConfigurationError: `issuers_in_code` and the resolver are not there together, or the
                resolver is asynchronous.
        """
        if self._config.issuers_in_code != (resolve is not None):
            message = "goes with a resolver, and a resolver with it"
            remedy = "pass `issuers=` to the guard and set this to true"
            problem = Problem(path="issuers_in_code", message=message, remedy=remedy)
            raise ConfigurationError(problem)
        if iscoroutinefunction(resolve):
            message = "has an asynchronous resolver, which is asked on every request"
            remedy = "answer from memory in a plain function"
            problem = Problem(path="issuers_in_code", message=message, remedy=remedy)
            raise ConfigurationError(problem)
        return IssuerDirectory(named, resolve, self._resolved)

    def _resolved(self, issuer: str, entry: Mapping[str, Any] | IssuerConfig) -> TrustedIssuer:
        if not isinstance(entry, IssuerConfig):
            entry = IssuerConfig.read({"issuer": issuer, **entry})
        if entry.issuer != issuer:
            raise ValueError("the resolver answered for another issuer")
        return self._trusted(entry)

    def _signing_keys(self, problems: list[Problem]) -> SigningKeys | None:
        settings = self._config.tokens
        if settings is None:
            return None
        try:
            return own_keys(
                settings.issuer, settings.signing_keys, self._config.base, self._observers
            )
        except UnusableKeys as error:
            making = "make one with `jwt-guard keys generate`"
            remedy = making if error.remedy is None else f"{error.remedy}, or {making}"
            problems.append(Problem(path="tokens.signing_keys", message=str(error), remedy=remedy))
            return None

    def _named(self, problems: list[Problem]) -> dict[str, TrustedIssuer]:
        trusted: dict[str, TrustedIssuer] = {}
        for issuer in self._config.issuers:
            try:
                trusted[issuer.issuer] = self._trusted(issuer)
            except _Unusable as unusable:
                problems += unusable.problems(issuer.at)
        return trusted

    def _trusted(self, issuer: IssuerConfig) -> TrustedIssuer:
        name = "keys" if issuer.secret is None else "secret"
        with _setting(name, f"give keys for {', '.join(issuer.algorithms)}"):
            keys = key_source(issuer, self._config.base, self._observers)
        with _setting("decryption_keys", f"give keys for {', '.join(issuer.key_management)}"):
            decryptor = self._decryptor(issuer)
        (self.one_time.add if issuer.one_time else self.one_time.discard)(issuer.issuer)
        return TrustedIssuer(
            issuer=issuer.issuer,
            algorithms=frozenset(issuer.algorithms),
            keys=keys,
            rules=_rules(
                self._config,
                self._profile(issuer),
                audiences=frozenset(issuer.audience or self._config.audience),
                clients=frozenset(issuer.clients) or None,
                client_subjects=issuer.client_subjects,
                only_tenant=issuer.tenant,
            ),
            decryptor=decryptor,
        )

    def _profile(self, issuer: IssuerConfig) -> Profile:
        """The kind of its tokens, with the places of claims that the configuration names."""
        profile = PROFILES[issuer.profile]
        return replace(
            profile,
            roles=issuer.role_claims or self._config.roles.claims or profile.roles,
            scopes=issuer.scope_claims or profile.scopes,
            permissions=issuer.permission_claims or profile.permissions,
            tenant=issuer.tenant_claim or self._config.tenants.claim or profile.tenant,
        )

    def _decryptor(self, issuer: IssuerConfig) -> Decryptor | None:
        if issuer.decryption_keys is None:
            return None
        material = private_material(issuer.decryption_keys, self._config.base)
        allowed, content = frozenset(issuer.key_management), frozenset(issuer.content_encryption)
        keys = load_decryption_keys(material, allowed)
        identity = sha256(repr(material).encode()).digest(), allowed, content
        return self.decryptors.add(identity, Decryptor(keys=keys, content=content))


class _Unusable(Exception):
    """Keys of one setting of an issuer that cannot be used."""

    def __init__(self, name: str, error: UnusableKeys, remedy: str) -> None:
        super().__init__(str(error))
        self._name, self._reasons, self._remedy = name, error.reasons, remedy

    def problems(self, at: str) -> list[Problem]:
        """Each reason as a mistake."""
        return [
            Problem(path=f"{at}.{self._name}", message=why, remedy=self._remedy)
            for why in self._reasons
        ]


@contextmanager
def _setting(name: str, remedy: str) -> Generator[None]:
    """Whose keys are being loaded."""
    try:
        yield
    except UnusableKeys as error:
        remedy = error.remedy or f"{remedy} that are strong and distinct"
        raise _Unusable(name, error, remedy) from None


def _own(config: Config, name: str, keys: SigningKeys) -> TrustedIssuer:
    return TrustedIssuer(
        issuer=name,
        algorithms=_OWN_ALGORITHMS,
        keys=keys.source,
        rules=_rules(
            config,
            RFC9068,  # roles and tenant where we write them, whatever other issuers do
            audiences=frozenset(config.audience),
            clients=None,
            client_subjects=False,
        ),
    )


def _rules(
    config: Config,
    profile: Profile,
    *,
    audiences: frozenset[str],
    clients: frozenset[str] | None,
    client_subjects: bool,
    only_tenant: str | None = None,
) -> ClaimRules:
    return ClaimRules(
        profile=profile,
        audiences=audiences,
        leeway=config.leeway,
        max_age=_max_age(config, profile),
        clients=clients,
        client_subjects=client_subjects,
        roles=_role_paths(profile.roles, audiences),
        scopes=tuple(ClaimPath(path) for path in profile.scopes),
        permissions=tuple(ClaimPath(path) for path in profile.permissions),
        tenant=ClaimPath(profile.tenant) if profile.tenant else None,
        only_tenant=only_tenant,
    )


def _role_paths(
    paths: Iterable[str | tuple[str, ...]], audiences: Iterable[str]
) -> tuple[ClaimPath, ...]:
    """The places of roles, those of one audience's own roles for each of ours."""
    return tuple(
        ClaimPath(each) for path in paths for each in dict.fromkeys(_of_audiences(path, audiences))
    )


def _of_audiences(
    path: str | tuple[str, ...], audiences: Iterable[str]
) -> Iterator[str | tuple[str, ...]]:
    if isinstance(path, str) or _AUDIENCE not in path:
        yield path
        return
    for audience in sorted(audiences):
        yield tuple(audience if step == _AUDIENCE else step for step in path)


def oldest_token(config: Config) -> float:
    """The greatest age at which a token of any issuer is accepted, in seconds; infinite for any."""
    named = PROFILES if config.issuers_in_code else {each.profile for each in config.issuers}
    ages = [_max_age(config, profile) for profile in (RFC9068, *(PROFILES[n] for n in named))]
    return max(inf if age is None else age for age in ages)


def _max_age(config: Config, profile: Profile) -> float | None:
    """A day, unless the configuration says otherwise, for tokens that must say their age."""
    if config.max_token_age is None and "iat" in profile.required:
        return _DAY
    return config.max_token_age

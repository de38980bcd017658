"""The one object that an adapter holds."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Self

import msgspec

from jwt_guard.assembly import Assembly, IssuerResolver, oldest_token, opened_store
from jwt_guard.audit.detect.actions import InBackground, for_rules
from jwt_guard.audit.detect.base import Alert
from jwt_guard.audit.metrics import Gauge, Metrics
from jwt_guard.audit.observer import LogObserver, Observer, Pending, settle
from jwt_guard.config import Config, Source
from jwt_guard.credentials.bearer import bearer_token
from jwt_guard.credentials.csrf import Proof
from jwt_guard.errors import ConfigurationError, Problem, Reason, Refusal
from jwt_guard.flow import Flow, arun, run
from jwt_guard.http import Reply, RequestView, reply_to
from jwt_guard.keys.remote import KeyStats, RemoteKeys
from jwt_guard.parts import (
    audit_observers,
    audit_trail,
    cookie_jar,
    mistakes_in_parts,
    own_secrets,
    sessions_of,
    token_issuer,
)
from jwt_guard.principal import Principal
from jwt_guard.requirements import Context, Requirement, RoleHierarchy
from jwt_guard.routes import PathList
from jwt_guard.sessions.building import keeping_of
from jwt_guard.sessions.replay import OneTimeTokens
from jwt_guard.sessions.revocation import Revocations
from jwt_guard.stores.protocol import Store
from jwt_guard.tokens.verifier import TrustedIssuer, Verified, Verifier

__all__ = ["BadToken", "Guard", "Outcome"]

_LOADS_AT_ONCE = 16

_KEY_COUNTS = {
    "loads": "Fetches of keys.",
    "failures": "Fetches of keys that failed.",
    "rotations": "Fetches that brought other keys.",
    "unknown_kids": "Tokens whose key is not there.",
    "spared": "Those of them that caused no fetch.",
    "unavailable": "Requests refused for want of keys.",
}

BadToken = Literal["refuse", "anonymous"]
"""What becomes of a bad token where authentication is optional."""


class Outcome(msgspec.Struct, frozen=True):
    """What a request's credentials tell: a principal, or why there is none.

    Attributes:
        principal: the verified caller.
        refusal: why there is none.
        proof: what a caller who sent a cookie shows of having meant it; None without a cookie.
    """

    principal: Principal | None = None
    refusal: Refusal | None = None
    proof: Proof | None = None


class Guard:
    """Verifies callers and decides what they may. Thread-safe; one per application is usual.

    Attributes:
        config: what it was built from.
        verifier: the way from a token to a principal.
        issuers: whom we trust.
        issuer: issues our own tokens, if `[tokens]` is configured.
        signing_keys: our own keys, if `[tokens]` is configured.
        public_paths: the paths that the configuration names public.
        observers: who is told of every outcome.
        trail: records every outcome, if `[audit]` says where.
        store: where sessions and revocations are kept.
        revocations: revokes tokens, sessions, subjects and tenants of any issuer.
        sessions: the sessions of our own users, if `[tokens]` is configured.
        secrets: what our cookies are sealed with, the first one; the others still open them.
        cookies: reads and writes tokens in cookies, if `[cookies]` enables them.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Callable[[], float] = time.time,
        store: Store | None = None,
        issuers: IssuerResolver | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.trail = audit_trail(config, clock)
        self.observers: list[Observer] = [LogObserver(), *audit_observers(config, self.trail)]
        assembly = Assembly(config, self.observers)
        self.signing_keys, named = assembly.issuers()
        self.issuers = assembly.directory(named, issuers)
        self.issuer = token_issuer(config, self.signing_keys, clock)
        self.verifier = Verifier(
            self.issuers,
            cache_size=config.cache.size,
            max_token_size=config.max_token_size,
            clock=clock,
            decryptors=assembly.decryptors,
        )
        self.store = opened_store(config) if store is None else store
        self.revocations = Revocations(
            self.store,
            issuer=config.tokens.issuer if config.tokens else None,
            keeping=keeping_of(config.tokens, config.leeway, oldest_token(config)),
            clock=clock,
            observers=self.observers,
            fail_open=config.store.fail_open,
        )
        if self.trail is not None and self.trail.suite is not None and config.audit.detect.revoke:
            end = for_rules(config.audit.detect.revoke, InBackground(self._end_session))
            self.trail.suite.actions.append(end)
        self.sessions = sessions_of(config, self.issuer, self.revocations, clock=clock)
        self.secrets = own_secrets(config)
        self.cookies = cookie_jar(config, self.secrets)
        if self.trail is not None:
            self._add_gauges(self.trail.metrics)
        self.public_paths = PathList(config.routes.public)
        self._hierarchy = RoleHierarchy(config.roles.hierarchy)
        self._one_time = OneTimeTokens(
            self.store,
            assembly.one_time,
            leeway=config.leeway,
            clock=clock,
        )

    @classmethod
    def from_config(
        cls,
        source: Source,
        *,
        defaults: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
        store: Store | None = None,
        open_store: Callable[[Config], Store] = opened_store,
        issuers: IssuerResolver | None = None,
    ) -> "Guard":
        """A guard from a TOML file's path, a mapping with the same keys, or a `Config`.

        Args:
            source: the configuration.
            defaults: whole tables that stand where it has none of that name.
            clock: seconds since 1970 UTC.
            store: instead of the one that the configuration names.
            open_store: opens that one.
            issuers: resolves issuers that the configuration does not name, if it says so with
                `issuers_in_code`; see `IssuerDirectory`.

        Raises:
            ConfigurationError: with every mistake at once.
        """
        config, problems = Config.drafted(source, defaults=defaults)
        if store is not None:
            open_store = lambda config: store  # noqa: E731
        if problems:
            raise _all_of(problems, mistakes_in_parts(config, open_store))
        try:
            return cls(config, clock=clock, store=open_store(config), issuers=issuers)
        except ConfigurationError as error:
            more = mistakes_in_parts(config, open_store)
            raise _all_of(error.problems, more) from None

    def verify(self, token: str | bytes) -> Principal:
        """The caller of a token, blocking.

        Raises:
            Refusal: for every token that is not to be believed.
        """
        found = self._welcome(token)
        return found if isinstance(found, Principal) else run(found)

    async def averify(self, token: str | bytes) -> Principal:
        """The caller of a token, on the running event loop.

        Raises:
            Refusal: for every token that is not to be believed.
        """
        found = self._welcome(token)
        return found if isinstance(found, Principal) else await arun(found)

    def _welcome(self, token: str | bytes) -> Principal | Flow[Principal]:
        """The caller of a token, or a flow to it where something has to be looked up first."""
        found = self.verifier.principal(token)
        if (
            isinstance(found, Principal)
            and self.store.has_no_cut_offs
            and found.issuer not in self._one_time.issuers
        ):
            return found
        return self._looked_up(found)

    def _looked_up(self, found: Principal | Flow[Principal]) -> Flow[Principal]:
        """The caller of a token; a right signature is no welcome if the token was revoked."""
        principal = found if isinstance(found, Principal) else (yield from found)
        if not self.store.has_no_cut_offs:
            yield from self.revocations.check(principal)
        if principal.issuer in self._one_time.issuers:
            yield from self._one_time.use_up(principal)
        return principal

    def judge(self, token: str | bytes) -> Flow[Verified]:
        """Verify a token in full and tell its header too, past the cache; for inspection.

        Raises:
            Refusal: for every token that is not to be believed.
        """
        verified = yield from self.verifier.verified(token)
        yield from self.revocations.check(verified.principal)
        return verified

    def reload_keys(self) -> dict[str, bool]:
        """Load the keys of every issuer now: at start-up, or when keys are known to have changed.

        Blocks until they are loaded or their timeouts end. Raises nothing.

        Returns:
            By issuer, whether its keys could be loaded.
        """
        issuers = list(self.issuers)
        try:
            with ThreadPoolExecutor(_LOADS_AT_ONCE) as pool:
                loaded = list(pool.map(_reloaded, issuers))
        except RuntimeError:  # no thread can be had: the program ends, or is at its limit
            loaded = [_reloaded(each) for each in issuers]
        return {each.issuer: good for each, good in zip(issuers, loaded, strict=True)}

    async def areload_keys(self) -> dict[str, bool]:
        """As `reload_keys`, on the running event loop."""
        issuers = list(self.issuers)
        loaded = await asyncio.gather(*(arun(each.keys.reload()) for each in issuers))
        return {each.issuer: good for each, good in zip(issuers, loaded, strict=True)}

    def key_stats(self) -> dict[str, KeyStats]:
        """By issuer whose keys come over the network, what has happened to them so far."""
        sources = {each.issuer: each.keys for each in self.issuers}
        return {
            name: source.stats()
            for name, source in sources.items()
            if isinstance(source, RemoteKeys)
        }

    def identify(self, view: RequestView, *, own_csrf: bool = False) -> Flow[Outcome]:
        """Who sent a request. Raises nothing: a refusal is an outcome like another.

        Args:
            view: the request.
            own_csrf: whether the framework itself demands a proof against forgery where the
                outcome's `proof` is `MISSING`; else such a request is refused here.
        """
        found = self.identified(view, own_csrf=own_csrf)
        return found if isinstance(found, Outcome) else (yield from found)

    def identified(self, view: RequestView, *, own_csrf: bool = False) -> Outcome | Flow[Outcome]:
        """As `identify`, at once where all is at hand; else the flow that gets the rest."""
        if self.trail is None:
            return self._identified(view, own_csrf)
        began, metrics = time.perf_counter(), self.trail.metrics
        found = self._identified(view, own_csrf)
        if not isinstance(found, Outcome):
            return _timed(found, metrics, began)
        metrics.verification.observe(time.perf_counter() - began)
        return found

    def _identified(self, view: RequestView, own_csrf: bool) -> Outcome | Flow[Outcome]:
        try:
            token, in_cookie = self._credential(view)
            found = self._welcome(token)
            if isinstance(found, Principal):
                return self._accepted(found, view, in_cookie, own_csrf)
        except Refusal as refusal:
            return self._refused(refusal, view)
        return self._identified_later(found, view, in_cookie, own_csrf)

    def _identified_later(
        self, found: Flow[Principal], view: RequestView, in_cookie: bool, own_csrf: bool
    ) -> Flow[Outcome]:
        try:
            principal = yield from found
            outcome = self._accepted(principal, view, in_cookie, own_csrf)
        except Refusal as refusal:
            outcome = self._refused(refusal, view)
        return outcome if isinstance(outcome, Outcome) else (yield from outcome)

    def _accepted(
        self, principal: Principal, view: RequestView, in_cookie: bool, own_csrf: bool
    ) -> Outcome | Flow[Outcome]:
        """The outcome of a good token, with the observers told.

        Raises:
            Refusal: the token alone is not enough.
        """
        if principal.is_bound:
            raise Refusal(Reason.BINDING_MISSING, claim="cnf")
        proof = self._proof(view, principal, own_csrf) if in_cookie else None
        outcome = Outcome(principal, None, proof)
        pending: list[Pending] | None = None
        try:
            for each in self.observers:
                told = each.authenticated(principal, view)
                if told is not None:
                    pending = [*(pending or ()), told]
        except Refusal as unrecorded:
            return Outcome(refusal=unrecorded)
        return outcome if pending is None else _recorded(outcome, pending)

    def _refused(self, refusal: Refusal, view: RequestView) -> Outcome | Flow[Outcome]:
        """The outcome of a refusal; a missing token is told only where one is asked for."""
        outcome = Outcome(refusal=refusal)
        if refusal.reason is Reason.TOKEN_MISSING:
            return outcome
        try:
            pending = [each.refused(refusal, view) for each in self.observers]
        except Refusal as unrecorded:
            return Outcome(refusal=unrecorded)
        return _recorded(outcome, pending) if any(pending) else outcome

    def _credential(self, view: RequestView) -> tuple[str | bytes, bool]:
        """The token of a request, and whether it stood in our cookie."""
        token = bearer_token(view)
        sealed = self.cookies.access_token(view) if self.cookies is not None else None
        if token is not None and sealed is not None:
            raise Refusal(Reason.CREDENTIALS_AMBIGUOUS)
        if token is not None:
            return token, False
        if sealed is not None:
            return sealed, True
        raise Refusal(Reason.TOKEN_MISSING)

    def _proof(self, view: RequestView, principal: Principal, own_csrf: bool) -> Proof:
        """What a request with a cookie shows of being meant.

        Raises:
            Refusal: `csrf_failed`.
        """
        session_id = principal.session_id
        if self.cookies is None or session_id is None:
            raise Refusal(Reason.CSRF_FAILED)
        proof = self.cookies.csrf.proof(view, session_id)
        if proof is Proof.GIVEN or (own_csrf and proof is Proof.MISSING):
            return proof
        raise Refusal(Reason.CSRF_FAILED)

    def permit(
        self,
        outcome: Outcome,
        view: RequestView,
        requirement: Requirement | None = None,
        *,
        optional: bool = False,
        bad_token: BadToken = "refuse",
    ) -> Principal | None:
        """Whether a request may proceed.

        Args:
            outcome: what `identify` found.
            view: the request, for its path parameters.
            requirement: what is asked of the caller besides being verified.
            optional: whether callers without a token may proceed too, as None.
            bad_token: where optional, whether a bad token is refused or counts as none. An
                outage or a malformed request is refused either way.

        Raises:
            Refusal: it may not.
        """
        if outcome.principal is None:
            refusal = outcome.refusal or Refusal(Reason.TOKEN_MISSING)
            if optional and _may_be_anonymous(refusal, bad_token):
                return None
            if refusal.reason is Reason.TOKEN_MISSING:
                for observer in self.observers:
                    settle(observer.refused(refusal, view))
            raise refusal
        if requirement is not None:
            self.authorize(outcome.principal, requirement, view.path_params, view=view)
        return outcome.principal

    def authorize(
        self,
        principal: Principal,
        requirement: Requirement,
        path_params: Mapping[str, Any] | None = None,
        *,
        view: RequestView | None = None,
    ) -> None:
        """Check a requirement.

        Raises:
            Refusal: the principal does not meet it.
        """
        context = Context(principal, self._hierarchy, path_params or {}, self.clock())
        refusal = requirement.check(context)
        if refusal is not None:
            for observer in self.observers:
                settle(observer.denied(refusal, principal, view))
            raise refusal

    def recheck(self, principal: Principal) -> Flow[None]:
        """Whether a caller who was let in is still welcome, for long-lived connections.

        Raises:
            Refusal: the token has expired or was revoked since.
        """
        self.verifier.rules_of(principal).recheck(principal, self.clock())
        yield from self.revocations.check(principal)

    def reply(self, refusal: Refusal) -> Reply:
        """What the caller is told: uniform, and no more than the standards ask."""
        return reply_to(refusal, realm=self.config.realm)

    def resource_metadata(self) -> dict[str, Any]:
        """What this API says of itself (RFC 9728 section 2)."""
        issuers = [issuer.issuer for issuer in self.config.issuers]
        own = [self.config.tokens.issuer] if self.config.tokens else []
        return {
            "resource": self.config.audience[0],
            "authorization_servers": issuers + own,
            "bearer_methods_supported": ["header"],
        }

    def _add_gauges(self, metrics: Metrics) -> None:
        """What only the guard can tell."""
        cache = self.verifier.cache
        if cache is not None:
            metrics.gauge(
                "cache_hits", "Cached tokens.", lambda: {(): float(cache.hits)}, kind="counter"
            )
            metrics.gauge(
                "cache_misses",
                "Tokens verified in full.",
                lambda: {(): float(cache.misses)},
                kind="counter",
            )
        metrics.gauge(
            "keys_age_seconds", "Since keys were seen to be current.", self._of_keys("age")
        )
        for name, doc in _KEY_COUNTS.items():
            metrics.gauge(f"keys_{name}", doc, self._of_keys(name), kind="counter")

    def _of_keys(self, name: str) -> Gauge:
        """One number of `KeyStats`, by issuer."""

        def read() -> dict[tuple[tuple[str, str], ...], float]:
            found = {issuer: getattr(each, name) for issuer, each in self.key_stats().items()}
            return {(("issuer", issuer),): n for issuer, n in found.items() if n is not None}

        return read

    def _end_session(self, alert: Alert) -> None:
        """What `[audit.detect] revoke` asks for."""
        fact = alert.fact
        if fact.session is not None:
            run(
                self.revocations.revoke_session(fact.session, issuer=fact.issuer, reason=alert.rule)
            )

    def close(self) -> None:
        """Write what the audit trail still holds; it is also written when the program ends."""
        if self.trail is not None:
            self.trail.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Guard(issuers={len(self.config.issuers)})"


def _reloaded(trusted: TrustedIssuer) -> bool:
    return run(trusted.keys.reload())


def _all_of(found: tuple[Problem, ...], more: Iterable[Problem]) -> ConfigurationError:
    """What was found, and what more there is in places of which that says nothing."""
    told = {problem.path for problem in found}
    new = dict.fromkeys(problem for problem in more if problem.path not in told)
    return ConfigurationError(*found, *new)


def _recorded(outcome: Outcome, pending: Iterable[Pending]) -> Flow[Outcome]:
    """An outcome that takes effect once it is on record."""
    try:
        for each in pending:
            yield from each or ()
    except Refusal as unrecorded:
        return Outcome(refusal=unrecorded)
    return outcome


def _timed(flow: Flow[Outcome], metrics: Metrics, began: float) -> Flow[Outcome]:
    outcome = yield from flow
    metrics.verification.observe(time.perf_counter() - began)
    return outcome


def _may_be_anonymous(refusal: Refusal, bad_token: BadToken) -> bool:
    if refusal.reason is Reason.TOKEN_MISSING:
        return True
    return bad_token == "anonymous" and refusal.error == "invalid_token"

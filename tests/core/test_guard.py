"""The guard's decisions: who sent a request, may they, and who is told."""

import logging
from typing import Any

import pytest

from jwt_guard import Guard, Outcome, Principal, Reason, Refusal, Requirement, role, tenant
from jwt_guard.audit.observer import LogObserver, Occurrence
from jwt_guard.flow import Effect, Flow, arun, run
from jwt_guard.http import AsgiView, RequestView, WsgiView
from tests.support.tokens import NOW, Clock, claims, configuration, forge, key, mint, private_jwk
from tests.support.verdicts import refused


class Witness:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def authenticated(self, principal: Principal, view: RequestView | None) -> None:
        """See `Observer`."""
        self.told.append(("authenticated", principal.subject))

    def refused(self, refusal: Refusal, view: RequestView | None) -> None:
        """See `Observer`."""
        self.told.append(("refused", refusal.reason))

    def denied(self, refusal: Refusal, principal: Principal, view: RequestView | None) -> None:
        """See `Observer`."""
        self.told.append(("denied", refusal.reason))

    def happened(self, occurrence: Occurrence) -> None:
        """See `Observer`."""
        self.told.append((occurrence.name, occurrence.detail))


@pytest.fixture
def guard() -> Guard:
    """A guard for the ES256 issuer."""
    return Guard.from_config(configuration(roles={"hierarchy": {"admin": ["viewer"]}}))


@pytest.fixture
def witness(guard: Guard) -> Witness:
    """What the guard tells."""
    made = Witness()
    guard.observers.append(made)
    return made


def _view(authorization: str | None = None, **path_params: str) -> AsgiView:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    return AsgiView({"type": "http", "path": "/", "headers": headers}, path_params)


def _outcome(guard: Guard, authorization: str | None = None) -> Outcome:
    return run(guard.identify(_view(authorization)))


def test_a_good_token_is_an_outcome_with_a_principal(guard: Guard, witness: Witness) -> None:
    """And the observers are told once."""
    outcome = _outcome(guard, f"Bearer {mint()}")
    assert outcome.principal is not None
    assert outcome.refusal is None
    assert witness.told == [("authenticated", "ada")]


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("Bearer x", Reason.TOKEN_MALFORMED),
        ("Bearer a,Bearer b", Reason.CREDENTIALS_AMBIGUOUS),
        ("Bearer", Reason.CREDENTIALS_MALFORMED),
    ],
)
def test_a_bad_token_is_an_outcome_with_a_refusal(
    guard: Guard, witness: Witness, authorization: str, reason: Reason
) -> None:
    """Nothing is raised, and the observers learn the exact reason."""
    outcome = _outcome(guard, authorization)
    assert outcome.principal is None
    assert outcome.refusal is not None
    assert outcome.refusal.reason is reason
    assert witness.told == [("refused", reason)]


def test_a_missing_token_is_told_only_where_it_matters(guard: Guard, witness: Witness) -> None:
    """A public route without a token is no event; a refused one is."""
    outcome = _outcome(guard)
    assert outcome.refusal is not None
    assert witness.told == []
    assert guard.permit(outcome, _view(), optional=True) is None
    assert witness.told == []
    with pytest.raises(Refusal):
        guard.permit(outcome, _view())
    assert witness.told == [("refused", Reason.TOKEN_MISSING)]


def test_an_empty_outcome_is_a_missing_token(guard: Guard) -> None:
    """Fail closed where an adapter found nothing at all."""
    with pytest.raises(Refusal) as caught:
        guard.permit(Outcome(), _view())
    assert caught.value.reason is Reason.TOKEN_MISSING


@pytest.mark.parametrize(
    ("authorization", "bad_token", "passes"),
    [
        (None, "refuse", True),
        (None, "anonymous", True),
        ("Bearer x", "refuse", False),
        ("Bearer x", "anonymous", True),
        ("Bearer a,Bearer b", "refuse", False),
        ("Bearer a,Bearer b", "anonymous", False),
    ],
)
def test_optional_authentication_has_a_rule_for_bad_tokens(
    guard: Guard, authorization: str | None, bad_token: Any, passes: bool
) -> None:
    """A bad token counts as none only where that is said; an ambiguous request never does."""
    outcome = _outcome(guard, authorization)
    if passes:
        assert guard.permit(outcome, _view(), optional=True, bad_token=bad_token) is None
        return
    with pytest.raises(Refusal):
        guard.permit(outcome, _view(), optional=True, bad_token=bad_token)


@pytest.mark.parametrize("reason", [Reason.KEYS_UNAVAILABLE, Reason.BINDING_MISMATCH])
def test_an_outage_is_never_anonymous(guard: Guard, reason: Reason) -> None:
    """Only what says that the token is bad makes a caller anonymous."""
    outcome = Outcome(refusal=Refusal(reason))
    if reason is Reason.BINDING_MISMATCH:
        assert guard.permit(outcome, _view(), optional=True, bad_token="anonymous") is None
        return
    with pytest.raises(Refusal) as caught:
        guard.permit(outcome, _view(), optional=True, bad_token="anonymous")
    assert caught.value.status == 503


def test_a_requirement_is_asked_of_the_caller(guard: Guard, witness: Witness) -> None:
    """With the hierarchy and the path's parameters; a denial is told."""
    view = _view(tenant="acme")
    outcome = _outcome(guard, f"Bearer {mint(roles=['admin'], tenant='acme')}")
    asked = role("viewer") & tenant(path="tenant")
    assert guard.permit(outcome, view, asked) is outcome.principal
    assert guard.permit(outcome, view, asked, optional=True) is outcome.principal
    with pytest.raises(Refusal) as caught:
        guard.permit(outcome, _view(tenant="globex"), asked)
    assert caught.value.reason is Reason.TENANT_MISMATCH
    assert witness.told[-1] == ("denied", Reason.TENANT_MISMATCH)


def test_authorize_can_be_asked_without_a_request(guard: Guard) -> None:
    """In a service layer or a job, path parameters or none."""
    caller = guard.verify(mint(roles=["viewer"], tenant="acme"))
    guard.authorize(caller, role("viewer"))
    guard.authorize(caller, tenant(path="t"), {"t": "acme"})
    with pytest.raises(Refusal):
        guard.authorize(caller, tenant(path="t"))


def test_a_requirement_sees_the_guards_clock() -> None:
    """Freshness follows the same clock as expiry."""
    clock = Clock(NOW + 5)
    guard = Guard.from_config(configuration(), clock=clock)
    seen: list[float] = []
    guard.authorize(guard.verify(mint()), Requirement(lambda c: seen.append(c.now), "clock()"))
    assert seen == [NOW + 5]


def test_H10_no_log_holds_a_token(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """The logger gets the reason and the claim, in the text and as a field."""
    caplog.set_level(logging.DEBUG, "jwt_guard")
    token = mint(exp=NOW - 1, sub="line\r\nbreak")
    _outcome(guard, f"Bearer {token}")
    caller = guard.verify(mint(sub="line\r\nbreak"))
    with pytest.raises(Refusal):
        guard.authorize(caller, role("none"))
    assert [record.message for record in caplog.records] == [
        "refused: token_expired (exp)",
        "denied: role_missing",
    ]
    assert [record.__dict__["reason"] for record in caplog.records] == [
        "token_expired",
        "role_missing",
    ]


def test_the_log_may_be_another(caplog: pytest.LogCaptureFixture) -> None:
    """An application chooses its logger."""
    caplog.set_level(logging.INFO, "mine")
    LogObserver(logging.getLogger("mine")).refused(Refusal(Reason.TOKEN_MISSING), None)
    assert caplog.records[0].name == "mine"


# Our own tokens


@pytest.fixture
def own() -> Guard:
    """A guard that issues."""
    tokens = {"issuer": "https://own.test", "signing_keys": {"keys": [private_jwk()]}}
    raw = {"audience": ["api", "other"], "tokens": {**tokens, "access_lifetime": 60}}
    return Guard.from_config(raw, clock=Clock(NOW + 0.7))


def test_what_we_issue_we_verify(own: Guard) -> None:
    """All that was given comes back, with a lifetime in whole seconds."""
    assert own.issuer is not None
    token = own.issuer.issue(
        "ada",
        client_id="web",
        roles=["admin"],
        scopes=["a", "b"],
        tenant="acme",
        claims={"sid": "s", "auth_time": NOW, "acr": "mfa", "extra": 1},
    )
    caller = own.verify(token)
    assert (caller.subject, caller.client_id, caller.tenant) == ("ada", "web", "acme")
    assert caller.roles == {"admin"}
    assert caller.scopes == {"a", "b"}
    assert (caller.session_id, caller.authenticated_at, caller.acr) == ("s", NOW, "mfa")
    assert (caller.issued_at, caller.expires_at) == (NOW, NOW + 60)
    assert caller.claims["aud"] == ["api", "other"]
    assert len(caller.token_id or "") >= 20


def test_our_tokens_are_read_where_we_write_them() -> None:
    """Where roles and tenants of other issuers stand moves neither, nor what is asked of them."""
    own = {"issuer": "https://own.test", "signing_keys": {"keys": [private_jwk()]}}
    places = {"roles": {"claims": ["realm_access.roles"]}, "tenants": {"claim": "org_id"}}
    guard = Guard.from_config({**configuration(), **places, "tokens": own})
    assert guard.issuer is not None
    ours = guard.verify(guard.issuer.issue("ada", client_id="web", roles=["r"], tenant="acme"))
    theirs = guard.verify(mint(org_id="globex", realm_access={"roles": ["s"]}, tenant="acme"))
    assert (ours.roles, ours.tenant) == (frozenset({"r"}), "acme")
    assert (theirs.roles, theirs.tenant) == (frozenset({"s"}), "globex")


def test_what_is_empty_is_left_out(own: Guard) -> None:
    """No empty roles, scopes or tenants."""
    assert own.issuer is not None
    caller = own.verify(own.issuer.issue("ada", client_id="web"))
    assert set(caller.claims) == {"iss", "sub", "aud", "exp", "iat", "jti", "client_id"}
    other = own.verify(own.issuer.issue("ada", client_id="web"))
    assert other.token_id != caller.token_id


@pytest.mark.parametrize(("lifetime", "lives"), [(5, True), (0, False), (-5, False)])
def test_a_lifetime_may_be_chosen(own: Guard, lifetime: float, lives: bool) -> None:
    """Zero means zero, not the usual."""
    assert own.issuer is not None
    token = own.issuer.issue("ada", client_id="web", lifetime=lifetime)
    if lives:
        assert own.verify(token).expires_at == NOW + lifetime
    else:
        assert refused(own, token) == (Reason.TOKEN_EXPIRED, "exp")


def test_a_token_of_a_session_does_not_outlive_its_cut_off(own: Guard) -> None:
    """Which is kept as long as the configuration lets access tokens live."""
    assert own.issuer is not None
    own.issuer.issue("ada", client_id="web", claims={"sid": "s-1"}, lifetime=own.issuer.lifetime)
    own.issuer.issue("ada", client_id="web", lifetime=3600)
    with pytest.raises(ValueError, match="access_lifetime"):
        own.issuer.issue("ada", client_id="web", claims={"sid": "s-1"}, lifetime=3600)


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"])
def test_claims_that_are_decided_here_cannot_be_given(own: Guard, name: str) -> None:
    """An application cannot overrule them by accident."""
    assert own.issuer is not None
    with pytest.raises(ValueError, match="set"):
        own.issuer.issue("ada", client_id="web", claims={name: "x"})


def test_F10_our_own_clients_are_no_subjects(own: Guard) -> None:
    """Where we issue, a subject is never a client."""
    assert own.issuer is not None
    assert refused(own, own.issuer.issue("web", client_id="web")) == (Reason.CLAIM_INVALID, "sub")


def test_an_older_key_of_ours_still_verifies() -> None:
    """All keys of the set verify; only the first signs."""
    both = {"keys": [private_jwk("ES256", "new"), private_jwk("ES256", "old")]}
    raw = {"audience": "api", "tokens": {"issuer": "own", "signing_keys": both}}
    guard = Guard.from_config(raw)
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "ES256-old"}
    token = forge(header, claims(iss="own", aud="api"), signing_key=key("ES256", "old"))
    assert guard.verify(token).issuer == "own"


def test_without_tokens_nothing_is_issued(guard: Guard) -> None:
    """An application that only verifies has no issuer."""
    assert guard.issuer is None
    assert guard.signing_keys is None


# The drivers


class Ask(Effect[int]):
    """An effect that answers, or fails."""

    __slots__ = ("answer",)

    def __init__(self, answer: int | Exception) -> None:
        self.answer = answer

    def run(self) -> int:
        """See `Effect`."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def arun(self) -> int:
        """See `Effect`."""
        return self.run()


def _sum(*answers: int | Exception) -> Flow[int]:
    total = 0
    for answer in answers:
        try:
            total += yield from Ask(answer)
        except KeyError:
            total += 100
    return total


async def _both(make: Any) -> tuple[Any, Any]:
    """What both drivers make of a flow: its result, or its exception."""
    results: list[Any] = []
    for drive in (run, arun):
        try:
            result: Any = drive(make())
            results.append(await result if drive is arun else result)
        except Exception as error:  # noqa: BLE001 - to compare
            results.append(error)
    return results[0], results[1]


@pytest.mark.parametrize(
    ("answers", "total"),
    [((), 0), ((1, 2, 3), 6), ((1, KeyError("x"), 2), 103), ((KeyError("x"),), 100)],
)
async def test_both_drivers_answer_the_same(answers: Any, total: int) -> None:
    """Effects are answered, and their failures are thrown into the flow."""
    assert await _both(lambda: _sum(*answers)) == (total, total)


async def test_what_a_flow_does_not_catch_comes_out() -> None:
    """The failure of an effect, as it was."""
    error = ValueError("x")
    assert await _both(lambda: _sum(1, error, 2)) == (error, error)


async def test_a_flow_that_needs_nothing_never_waits(guard: Guard) -> None:
    """`arun` of a cached verification ends without giving way to another task."""
    coroutine = arun(guard.identify(_view(f"Bearer {mint()}")))
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    assert stopped.value.value.principal.subject == "ada"


@pytest.mark.parametrize(
    "view", [_view("Bearer x"), WsgiView({"HTTP_AUTHORIZATION": "Bearer x"})], ids=["asgi", "wsgi"]
)
def test_a_refusal_becomes_a_reply(guard: Guard, view: Any) -> None:
    """With the configured realm."""
    outcome = run(guard.identify(view))
    assert outcome.refusal is not None
    assert dict(guard.reply(outcome.refusal).headers)["WWW-Authenticate"].endswith('realm="api"')

"""What an attack is: declared objects, and the words in which its outcome is told."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, StrEnum
from functools import wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jwt_guard.attacks.context import Context


NOT_REACHED = "not reached"
"""How the reason of an attack begins that the run ended before."""


class Severity(IntEnum):
    """How bad a finding is; ordered, so that `--fail-on` can compare."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """The word used in reports and on the command line."""
        return self.name.lower()


class Verdict(StrEnum):
    """What is known about the target after one attack."""

    SAFE = "safe"
    VULNERABLE = "vulnerable"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """What one answer means, by comparison with the baseline."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    CRASHED = "crashed"
    THROTTLED = "throttled"
    TIMED_OUT = "timed out"
    DROPPED = "connection dropped"
    UNSENT = "not sendable"
    ODD = "unexpected"


class Turn(IntEnum):
    """When an attack's turn comes: what it leaves behind must not spoil the others."""

    FIRST = 0
    ANY = 1
    ENDS_SESSIONS = 2
    ENDS_ACCOUNT = 3


class Need(Enum):
    """Something that an attack cannot do without; the value is what a report says."""

    PUBLIC_KEY = "the target's public key (--jwks)"
    KEY_SET = "the target's published key set (--jwks)"
    SIGNING_KEY = "the signing key (--signing-key)"
    HMAC_TOKEN = "a token signed with HMAC"
    ASYMMETRIC_TOKEN = "a token with an asymmetric signature"
    RSA_TOKEN = "a token with an RSA signature"
    EC_TOKEN = "a token with an ECDSA signature"
    RSA_PUBLIC_KEY = "the target's RSA public key (--jwks)"
    EC_PUBLIC_KEY = "the target's EC public key (--jwks)"
    RECOVERABLE_TOKEN = "a token signed with ES256 or ES384"
    ENCRYPTION_KEY = "the target's RSA or EC public key (--jwks)"
    LISTENER = "a callback listener (--callback)"
    RETIRED_KEY = "a retired signing key (--retired-key)"
    SECOND_TOKEN = "a second user's token (--second-token)"
    SECOND_ISSUER = "a second trusted issuer's name (--second-issuer)"
    OTHER_KIND = "another kind of token (--other-token) or the signing key"
    LOGIN = "a login route (--login)"
    REFRESH = "a login route and a refresh route (--login, --refresh)"
    LOGOUT = "a login route and a logout route (--login, --logout)"
    LOGOUT_EVERYWHERE = "login and logout-everywhere routes (--login, --logout-everywhere)"
    LOGOUT_REFRESH = "login, refresh and logout routes (--login, --refresh, --logout)"
    HEADER = "a token that travels in a header"
    COOKIE = "a cookie that carries the token (--cookie), or a login that sets one (--cookie-login)"
    CSRF = "an unsafe route (--unsafe-route) with --cookie or --cookie-login"
    ROLE_ROUTE = "a role-protected route (--role-route) with --signing-key or --second-token"
    TENANT_ROUTE = "another tenant's route (--tenant-route)"
    STREAM_ROUTE = (
        "a streaming route (--stream-route, --websocket-route) with --signing-key, "
        "or with --login and --logout"
    )
    DPOP_KEY = "a DPoP-bound token and its key (--dpop-key)"
    DPOP_SIGNING_KEY = "the DPoP key and the signing key (--dpop-key, --signing-key)"
    BOUND_TOKEN = "a sender-constrained token (cnf claim)"
    MTLS_TOKEN = "a token bound to a TLS certificate (cnf.x5t#S256)"
    ONE_TIME = "one-time tokens (--policy one-time-tokens)"
    CLIENT_BOUND = "one intended client (--policy client-bound) and the signing key"
    DEVICE_BOUND = "device-bound sessions (--policy device-bound) and a refresh route"
    ACCOUNT_CHANGE = "a way to change the account (--disable)"
    PROVIDER = "a target that takes its keys from us (--provider, --callback, --signing-key)"
    COLD_START = "a target that starts while its provider is down (a test of your own)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; `target` is the path with its query, exactly as sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of that name, or None."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def adding(self, name: str, value: str) -> Request:
        """A copy with one header more; an equal name is not replaced."""
        return replace(self, headers=(*self.headers, (name, value)))

    def without(self, name: str) -> Request:
        """A copy without any header of that name."""
        kept = tuple(h for h in self.headers if h[0].lower() != name.lower())
        return replace(self, headers=kept)

    def setting(self, name: str, value: str) -> Request:
        """A copy in which the header stands exactly once."""
        return self.without(name).adding(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `status` 0 and a `failure` when nothing did. `elapsed` in seconds."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    elapsed: float = 0.0
    failure: Outcome | None = None
    detail: str = ""

    def header(self, name: str) -> str | None:
        """The first header of that name, or None."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def headers_named(self, name: str) -> tuple[str, ...]:
        """Every value of that header, in order."""
        return tuple(v for n, v in self.headers if n.lower() == name.lower())

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request, its answer, and what the answer means."""

    label: str
    request: Request
    answer: Answer
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The judgement of one exchange; `severity` None means the attack's own."""

    verdict: Verdict
    says: str
    severity: Severity | None = None


Check = Callable[["Exchange"], Ruling]


def safe(says: str) -> Ruling:
    """The answer proves safety."""
    return Ruling(verdict=Verdict.SAFE, says=says)


def hole(says: str, severity: Severity | None = None) -> Ruling:
    """The answer proves a hole."""
    return Ruling(verdict=Verdict.VULNERABLE, says=says, severity=severity)


def unclear(says: str) -> Ruling:
    """The answer proves nothing."""
    return Ruling(verdict=Verdict.INCONCLUSIVE, says=says)


def _judge(exchange: Exchange, crash: Severity) -> Ruling:
    match exchange.outcome:
        case Outcome.ACCEPTED:
            return hole(f"accepted with {exchange.answer.status}")
        case Outcome.CRASHED:
            return hole(f"server error: {exchange.answer.detail or exchange.answer.status}", crash)
        case Outcome.REFUSED:
            return safe(f"refused with {exchange.answer.status}")
        case other:
            return unclear(f"{other}: {exchange.answer.detail or exchange.answer.status}")


def must_refuse(exchange: Exchange) -> Ruling:
    """The common rule: accepted is a hole, a server error is one of its own, refused is safe."""
    return _judge(exchange, Severity.MEDIUM)


def must_refuse_signed(exchange: Exchange) -> Ruling:
    """The same for a truly signed token: only the issuer can cause the server error."""
    return _judge(exchange, Severity.LOW)


def must_not_crash(exchange: Exchange) -> Ruling:
    """For truly signed tokens: accepted and refused are both right, a server error is not."""
    if exchange.outcome is Outcome.ACCEPTED:
        return safe(f"answered {exchange.answer.status} without harm")
    return must_refuse_signed(exchange)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request to send and the rule that judges its answer; None judges nothing.

    `timeout` in seconds bounds this one request; None means the run's own bound. `delay` is how
    many seconds after the others of a parallel step it is sent.
    """

    label: str
    request: Request
    check: Check | None = must_refuse
    severity: Severity | None = None
    timeout: float | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Ask the runner to send these probes, all at once when `parallel`."""

    probes: tuple[Probe, ...]
    parallel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Ask the runner to let so many seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Tell the runner a judgement that no single answer gives; `about` is what was tried."""

    about: str
    ruling: Ruling
    exchange: Exchange | None = None


Step = Send | Wait | Rule
Play = Generator[Step, tuple[Exchange, ...], None]


class CannotTest(Exception):
    """A preparation that the attack rests on failed; the message says which."""


def ask(probe: Probe) -> Generator[Step, tuple[Exchange, ...], Exchange]:
    """Send one probe and give its exchange back to the attack."""
    (exchange,) = yield Send(probes=(probe,))
    return exchange


def burst(probes: Iterable[Probe]) -> Generator[Step, tuple[Exchange, ...], tuple[Exchange, ...]]:
    """Send the probes at the same moment and give their exchanges back."""
    return (yield Send(probes=tuple(probes), parallel=True))


def each(forge: Callable[[Context], Iterable[Probe]]) -> Callable[[Context], Play]:
    """Make a play of a function that only lists probes."""

    @wraps(forge)
    def play(context: Context) -> Play:
        for probe in forge(context):
            yield Send(probes=(probe,))

    return play


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One entry of the catalogue.

    `play` forges requests from a context and yields them as steps; `expected` is the answer that
    proves safety, `proves` what a hole means to the owner, `remedy` how to close it.
    """

    id: str
    title: str
    severity: Severity
    play: Callable[[Context], Play]
    proves: str
    remedy: str
    references: tuple[str, ...]
    expected: str = '401 with WWW-Authenticate: Bearer error="invalid_token"'
    needs: tuple[Need, ...] = ()
    turn: Turn = Turn.ANY

    @property
    def group(self) -> str:
        """The letter of the playbook's group."""
        return self.id[0]


def no_play(_context: Context) -> Play:
    """The play of attacks that cannot be judged from outside; never run, their need is absent."""
    yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One judged exchange, ready to be shown: no token in it, lengths bounded."""

    label: str
    sent: str
    received: str
    says: str
    verdict: Verdict
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one attack showed. `seconds` is how long it took, `requests` how many it sent.

    `throttled` means that the target's rate limit kept it from being judged.
    """

    attack: Attack
    verdict: Verdict
    reason: str
    severity: Severity
    evidence: tuple[Evidence, ...] = ()
    seconds: float = 0.0
    requests: int = 0
    throttled: bool = False

    @property
    def holes(self) -> tuple[Evidence, ...]:
        """The evidence that proves a hole, worst first."""
        found = [e for e in self.evidence if e.verdict is Verdict.VULNERABLE]
        return tuple(sorted(found, key=lambda e: -e.severity))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that one run found; `trouble` says why it could not test, or stopped early.

    `discovered` is what the run learned about the token by itself.
    """

    target: str
    started: str
    results: tuple[Result, ...]
    requests: int
    seconds: float
    version: str
    discovered: tuple[str, ...] = ()
    trouble: str | None = None
    interrupted: bool = False

    @property
    def findings(self) -> tuple[Result, ...]:
        """The vulnerable results, worst first, then in playbook order."""
        found = [r for r in self.results if r.verdict is Verdict.VULNERABLE]
        return tuple(sorted(found, key=lambda r: -r.severity))

    def counted(self, verdict: Verdict) -> int:
        """How many attacks ended with that verdict."""
        return sum(r.verdict is verdict for r in self.results)

    @property
    def hindrance(self) -> str | None:
        """Why the run proves too little: trouble, a limited rate, or nothing that was judged."""
        throttled = sum(result.throttled for result in self.results)
        if self.trouble is None and throttled:
            return f"the target limits the rate: {throttled} attacks not judged (lower --rate)"
        if self.trouble is None and not self._judged:
            return "not one of the attacks could be judged: see what each needs"
        return self.trouble

    @property
    def _judged(self) -> int:
        return self.counted(Verdict.SAFE) + self.counted(Verdict.VULNERABLE)

    def exit_status(self, fail_on: Severity) -> int:
        """0 safe, 1 a finding at or above `fail_on`, 2 could not test."""
        if any(r.severity >= fail_on for r in self.findings):
            return 1
        return 2 if self.hindrance else 0

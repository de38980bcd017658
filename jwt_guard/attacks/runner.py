"""Running the catalogue against a target: baseline, attacks, judgement, report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Protocol

from jwt_guard.attacks import discovery, forge
from jwt_guard.attacks.baseline import BAD_TOKEN, Baseline, Reader, Untestable, check_good, expired
from jwt_guard.attacks.context import Context
from jwt_guard.attacks.courier import Courier, LimitReached, Limits, Timed
from jwt_guard.attacks.dpop import Prover
from jwt_guard.attacks.listener import Listener
from jwt_guard.attacks.material import BadKey, JoseSigner, proof_signer, signer_from
from jwt_guard.attacks.model import (
    NOT_REACHED,
    Answer,
    Attack,
    CannotTest,
    Evidence,
    Exchange,
    Outcome,
    Play,
    Probe,
    Report,
    Result,
    Rule,
    Ruling,
    Send,
    Severity,
    Step,
    Turn,
    Verdict,
    Wait,
    safe,
)
from jwt_guard.attacks.plan import Carrier, Plan
from jwt_guard.attacks.redact import shown_answer, shown_request
from jwt_guard.attacks.targets import NetworkTarget, Target

GONE = "the good token no longer passes"
LOCKED_OUT = "locked out, revoked, or the target broke"
GONE_BY = {
    Outcome.THROTTLED: "the target limits the rate (429 or 503): lower --rate, or lift the limit",
    Outcome.TIMED_OUT: "the target hangs, it does not answer in time",
    Outcome.DROPPED: "the target has gone, it takes no connection",
    Outcome.CRASHED: "the target broke, it answers with a server error",
}
RETRY_CONTROL = 1.0
UNWELCOME = frozenset([301, 302, 303, 307, 308, 400, 401, 403])


class Observer(Protocol):
    """Told how a run goes on, for live progress."""

    def begins(self, attacks: Sequence[Attack]) -> None:
        """The run starts with these attacks, in this order."""
        ...

    def tries(self, attack: Attack) -> None:
        """The attack is tried now."""
        ...

    def ends(self, result: Result) -> None:
        """The attack is over."""
        ...


class Silent:
    """The observer that says nothing."""

    def begins(self, attacks: Sequence[Attack]) -> None:
        """Nothing."""

    def tries(self, attack: Attack) -> None:
        """Nothing."""

    def ends(self, result: Result) -> None:
        """Nothing."""


@dataclass(slots=True, kw_only=True)
class _Played:
    """What one attack has shown so far."""

    rulings: list[tuple[str, Ruling, Exchange | None, Severity]] = field(default_factory=list)
    trouble: str | None = None


class Runner:
    """One run of attacks against one target."""

    def __init__(
        self,
        target: Target,
        plan: Plan,
        *,
        limits: Limits | None = None,
        listener: Listener | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._plan = plan
        self._target = target
        self._courier = Courier(target, limits or Limits())
        self._listener = listener
        self._observer = observer or Silent()
        self._context: Context | None = None
        self._reader = Reader()
        self._results: list[Result] = []
        self._discovered: tuple[str, ...] = ()
        self._trouble: str | None = None
        self._interrupted = False

    def run(self, attacks: Iterable[Attack]) -> Report:
        """Every attack once, each in its turn. Never raises for what a target does."""
        started, since = datetime.now(UTC), time.monotonic()
        ordered = sorted(attacks, key=lambda attack: attack.turn)
        self._observer.begins(ordered)
        try:
            self.prepare()
            self._run_each(ordered)
        except (Untestable, LimitReached) as e:
            self._trouble = str(e)
        except KeyboardInterrupt:
            self._interrupted, self._trouble = True, "what was found so far is reported"
        return Report(
            target=self._target.name,
            started=started.isoformat(timespec="seconds"),
            results=tuple(self._completed(attacks)),
            requests=self._courier.sent,
            seconds=time.monotonic() - since,
            version=metadata.version("jwt-guard-web"),
            discovered=self._discovered,
            trouble=self._trouble,
            interrupted=self._interrupted,
        )

    def _completed(self, attacks: Iterable[Attack]) -> Iterable[Result]:
        """All results in playbook order, with those attacks that were never reached."""
        done = {result.attack.id: result for result in self._results}
        reason = f"{NOT_REACHED}: {self._trouble}"
        for attack in attacks:
            yield done.get(attack.id) or _result(attack, Verdict.INCONCLUSIVE, reason)

    def prepare(self) -> Context:
        """Prove that the target can be tested, and gather what attacks need. Raises Untestable."""
        if self._context is None:
            self._context = self._prepared()
        return self._context

    def _prepared(self) -> Context:
        token = _parsed(self._plan.token)
        prover = self._prover()
        self._publish(token)
        baseline = self._baseline(prover)
        self._reader = baseline.reader(self._plan.marker)
        try:
            found = discovery.discover(self._plan, token, self._courier)
            context = Context(
                plan=self._plan,
                token=token,
                origin=self._target.origin,
                good=baseline.good,
                bad=baseline.bad,
                nothing=baseline.nothing,
                keys=found.keys,
                jwks=found.jwks,
                signer=_signer(self._plan.signing_key, token),
                retired=_signer(self._plan.retired_key, token),
                prover=prover,
                listener=self._listener,
                settle=0.3 if isinstance(self._target, NetworkTarget) else 0.05,
            )
        except BadKey as e:
            raise Untestable(f"a given key cannot be used: {e}") from None
        self._discovered = _told(context, found)
        self._check_signer(context, prover)
        return context

    def _publish(self, token: forge.Token) -> None:
        """Serve the owner's public key to a target that takes its keys from us."""
        if not self._plan.provider:
            return
        try:
            signer = _signer(self._plan.signing_key, token)
        except BadKey as e:
            raise Untestable(f"a given key cannot be used: {e}") from None
        if self._listener is None or not isinstance(signer, JoseSigner):
            raise Untestable("to be the provider takes --callback and an asymmetric --signing-key")
        self._listener.provider.honest = (signer.public_jwk,)

    def _check_signer(self, context: Context, prover: Prover | None) -> None:
        """A wrong signing key would make every forgery with it look refused for its content."""
        if context.signer is None:
            return
        if self._reader.read(self._present(context.mint(), prover)) is not Outcome.ACCEPTED:
            raise Untestable("the target refuses a fresh token by the signing key: the wrong key?")

    def _prover(self) -> Prover | None:
        if self._plan.dpop_key is None:
            return None
        try:
            signer = proof_signer(self._plan.dpop_key)
        except BadKey as e:
            raise Untestable(f"the DPoP key cannot be used: {e}") from None
        return Prover(signer=signer, origin=self._target.origin)

    def _baseline(self, prover: Prover | None) -> Baseline:
        good = self._present_again(prover)
        _explain_expiry(good, self._plan.token)
        if good.status in UNWELCOME and self._plan.carrier == Carrier():
            good = self._elsewhere(prover) or good
        check_good(good, self._plan.marker)
        bad = self._present(BAD_TOKEN, prover)
        nothing = self._courier.send(self._plan.request)
        return Baseline(good=good, bad=bad, nothing=nothing)

    def _present_again(self, prover: Prover | None) -> Answer:
        """Present the good token; once more where a nonce for its proof was asked for."""
        answer = self._present(self._plan.token, prover)
        if answer.status in {400, 401} and answer.header("DPoP-Nonce") and prover is not None:
            return self._present(self._plan.token, prover)
        return answer

    def _elsewhere(self, prover: Prover | None) -> Answer | None:
        """Find out where the token travels; None, and as before, where it passes nowhere."""
        told = self._plan
        for carrier in discovery.USUAL_CARRIERS:
            self._plan = replace(told, carrier=carrier)
            answer = self._present_again(prover)
            if 200 <= answer.status < 300 and (told.marker or "") in answer.text:
                return answer
        self._plan = told
        return None

    def _present(self, token: str, prover: Prover | None) -> Answer:
        request = self._plan.carrier.put(self._plan.request, token)
        if prover is not None:
            request = request.setting("DPoP", prover.proof(request, token))
        answer = self._courier.send(request)
        if prover is not None:
            prover.heed(answer)
        return answer

    def _run_each(self, attacks: Sequence[Attack]) -> None:
        for attack in attacks:
            self._observer.tries(attack)
            result = self.attack(attack)
            self._results.append(result)
            self._observer.ends(result)

    def attack(self, attack: Attack) -> Result:
        """Try one attack and judge it. Raises Untestable when the good token is gone after it."""
        context = self.prepare()
        need = context.lacking(attack.needs)
        if need is not None:
            return _result(attack, Verdict.SKIPPED, f"needs {need.value}")
        since, sent = time.monotonic(), self._courier.sent
        played = self._play(attack, context)
        control = Outcome.ACCEPTED if attack.turn > Turn.ANY else self._control()
        alive = control is Outcome.ACCEPTED
        result = _judged(attack, played, alive, time.monotonic() - since, self._courier.sent - sent)
        if not alive:
            self._results.append(result)
            self._observer.ends(result)
            raise Untestable(self._gone(attack, control))
        return result

    def _play(self, attack: Attack, context: Context) -> _Played:
        played = _Played()
        try:
            self._drive(attack.play(context), attack, played)
        except CannotTest as e:
            played.trouble = str(e)
        except (LimitReached, Untestable):
            raise
        except Exception as e:  # noqa: BLE001 - odd tokens and answers must not end the run
            played.trouble = f"the attack itself failed: {type(e).__name__}"
        return played

    def _drive(self, play: Play, attack: Attack, played: _Played) -> None:
        exchanges: tuple[Exchange, ...] = ()
        step = next(play, None)
        while step is not None:
            exchanges = self._perform(step, attack, played)
            try:
                step = play.send(exchanges)
            except StopIteration:
                step = None

    def _perform(self, step: Step, attack: Attack, played: _Played) -> tuple[Exchange, ...]:
        match step:
            case Send():
                return self._sent(step, attack, played)
            case Wait():
                self._courier.wait(step.seconds)
            case Rule():
                severity = _severity(step.ruling, None, attack)
                played.rulings.append((step.about, step.ruling, step.exchange, severity))
        return ()

    def _sent(self, step: Send, attack: Attack, played: _Played) -> tuple[Exchange, ...]:
        exchanges = tuple(
            Exchange(
                label=probe.label,
                request=probe.request,
                answer=answer,
                outcome=self._reader.read(answer),
            )
            for probe, answer in zip(step.probes, self._answers(step), strict=True)
        )
        for probe, exchange in zip(step.probes, exchanges, strict=True):
            if probe.check is not None:
                _note(played, probe, probe.check(exchange), exchange, attack)
        return exchanges

    def _answers(self, step: Send) -> tuple[Answer, ...]:
        if any(probe.delay for probe in step.probes):
            answers = self._courier.send_timed([_timed(probe) for probe in step.probes])
        elif step.parallel:
            answers = self._courier.send_all([probe.request for probe in step.probes])
        else:
            answers = tuple(
                self._courier.send(probe.request, timeout=probe.timeout) for probe in step.probes
            )
        prover = self._context.prover if self._context else None
        if prover is not None:
            for answer in answers:
                prover.heed(answer)
        return answers

    def _control(self) -> Outcome:
        """How the good token fares now; asked twice, for a target that draws breath."""
        outcome = self._good_again()
        if outcome is Outcome.ACCEPTED:
            return outcome
        self._courier.wait(RETRY_CONTROL)
        return self._good_again()

    def _good_again(self) -> Outcome:
        prover = self._context.prover if self._context else None
        return self._reader.read(self._present(self._plan.token, prover))

    def _gone(self, attack: Attack, control: Outcome) -> str:
        context = self.prepare()
        if expired(context.token.payload) is not None:
            return f"{GONE}: it has expired, during {attack.id}; give one that lives longer"
        return f"{GONE}, since {attack.id}: {GONE_BY.get(control, LOCKED_OUT)}"


def _timed(probe: Probe) -> Timed:
    return Timed(request=probe.request, delay=probe.delay, timeout=probe.timeout)


def _told(context: Context, found: discovery.Found) -> tuple[str, ...]:
    """What was found out about the target, in sentences without a verb."""
    keys = f"{len(found.keys)} of {len(found.jwks)} published keys usable ({found.place})"
    return (
        f"signed with {context.token.alg or 'no algorithm'}",
        f"carried in {context.plan.carrier.place}",
        keys if found.jwks else "no published key found (--jwks)",
    )


def _parsed(text: str) -> forge.Token:
    try:
        return forge.parse(text)
    except ValueError as e:
        raise Untestable(f"the given token is no signed JSON Web Token: {e}") from None


def _explain_expiry(good: Answer, text: str) -> None:
    ago = expired(_parsed(text).payload)
    if ago is not None and good.status in UNWELCOME:
        raise Untestable(f"the given token expired {ago:.0f} s ago: give a fresh one")


def _signer(text: str | None, token: forge.Token) -> forge.Signer | None:
    return None if text is None else signer_from(text, alg=token.alg, kid=token.kid)


def _note(
    played: _Played, probe: Probe, ruling: Ruling, exchange: Exchange, attack: Attack
) -> None:
    severity = _severity(ruling, probe.severity, attack)
    played.rulings.append((probe.label, ruling, exchange, severity))


def _severity(ruling: Ruling, probes: Severity | None, attack: Attack) -> Severity:
    """The ruling's own severity, else the probe's, else the attack's; INFO is zero, and counts."""
    known = (ruling.severity, probes, attack.severity)
    return next(severity for severity in known if severity is not None)


def _judged(attack: Attack, played: _Played, alive: bool, seconds: float, requests: int) -> Result:
    evidence = tuple(_evidence(*ruling) for ruling in _weighed(played, alive))
    verdict, reason = _verdict(evidence, played, alive)
    holes = [e.severity for e in evidence if e.verdict is Verdict.VULNERABLE]
    return Result(
        attack=attack,
        verdict=verdict,
        reason=reason,
        severity=max(holes, default=attack.severity),
        evidence=evidence,
        seconds=seconds,
        requests=requests,
        throttled=verdict is Verdict.INCONCLUSIVE and _throttled(played),
    )


def _throttled(played: _Played) -> bool:
    exchanges = (exchange for _, _, exchange, _ in played.rulings)
    return any(e is not None and e.outcome is Outcome.THROTTLED for e in exchanges)


_Weighed = list[tuple[str, Ruling, Exchange | None, Severity]]


def _weighed(played: _Played, alive: bool) -> _Weighed:
    """The rulings that count: what could not be sent does not, and a cut connection is a no."""
    counted: _Weighed = []
    for label, ruling, exchange, severity in played.rulings:
        open_question = exchange is not None and ruling.verdict is Verdict.INCONCLUSIVE
        outcome = exchange.outcome if exchange is not None and open_question else None
        if outcome is Outcome.DROPPED and alive:
            counted.append((label, safe("the target closed the connection"), exchange, severity))
        elif outcome is not Outcome.UNSENT:
            counted.append((label, ruling, exchange, severity))
    return counted


def _verdict(evidence: tuple[Evidence, ...], played: _Played, alive: bool) -> tuple[Verdict, str]:
    holes = [e for e in evidence if e.verdict is Verdict.VULNERABLE]
    unclear = [e for e in evidence if e.verdict is Verdict.INCONCLUSIVE]
    if holes:
        worst = max(holes, key=lambda e: e.severity)
        return Verdict.VULNERABLE, f"{worst.label}: {worst.says}"
    if played.trouble is not None:
        return Verdict.INCONCLUSIVE, played.trouble
    if not alive:
        return Verdict.INCONCLUSIVE, GONE
    if unclear:
        return Verdict.INCONCLUSIVE, f"{unclear[0].label}: {unclear[0].says}"
    if not evidence:
        return Verdict.INCONCLUSIVE, "nothing of it could be tried with this token"
    return Verdict.SAFE, f"{len(evidence)} of {len(evidence)} held"


def _evidence(
    label: str, ruling: Ruling, exchange: Exchange | None, severity: Severity
) -> Evidence:
    return Evidence(
        label=label,
        sent=shown_request(exchange.request) if exchange else "",
        received=shown_answer(exchange.answer) if exchange else "",
        says=ruling.says,
        verdict=ruling.verdict,
        severity=severity,
    )


def _result(attack: Attack, verdict: Verdict, reason: str) -> Result:
    return Result(attack=attack, verdict=verdict, reason=reason, severity=attack.severity)

"""The audit trail: the observer that records everything."""

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

import msgspec

from jwt_guard.audit import facts
from jwt_guard.audit.detect.suite import DetectorSuite
from jwt_guard.audit.facts import Fact
from jwt_guard.audit.lane import Lane
from jwt_guard.audit.metrics import Metrics
from jwt_guard.audit.observer import Occurrence, Pending, settle
from jwt_guard.audit.queue import FactQueue, QueueRules, Ticket
from jwt_guard.audit.sampling import Each, Sampling
from jwt_guard.audit.shown import Shower
from jwt_guard.audit.sinks import Encoder, Format, Sink
from jwt_guard.audit.writer import Watcher, Writer
from jwt_guard.errors import Reason, Refusal
from jwt_guard.http import RequestView
from jwt_guard.principal import Principal

__all__ = ["AuditTrail"]

_OF_LANES = (
    ("backlog", "Records that wait for a sink.", "gauge"),
    ("written", "Records written by a sink.", "counter"),
    ("dropped", "Records for which a sink had no room.", "counter"),
    ("failures", "Failed attempts of a sink.", "counter"),
)
_LAST_PATIENCE = 5.0
_starting = threading.Lock()
_trails: "weakref.WeakSet[AuditTrail]" = weakref.WeakSet()


class AuditTrail:
    """Records outcomes off the request's path. An `Observer`; shared by all threads and tasks.

    Its threads begin with the first event, in whichever process that happens; a forked child
    begins its own. `close` it, or leave it to the interpreter's end, to have everything written.

    Args:
        sinks: where records go.
        encoders: writes records, by format.
        shower: makes facts fit to be written.
        rules: how many facts may wait and what happens to one more.
        sampling: which of the verified requests are written; all, in strict mode.
        suite: the detectors, which see every fact.
        clock: seconds since 1970 UTC.

    Attributes:
        metrics: what was counted.
        secret: what refused tokens are digested under.
        trace: tells the id of the current trace, if there is such a thing.
        issuer: our own `iss`, which subjects belong to where nobody says otherwise.
        opening: what is recorded when the trail begins, in each process.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        encoders: dict[Format, Encoder],
        shower: Shower,
        rules: QueueRules | None = None,
        sampling: Sampling | None = None,
        suite: DetectorSuite | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.sinks = sinks
        self.suite = suite
        self.metrics = Metrics()
        self.watchers: list[Watcher] = [self.metrics, *([suite] if suite else [])]
        self._encoders = encoders
        self._shower = shower
        self.secret = os.urandom(32)
        self.trace: Callable[[], str | None] | None = None
        self.issuer: str | None = None
        self.opening: list[Occurrence] = []
        self._rules = rules or QueueRules()
        self._sampling = Each() if self._rules.strict or sampling is None else sampling
        self._clock = clock
        self._writer: Writer | None = None
        self._running = False
        self.lanes: list[Lane] = []
        self.queue = FactQueue(self._rules)
        self._add_gauges()
        _trails.add(self)

    def authenticated(self, principal: Principal, view: RequestView | None) -> Pending:
        """See `Observer`."""
        if self.suite is not None and self.suite.demands:
            since = self.suite.demands.unmet(principal.identity, principal.authenticated_at)
            if since is not None:
                return self._must_step_up(principal, view, since)
        fact = facts.of_principal(
            facts.AUTHENTICATED, self._clock(), principal, facts.seen(view), None, self._traced()
        )
        return self._put(fact)

    def _must_step_up(
        self, principal: Principal, view: RequestView | None, since: float
    ) -> NoReturn:
        """An alert asked for the caller's proof of being present (RFC 9470 section 3)."""
        max_age = max(1, int(self._clock() - since))
        refusal = Refusal(Reason.AUTHENTICATION_TOO_OLD, max_age=max_age)
        settle(self.denied(refusal, principal, view))
        raise refusal

    def refused(self, refusal: Refusal, view: RequestView | None) -> Pending:
        """See `Observer`."""
        said = facts.presented(view, self.secret)
        return self._put(
            facts.of_refusal(self._clock(), refusal, facts.seen(view), said, self._traced())
        )

    def denied(self, refusal: Refusal, principal: Principal, view: RequestView | None) -> Pending:
        """See `Observer`."""
        fact = facts.of_principal(
            facts.DENIED, self._clock(), principal, facts.seen(view), refusal, self._traced()
        )
        return self._put(fact)

    def happened(self, occurrence: Occurrence) -> Pending:
        """See `Observer`."""
        fact = facts.of_occurrence(self._clock(), occurrence, self._traced())
        if fact.issuer is None and self.issuer is not None:
            fact = msgspec.structs.replace(fact, issuer=self.issuer)
        return self._put(fact)

    def flush(self, patience: float = 5.0) -> bool:
        """Wait until everything recorded so far is written. False if that took too long."""
        if self._writer is None:
            return True
        ticket = Ticket(patience)
        self.queue.force(None, ticket)
        try:
            ticket.run()
        except Refusal:
            return False
        return True

    def close(self, patience: float = 5.0) -> None:
        """Write what waits, for at most so many seconds, and end the threads."""
        self._running = True  # begins no more
        writer, self._writer = self._writer, None
        if writer is not None:
            self._ending.detach()
            writer.close(patience)

    def _traced(self) -> str | None:
        return self.trace() if self.trace is not None else None

    def _put(self, fact: Fact) -> Pending:
        if not self._running:
            self._start()
        return self.queue.put(fact)

    def _add_gauges(self) -> None:
        """What the trail can tell of itself."""
        metrics = self.metrics
        metrics.gauge(
            "audit_queue_depth", "Events that wait.", lambda: {(): float(len(self.queue))}
        )
        metrics.gauge(
            "audit_queue_dropped",
            "Events that found no room.",
            lambda: {(): float(self.queue.dropped)},
            kind="counter",
        )
        metrics.gauge(
            "audit_refused",
            "Requests refused for want of a record.",
            lambda: {(): float(self.queue.refused)},
            kind="counter",
        )
        for name, doc, kind in _OF_LANES:
            metrics.gauge(f"audit_sink_{name}", doc, partial(self._of_lanes, name), kind=kind)
        if self.suite is not None:
            self.suite.actions.append(lambda alert: metrics.alert(alert.rule))

    def _of_lanes(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        return {(("sink", lane.sink.name),): float(getattr(lane, name)) for lane in self.lanes}

    def _start(self) -> None:
        """Begin to write; where no thread can be had, the next event tries again."""
        with _starting:
            if self._running:
                return
            if self._writer is None:
                self._writer = self._new_writer()
                self._ending = weakref.finalize(self, self._writer.close, _LAST_PATIENCE)
            self._running = self._writer.start()

    def _new_writer(self) -> Writer:
        rules = self._rules
        self.lanes = [
            Lane(
                sink,
                self._encoders[sink.format],
                capacity=rules.size,
                lossy=rules.lossy,
                failing=self.queue.mark,
            )
            for sink in self.sinks
        ]
        for occurrence in self.opening:
            self.queue.force(facts.of_occurrence(self._clock(), occurrence))
        return Writer(self.queue, self._shower, self.lanes, self._sampling, self.watchers)

    def after_fork(self) -> None:
        """The parent's threads are not here, and what it had queued, it will write."""
        self.queue = FactQueue(self._rules)
        self.metrics.after_fork()
        if self._writer is not None:
            self._ending.detach()
            self._writer = None
            self._running = False


def _reset_all() -> None:
    global _starting  # noqa: PLW0603 - the parent may have held it
    _starting = threading.Lock()
    for trail in list(_trails):
        trail.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)

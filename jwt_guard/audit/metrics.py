"""Counts and times of token use, for Prometheus and OpenTelemetry.

Counted where the events are written, off the request's path, and before any sampling. The text
format of Prometheus is written here, so that nothing needs to be installed for it.
"""

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from jwt_guard.audit.facts import AUTHENTICATED, DENIED, REFUSED, Fact

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation

__all__ = ["CONTENT_TYPE", "Gauge", "Histogram", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of the text format of Prometheus."""

Labels = tuple[tuple[str, str], ...]
Gauge = Callable[[], Mapping[Labels, float]]
"""Answers the values of now, by their labels."""

BUCKETS = (5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, 0.1, 0.5, 2.5)
"""Upper bounds in seconds: from a cached token to a set of keys that had to be fetched."""

_RESULTS = {AUTHENTICATED: "accepted", REFUSED: "refused", DENIED: "denied"}


class Histogram:
    """How often a time fell into which bucket. Shared by all threads.

    To observe costs a request one append; the times are sorted in later, by whoever reads or
    writes the log.

    Attributes:
        observe: takes a time, in seconds.
        told: who else is told of each time, when it is sorted in.
    """

    def __init__(self, bounds: Sequence[float] = BUCKETS) -> None:
        self.bounds = tuple(bounds)
        self._new: deque[float] = deque()
        self.observe: Callable[[float], None] = self._new.append
        self.told: list[Callable[[float], object]] = []
        self._lock = threading.Lock()
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def settle(self) -> None:
        """Sort in what was observed since."""
        with self._lock:
            for _ in range(len(self._new)):
                seconds = self._new.popleft()
                self._counts[bisect_left(self.bounds, seconds)] += 1
                self._sum += seconds
                for tell in self.told:
                    tell(seconds)

    def after_fork(self) -> None:
        """The parent's threads may have held the lock, and count what they had observed."""
        self._lock = threading.Lock()
        self._new.clear()

    def read(self) -> tuple[list[int], float]:
        """The cumulative counts by bucket, the last one of all, and the sum."""
        self.settle()
        with self._lock:
            return list(accumulate(self._counts)), self._sum


class Metrics:
    """Everything that is counted. A `Watcher`.

    Attributes:
        verification: how long it took to identify a caller.
    """

    def __init__(self) -> None:
        self.verification = Histogram()
        self._lock = threading.Lock()
        self._verifications: Counter[tuple[str, str]] = Counter()
        self._events: Counter[str] = Counter()
        self._alerts: Counter[str] = Counter()
        self._gauges: dict[str, tuple[str, str, Gauge]] = {}

    def watch(self, fact: Fact) -> Iterable[Fact]:
        """See `Watcher`: counts, and has nothing to say."""
        result = _RESULTS.get(fact.name)
        with self._lock:
            if result is not None:
                self._verifications[result, fact.reason or ""] += fact.count
            else:
                self._events[fact.name] += 1
        self.verification.settle()
        return ()

    def alert(self, rule: str) -> None:
        """Count an alert."""
        with self._lock:
            self._alerts[rule] += 1

    def gauge(self, name: str, doc: str, read: Gauge, *, kind: str = "gauge") -> None:
        """Add a value that is read when it is asked for.

        Args:
            name: without the prefix `jwt_guard_`.
            doc: what it is.
            read: answers the values by labels.
            kind: `gauge`, or `counter` for what only grows.
        """
        self._gauges[name] = (doc, kind, read)

    def counts(self) -> dict[str, dict[Labels, float]]:
        """What only grows, by name and labels."""
        with self._lock:
            return {
                "verifications": {
                    (("result", result), ("reason", reason)): float(number)
                    for (result, reason), number in self._verifications.items()
                },
                "events": {(("event", name),): float(n) for name, n in self._events.items()},
                "alerts": {(("rule", rule),): float(n) for rule, n in self._alerts.items()},
            }

    def text(self) -> str:
        """All of it in the text format of Prometheus."""
        lines: list[str] = []
        for name, values in self.counts().items():
            lines += _family(f"jwt_guard_{name}_total", "counter", _DOCS[name], values)
        for name, (doc, kind, read) in self._gauges.items():
            full = f"jwt_guard_{name}" + ("_total" if kind == "counter" else "")
            lines += _family(full, kind, doc, read())
        lines += self._histogram_lines()
        return "\n".join(lines) + "\n"

    def _histogram_lines(self) -> list[str]:
        name = "jwt_guard_verification_seconds"
        counts, total = self.verification.read()
        bounds = [*map(repr, self.verification.bounds), "+Inf"]
        return [
            f"# HELP {name} {_VERIFICATION}",
            f"# TYPE {name} histogram",
            *(f'{name}_bucket{{le="{b}"}} {n}' for b, n in zip(bounds, counts, strict=True)),
            f"{name}_sum {total!r}",
            f"{name}_count {counts[-1]}",
        ]

    def offer_to(self, meter: "Meter") -> None:
        """Let OpenTelemetry read the same numbers, whenever its reader collects."""
        for name, doc in _DOCS.items():
            meter.create_observable_counter(
                f"jwt_guard.{name}", [self._counter_callback(name)], description=doc
            )
        for name, (doc, kind, read) in self._gauges.items():
            make = (
                meter.create_observable_counter
                if kind == "counter"
                else meter.create_observable_gauge
            )
            make(f"jwt_guard.{name}", [_callback(read)], description=doc)

        histogram = meter.create_histogram(
            "jwt_guard.verification",
            "s",
            _VERIFICATION,
            explicit_bucket_boundaries_advisory=self.verification.bounds,
        )
        self.verification.told.append(histogram.record)

    def after_fork(self) -> None:
        """The parent's threads, which may have held a lock, are not here."""
        self._lock = threading.Lock()
        self.verification.after_fork()

    def _counter_callback(self, name: str) -> "Callable[[CallbackOptions], Iterable[Observation]]":
        return _callback(lambda: self.counts()[name])


_VERIFICATION = "How long it took to identify a caller."
_DOCS = {
    "verifications": "Requests by result and exact reason.",
    "events": "Other events by name.",
    "alerts": "Alerts by rule.",
}


def _callback(read: Gauge) -> "Callable[[CallbackOptions], Iterable[Observation]]":
    def observe(options: "CallbackOptions") -> "Iterable[Observation]":
        from opentelemetry.metrics import Observation

        return [Observation(value, dict(labels)) for labels, value in read().items()]

    return observe


def _family(name: str, kind: str, doc: str, values: Mapping[Labels, float]) -> list[str]:
    return [
        f"# HELP {name} {doc}",
        f"# TYPE {name} {kind}",
        *(f"{name}{_labels(labels)} {_number(value)}" for labels, value in values.items()),
    ]


def _number(value: float) -> str:
    """All of its digits: a rounded counter would seem to stand still, and then to leap."""
    return str(int(value)) if float(value).is_integer() else repr(value)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{inner}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

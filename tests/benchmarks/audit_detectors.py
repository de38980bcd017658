"""The labelled week through all detectors: `python -m tests.benchmarks.audit_detectors`.

Prints recall by kind, false alarms, the memory that the rules held, and their cost. Exit status 1
when recall is under 0.98 for a kind, or 1 honest event in 100,000 or more gave a false alarm.
"""

import argparse
import sys
import time
import tracemalloc
from collections import Counter

from jwt_guard.audit.detect.base import Alert
from jwt_guard.audit.detect.suite import RULES, DetectorSuite, all_detectors
from tests.core.audit.simulation import Score, Simulation, scored


def judged(simulation: Simulation, *, subjects: int = 20_000) -> tuple[Score, float]:
    """The score, and the processor seconds that the rules themselves took."""
    suite = DetectorSuite(
        all_detectors(subjects=subjects, locate=simulation.locate), subjects=subjects
    )
    alerts: list[Alert] = []
    events, spent = 0, 0.0
    for fact in simulation.events():
        began = time.thread_time()
        alerts += suite.judge(fact)
        spent += time.thread_time() - began
        events += 1
    score = scored(simulation, alerts)
    score.events = events
    return score, spent


def report(score: Score, spent: float) -> bool:
    """Print a score; whether it is as promised."""
    for kind in RULES:
        found, missed = score.found[kind], score.missed[kind]
        print(f"{kind:<20} {found:>4} of {found + missed:>4}  recall {score.recall(kind):.3f}")
    rate = len(score.false_alarms) / score.honest * 100_000
    by_rule = dict(Counter(alert.rule for alert in score.false_alarms))
    print(f"{score.events} events, {score.honest} of them honest")
    print(f"false alarms: {len(score.false_alarms)}, {rate:.2f} in 100,000 honest events {by_rule}")
    print(f"{spent / score.events * 1e6:.1f} us an event for all rules")
    return rate < 1 and all(score.recall(kind) >= 0.98 for kind in RULES)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--incidents", type=int, default=60, help="of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--memory", action="store_true", help="measure memory; slower")
    asked = parser.parse_args()
    if asked.memory:
        tracemalloc.start()
    simulation = Simulation(
        requests=asked.requests, users=asked.users, incidents=asked.incidents, seed=asked.seed
    )
    good = report(*judged(simulation))
    if asked.memory:
        print(f"peak of everything, the day's events included: {_peak():.0f} MiB")
    sys.exit(0 if good else 1)


def _peak() -> float:
    return tracemalloc.get_traced_memory()[1] / 2**20


if __name__ == "__main__":
    main()

"""What auditing costs: `python -m tests.benchmarks.audit_cost`.

Measures, with the queue and a file sink: what a call adds to a request's own path, what all of it
costs in processor time, and whether 5,000 events a second for a while are written without a drop.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from jwt_guard import Guard
from jwt_guard.flow import run
from jwt_guard.http import AsgiView
from jwt_guard.keys.signing import generate_key

_RATE = 5_000
_ROUNDS = 15


def guard_in(folder: Path, **audit: object) -> Guard:
    """A guard, audited as asked."""
    file = folder / "keys.json"
    if not file.exists():  # a running guard would take others for a rotation of its own
        file.write_bytes(msgspec.json.encode({"keys": [generate_key("ES256")]}))
    return Guard.from_config(
        {
            "audience": "https://api.example.test",
            "tokens": {
                "issuer": "https://app.example.test",
                "signing_keys": str(file),
            },
            "audit": audit,
        }
    )


def request(guard: Guard) -> AsgiView:
    """A usual request with a good token."""
    assert guard.issuer is not None
    token = guard.issuer.issue("ada", client_id="web", claims={"sid": "s"})
    headers = [
        (b"host", b"api.example.test"),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"gzip, br"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Firefox/121.0"),
        (b"authorization", f"Bearer {token}".encode()),
        (b"connection", b"keep-alive"),
    ]
    scope = {"type": "http", "method": "GET", "path": "/me", "client": ("192.0.2.1", 1)}
    return AsgiView({**scope, "query_string": b"", "headers": headers})


Clock = Callable[[], float]


def call_costs(
    clock: Clock, *guards: tuple[Guard, AsgiView], calls: int = 500
) -> tuple[float, ...]:
    """Seconds that identifying a caller takes, the medians of rounds by turns."""
    rounds = [[_round(clock, *each, calls) for each in guards] for _ in range(_ROUNDS)]
    return tuple(statistics.median(column) for column in zip(*rounds, strict=True))


def _round(clock: Clock, guard: Guard, view: AsgiView, calls: int) -> float:
    """Seconds a call; by the processor's clock of all threads, until all of it is written."""
    began = clock()
    for _ in range(calls):
        run(guard.identify(view))
    took = clock() - began
    if guard.trail is not None:
        guard.trail.flush()
    if clock is time.process_time:
        took = clock() - began
    return took / calls


def paced(guard: Guard, view: AsgiView, seconds: float) -> float:
    """Requests at the rate: the 99th percentile of a call, in seconds."""
    took, began = [], time.perf_counter()
    for number in range(int(seconds * _RATE)):
        wait = began + number / _RATE - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        start = time.perf_counter()
        run(guard.identify(view))
        took.append(time.perf_counter() - start)
    assert guard.trail is not None
    guard.trail.flush()
    return statistics.quantiles(took, n=100)[98]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sink = str(folder / "audit.jsonl")
        plain = guard_in(folder)
        audited = guard_in(folder, sink=sink, queue=100_000, detect={"enabled": False})
        view = request(plain)
        with audited:
            good = _report(plain, audited, view, request(audited), asked.seconds)
    sys.exit(0 if good else 1)


def _report(
    plain: Guard, audited: Guard, view: AsgiView, audited_view: AsgiView, seconds: float
) -> bool:
    both = (plain, view), (audited, audited_view)
    before, after = (1e6 * each for each in call_costs(time.thread_time, *both))
    added = after - before
    print(f"a request's own thread: {before:.1f} us without, {after:.1f} us with audit")
    print(f"added: {added:.1f} us (promised: at most 5)")
    before, after = (1e6 * each for each in call_costs(time.perf_counter, *both))
    print(f"by the clock, the writer and others beside it: {before:.1f} us and {after:.1f} us")
    before, after = (1e6 * each for each in call_costs(time.process_time, *both, calls=4000))
    print(f"processor time of all threads: {before:.1f} us and {after:.1f} us")
    late = paced(audited, audited_view, seconds)
    assert audited.trail is not None
    dropped = audited.trail.queue.dropped + sum(lane.dropped for lane in audited.trail.lanes)
    print(
        f"{_RATE}/s for {seconds:g} s: {dropped} dropped, 99 % of calls under {late * 1e6:.0f} us"
    )
    return added <= 5 and not dropped


if __name__ == "__main__":
    main()

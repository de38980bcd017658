"""What auditing costs: `python -m tests.benchmarks.audit_cost`.

Measures, with the queue and a file sink: what a call adds to a request's own path, what all of it
costs in processor time, and whether 5,000 events a second for a while are written without a drop.
"""

import argparse
import statistics
import sys
import tempfile
import time
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
    keys = {"keys": [generate_key("ES256")]}
    (folder / "keys.json").write_bytes(msgspec.json.encode(keys))
    return Guard.from_config(
        {
            "audience": "https://api.example.test",
            "tokens": {
                "issuer": "https://app.example.test",
                "signing_keys": str(folder / "keys.json"),
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


def call_cost(guard: Guard, view: AsgiView, calls: int = 500) -> float:
    """Seconds that identifying a caller takes, the median of rounds; the queue is emptied apart."""
    rounds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(calls):
            run(guard.identify(view))
        rounds.append((time.perf_counter() - began) / calls)
        if guard.trail is not None:
            guard.trail.flush()
    return statistics.median(rounds)


def processor_cost(guard: Guard, view: AsgiView, calls: int = 20_000) -> float:
    """Processor seconds a request in all threads, the writing included."""
    began = time.process_time()
    for _ in range(calls):
        run(guard.identify(view))
    if guard.trail is not None:
        guard.trail.flush(60)
    return (time.process_time() - began) / calls


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
    before, after = call_cost(plain, view), call_cost(audited, audited_view)
    added = (after - before) * 1e6
    print(f"a request's path: {before * 1e6:.1f} us without, {after * 1e6:.1f} us with audit")
    print(f"added: {added:.1f} us (promised: at most 5)")
    spent = processor_cost(audited, audited_view) - processor_cost(plain, view)
    print(f"processor time in all threads: {spent * 1e6:.1f} us more a request")
    late = paced(audited, audited_view, seconds)
    assert audited.trail is not None
    dropped = audited.trail.queue.dropped + sum(lane.dropped for lane in audited.trail.lanes)
    print(
        f"{_RATE}/s for {seconds:g} s: {dropped} dropped, 99 % of calls under {late * 1e6:.0f} us"
    )
    return added <= 5 and not dropped


if __name__ == "__main__":
    main()

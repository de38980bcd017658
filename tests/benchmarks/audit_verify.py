"""How fast a chain is verified: `python -m tests.benchmarks.audit_verify`.

One thread does it, so that it is measured in processor time, which others on the machine do not
take away. Exit status 1 when a million records are verified at less than 200,000 a second of it.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from pathlib import Path

from jwt_guard.audit.facts import Fact
from jwt_guard.audit.file import FileSink, Rotation
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.ocsf import OcsfEncoder
from jwt_guard.audit.privacy import PlainNames
from jwt_guard.audit.seal import Seals
from jwt_guard.audit.shown import Shower, Showing
from jwt_guard.audit.verifying import verify_file_log

_BATCH = 5_000


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "audit.jsonl"
        _write(log, asked.records)
        size = sum(part.stat().st_size for part in LogFolder(log).parts())
        began, busy = time.perf_counter(), time.process_time()
        report = verify_file_log(log, Seals.read(LogFolder(log).public_keys))
        took, busy = time.perf_counter() - began, time.process_time() - busy
    rate = report.records / busy
    assert report.good
    print(f"{report.records} records, {report.parts} parts, {size / 2**20:.0f} MiB: {took:.1f} s")
    print(f"{report.records / took:,.0f} records/s, {size / took / 2**20:.0f} MiB/s by the clock")
    print(f"{rate:,.0f} records/s of processor time (promised: 200,000)")
    print(f"SHA-256 alone does {_hashing(size // report.records):,.0f} such records/s of it")
    sys.exit(0 if rate >= 200_000 else 1)


def _write(log: Path, records: int) -> None:
    shower = Shower(PlainNames(), Showing())
    encoder = OcsfEncoder(service="api", version="1")
    sink = FileSink(log, encoder=encoder, rotation=Rotation(max_bytes=1 << 28))
    for start in range(0, records, _BATCH):
        facts = (_fact(number) for number in range(start, start + _BATCH))
        sink.write([encoder.encode(shower.show(fact)) for fact in facts])
    sink.close()


def _fact(number: int) -> Fact:
    person = number % 500
    return Fact(
        time=1_790_000_000 + number / 1000,
        name="authenticated",
        issuer="https://app.example.test",
        subject=f"user-{person}",
        session=f"session-{person}",
        token=f"token-{person}",
        address=f"192.0.2.{person % 250}",
        agent="Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Firefox/121.0",
        method="GET",
        path="/me",
    )


def _hashing(size: int) -> float:
    record, count = b"x" * size, 100_000
    began = time.process_time()
    for _ in range(count):
        hashlib.sha256(record).digest()
    return count / (time.process_time() - began)


if __name__ == "__main__":
    main()

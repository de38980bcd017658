"""What the lookup of revocations costs: `python -m tests.benchmarks.revocation_lookup [--full]`.

The time of one lookup, as every request does it, for a hundred callers in turn, with a thousand
cut-offs in the store and with a hundred thousand (`--full`: a million), and the bytes that one of
them takes. Exit status 1 when the ratio of the two times is above 1.2.
"""

import argparse
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
import valkey

from jwt_guard.flow import run
from jwt_guard.guard import Guard
from jwt_guard.principal import Principal
from jwt_guard.sessions.refresh_token import new_sid
from jwt_guard.stores.protocol import FOREVER, Store
from jwt_guard.stores.sql_tables import CUT_OFFS
from tests.benchmarks.figures import Table
from tests.benchmarks.measure import Timer, fastest
from tests.benchmarks.store_kit import STORES, configuration
from tests.support.servers import PostgreSQL, Valkey

LIMIT = 1.2
_FEW = 1000
_CALLERS = 100
_BATCH = 10_000
_ENDS = int(time.time() * 1000) + 86_400_000

Fill = Callable[[Store, int], float]
"""Puts so many cut-offs into a store; answers the bytes that one of them takes."""


def _keys(count: int) -> list[str]:
    return [blake2b(str(n).encode(), digest_size=16).hexdigest() for n in range(count)]


def _fill_memory(store: Store, count: int) -> float:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for key in _keys(count):
        run(store.cut_off(key, at=FOREVER, until=_ENDS))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return grown / count


def _fill_sqlite(file: Path, store: Store, count: int) -> float:
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    keys, before = _keys(count), file.stat().st_size
    with engine.begin() as connection:
        for start in range(0, count, _BATCH):
            rows = [{"key": k, "at": FOREVER, "until": _ENDS} for k in keys[start : start + _BATCH]]
            connection.execute(CUT_OFFS.insert(), rows)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return (file.stat().st_size - before) / count


def _fill_postgresql(url: str, store: Store, count: int) -> float:
    size = "SELECT pg_total_relation_size('jwt_guard_cut_offs')"
    with psycopg.connect(url, autocommit=True) as connection:
        before = connection.execute(size).fetchone()
        with connection.cursor().copy("COPY jwt_guard_cut_offs FROM STDIN") as copy:
            for key in _keys(count):
                copy.write_row((key, FOREVER, _ENDS))
        connection.execute("VACUUM ANALYZE jwt_guard_cut_offs")
        after = connection.execute(size).fetchone()
    assert before is not None
    assert after is not None
    return float(after[0] - before[0]) / count


def _fill_valkey(url: str, store: Store, count: int) -> float:
    with valkey.Valkey.from_url(url) as client:
        before = _used(client)
        keys = _keys(count)
        for start in range(0, count, _BATCH):
            with client.pipeline(transaction=False) as pipeline:
                for key in keys[start : start + _BATCH]:
                    pipeline.set(f"jwt_guard:cut:{{{key}}}", FOREVER, pxat=_ENDS)
                pipeline.execute()
        return (_used(client) - before) / count


def _used(client: Any) -> float:
    return float(client.info("memory")["used_memory"])


class Pair:
    """Two stores of a kind, one with few cut-offs and one with many."""

    def __init__(self, urls: Sequence[str], fills: Sequence[Fill], many: int) -> None:
        self._guards = [Guard.from_config(configuration(url)) for url in urls]
        self._callers = [_callers(guard) for guard in self._guards]
        filled = [
            fill(guard.store, count)
            for fill, guard, count in zip(fills, self._guards, (_FEW, many), strict=True)
        ]
        self.bytes = filled[1]

    def times(self, rounds: int) -> tuple[float, float]:
        """Microseconds of a lookup, in the fastest of short slices in turn: few, many."""
        pairs = zip(("few", "many"), self._guards, self._callers, strict=True)
        timers = {name: _lookups(guard, callers) for name, guard, callers in pairs}
        found = fastest(timers, rounds=rounds, slice_seconds=0.002)
        return found["few"], found["many"]

    def close(self) -> None:
        """Close the stores."""
        for guard in self._guards:
            guard.store.close()


def _callers(guard: Guard) -> list[Principal]:
    """Callers with sessions; asking for them also makes tables and connections."""
    assert guard.issuer is not None
    run(guard.revocations.revoke_subject("somebody else"))
    sids = [new_sid(int(time.time() * 1000)) for _ in range(_CALLERS)]
    return [
        guard.verify(guard.issuer.issue(f"user-{n}", client_id="web", claims={"sid": sid}))
        for n, sid in enumerate(sids)
    ]


def _lookups(guard: Guard, callers: Sequence[Principal]) -> Timer:
    check, turns = guard.revocations.check, cycle(callers)

    def timer(times: int) -> float:
        began = time.perf_counter()
        for caller in islice(turns, times):
            run(check(caller))
        return time.perf_counter() - began

    return timer


def _memory(many: int) -> Pair:
    return Pair(["memory://"] * 2, [_fill_memory] * 2, many)


def _sqlite(folder: Path, many: int) -> Pair:
    files = [folder / "few.sqlite3", folder / "many.sqlite3"]
    fills = [partial(_fill_sqlite, file) for file in files]
    return Pair([f"sqlite:///{file}" for file in files], fills, many)


def _postgresql(server: PostgreSQL, many: int) -> Pair:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE many")
    urls = [server.url, server.url.replace("/postgres?", "/many?")]
    return Pair(urls, [partial(_fill_postgresql, url) for url in urls], many)


def _valkey(servers: Sequence[Valkey], many: int) -> Pair:
    urls = [server.url for server in servers]
    return Pair(urls, [partial(_fill_valkey, url) for url in urls], many)


def _measured(kind: str, many: int, rounds: int) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder, PostgreSQL() as sql, Valkey() as a, Valkey() as b:
        made = {
            "memory": lambda: _memory(many),
            "sqlite": lambda: _sqlite(Path(folder), many),
            "postgresql": lambda: _postgresql(sql, many),
            "valkey": lambda: _valkey([a, b], many),
        }
        pair = made[kind]()
        few, full = pair.times(rounds)
        pair.close()
    return [kind, few, full, full / few, pair.bytes]


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--full", action="store_true", help="a million cut-offs")
    parser.add_argument("--rounds", type=int, default=400)
    asked = parser.parse_args()
    many = 1_000_000 if asked.full else 100_000
    rows = [_measured(kind, many, asked.rounds) for kind in asked.stores]
    head = ["store", f"us with {_FEW:,}", f"us with {many:,}", "ratio", "bytes each"]
    print(Table(head, rows).text())
    return 1 if any(row[3] > LIMIT for row in rows) else 0


if __name__ == "__main__":
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    sys.exit(main())

"""Purging: what is old goes, the rest verifies, and nothing else is hidden by it."""

import itertools
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwt_guard.audit import rows
from jwt_guard.audit.chain import Link, link
from jwt_guard.audit.file import FileSink, Rotation
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.ocsf import OcsfEncoder
from jwt_guard.audit.rows import RowSink, numbered_lines, verify_rows
from jwt_guard.audit.seal import Head, SealKey, Seals, new_jwk
from jwt_guard.audit.shown import own_record
from jwt_guard.audit.sql import SqlTables
from jwt_guard.audit.verifying import Purge, Report, purge_of, verify_file_log, verify_lines
from tests.core.audit.conftest import NOW, file_sink, patiently, some
from tests.core.audit.test_sql import change, postgresql_server, postgresql_url, url

__all__ = ["postgresql_server", "postgresql_url", "url"]

JWK = new_jwk()
KEY = SealKey(JWK)
EVE = SealKey(new_jwk())
ENCODER = OcsfEncoder(service="api", version="1")


def sink_at(url: str, key: SealKey = KEY, *, at: float = NOW + 30, **settings: Any) -> RowSink:
    """A sink whose own records are of that time."""
    tables = SqlTables(url, Path())
    return RowSink("db", tables, encoder=ENCODER, key=key, clock=lambda: at, **settings)


def verified(url: str, **asked: Link) -> Report:
    """What verification finds."""
    tables = SqlTables(url, Path())
    report = verify_rows("db", tables, KEY.seals, **asked)
    tables.close()
    return report


def numbers(url: str) -> list[int]:
    """The rows that are there."""
    tables = SqlTables(url, Path())
    found = [number for number, _ in numbered_lines(tables)]
    tables.close()
    return found


def write(url: str, number: int = 30, *, start: float = NOW) -> None:
    """Some records in batches, one a second."""
    sink = sink_at(url, at=start)
    for first in range(0, number, 10):
        sink.write(some(min(10, number - first), start=start + first))
    sink.close()


def purge(url: str, before: float = NOW + 20, **settings: Any) -> Purge | None:
    """Purge it, and let go of it."""
    sink = sink_at(url, **settings)
    try:
        return sink.purge(before)
    finally:
        sink.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are deleted at once."""
    monkeypatch.setattr(rows, "_AT_ONCE", 4)


def test_what_is_old_goes_and_the_rest_verifies(url: str, few: None) -> None:
    """Up to the first record that is not older, by a record that says so."""
    write(url)
    gone = purge(url)
    assert gone is not None
    assert (gone.records, gone.through, gone.problems) == (20, 20, ())
    assert numbers(url) == list(range(21, 33))
    report = verified(url)
    assert report.good, report.problems
    assert report.purged_through == 20
    assert [place.message for place in report.notes] == ["records up to 20 were purged"]


def test_what_is_not_old_stays_and_nothing_is_written(url: str) -> None:
    """Nor where there is no record at all, nor for a second time."""
    assert purge(url) is None
    write(url)
    assert purge(url, NOW) is None
    assert numbers(url) == list(range(1, 31))
    purge(url)
    assert purge(url) is None
    assert numbers(url) == list(range(21, 33))


def test_all_may_go_but_what_says_so(url: str) -> None:
    """Again and again; the numbers go on."""
    write(url)
    for last in (30, 32, 34):
        gone = purge(url, NOW + 99)
        assert gone is not None
        assert gone.through == last
        assert numbers(url) == [last + 1, last + 2]
        assert verified(url).good
    write(url, 5)
    report = verified(url)
    assert report.good
    assert (report.last.sequence, report.purged_through) == (41, 34)


def test_a_link_that_was_purged_cannot_be_found(url: str) -> None:
    """The auditor needs a newer one, and is told so."""
    write(url)
    noted = [link_at(url, number) for number in (19, 20, 21)]
    purge(url)
    assert "was purged since" in verified(url, expect=noted[0]).problems[0].message
    assert verified(url, expect=noted[1]).good
    assert verified(url, expect=noted[2]).good


def link_at(url: str, number: int) -> Link:
    """The place of a record in the chain."""
    tables = SqlTables(url, Path())
    lines = list(numbered_lines(tables))[:number]
    tables.close()
    return verify_lines("copy", lines, KEY.seals, None, expect=None).last


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM jwt_guard_audit WHERE sequence = 21", "records 21 to 21 are missing here"),
        ("DELETE FROM jwt_guard_audit WHERE sequence = 25", "records 25 to 25 are missing here"),
        ("DELETE FROM jwt_guard_audit WHERE sequence < 31", "records 21 to 30 are missing here"),
        ("DELETE FROM jwt_guard_audit WHERE sequence > 30", "records 31 to 32 are cut off"),
        ("DELETE FROM jwt_guard_audit", "records 21 to 32 are cut off"),
    ],
)
def test_a_purge_excuses_no_other_gap(url: str, statement: str, named: str) -> None:
    """Not behind what it says, not at the end, also when one more purge has gone over it."""
    write(url)
    purge(url)
    change(url, statement)
    assert named in verified(url).problems[0].message
    write(url, start=NOW + 100)
    assert not verified(url).good
    purge(url, NOW + 115, at=NOW + 130)
    assert not verified(url).good


def _line_before(url: str, record: str) -> str:
    """A row for a number that was purged."""
    return (
        "INSERT INTO jwt_guard_audit SELECT 7, time, name, reason, subject, address, "
        f"{record} FROM jwt_guard_audit WHERE sequence = 25"
    )


def test_what_is_put_where_something_was_purged_is_found(url: str) -> None:
    """It does not lead to what the purge speaks of; the next purge takes it away."""
    write(url)
    purge(url)
    change(url, _line_before(url, "'{}'"))
    assert not verified(url).good
    purge(url)
    assert verified(url).good
    forged, _ = link(b"0" * 16, Link(6), some(1)[0])
    change(url, _line_before(url, f"'{forged.decode().rstrip()}'"))
    assert not verified(url).good


TAMPERED = [
    "DELETE FROM jwt_guard_audit WHERE sequence = 5",
    "DELETE FROM jwt_guard_audit WHERE sequence < 5",
    "DELETE FROM jwt_guard_audit WHERE sequence BETWEEN 15 AND 25",
    "DELETE FROM jwt_guard_audit WHERE sequence = 20",
    "UPDATE jwt_guard_audit SET record = replace(record, 'user-3', 'user-4') WHERE sequence = 4",
    "UPDATE jwt_guard_audit SET record = replace(record, 'user-9', 'user-4') WHERE sequence = 20",
    "UPDATE jwt_guard_audit SET record = '{}' WHERE sequence = 20",
    'UPDATE jwt_guard_audit SET record = replace(record, \'"time":\', \'"time":0,"was":\')',
    "UPDATE jwt_guard_audit SET record = replace(record, '\"sequence\":20', '\"sequence\":99999')",
]


@pytest.mark.parametrize("statement", TAMPERED)
def test_what_was_tampered_with_is_not_hidden_by_a_purge(url: str, statement: str) -> None:
    """What was wrong with what goes is on record, and stays so when that record goes."""
    write(url)
    change(url, statement)
    assert not verified(url).good
    for before in (NOW + 20, NOW + 20, NOW + 31, NOW + 60):
        sink = sink_at(url)
        sink.purge(before)
        sink.write(some(1, start=NOW + 40))
        sink.close()
        assert not verified(url).good


def test_a_purge_says_what_was_wrong_with_what_it_took(url: str) -> None:
    """By the record's number, in its answer and ever after."""
    write(url)
    change(url, TAMPERED[0])
    gone = purge(url)
    assert gone is not None
    (problem,) = gone.problems
    assert (problem.line, problem.message) == (6, "records 5 to 5 are missing here")
    assert verified(url).problems == [problem]
    purge(url, NOW + 60)
    assert verified(url).problems == [problem]


def test_fresh_records_that_were_written_anew_as_old_are_missed(url: str) -> None:
    """Everybody can link records; but what is left does not fit behind them."""
    write(url)
    last = link_at(url, 14)
    chain = head_of(url).chain.encode()
    for number in range(15, 26):
        line, last = link(chain, last, some(1)[0])
        record = line.decode().rstrip()
        change(url, f"UPDATE jwt_guard_audit SET record = '{record}' WHERE sequence = {number}")
    gone = purge(url)
    assert gone is not None
    assert (gone.through, gone.problems) == (25, ())
    assert verified(url).problems[0].line == 26
    purge(url, NOW + 99)
    assert verified(url).problems[0].line == 26


def head_of(url: str) -> Head:
    """The head as it was kept last."""
    tables = SqlTables(url, Path())
    kept = tables.head()
    tables.close()
    assert kept is not None
    return msgspec.json.decode(kept, type=Head)


def test_the_column_of_times_decides_nothing(url: str) -> None:
    """No chain vouches for it: the records' own times count."""
    write(url)
    change(url, "UPDATE jwt_guard_audit SET time = 0")
    assert purge(url, NOW) is None
    assert len(numbers(url)) == 30


@pytest.mark.parametrize("claimed", [40, 31, 7])
def test_a_row_far_behind_the_end_takes_nothing_with_it(url: str, claimed: int) -> None:
    """What goes is bounded by what is sealed, whatever number a stranger's row has."""
    write(url)
    forged, _ = link(b"0" * 16, Link(claimed - 1), some(1)[0])
    change(url, _line_before(url, f"'{forged.decode().rstrip()}'").replace(" 7,", " 40,"))
    assert not verified(url).good
    gone = purge(url, NOW + 99)
    assert gone is not None
    assert gone.through == 30
    assert numbers(url) == [31, 32, 40]
    assert verified(url).problems[0].line == 40


def test_a_purge_by_a_strangers_key_is_not_believed(url: str) -> None:
    """Neither its record nor its head, before and after one of ours writes behind it."""
    write(url)
    eves = purge(url, key=EVE)
    assert eves is not None
    assert min(numbers(url)) == 21
    messages = [place.message for place in verified(url).problems]
    assert "records 1 to 20 are missing here" in messages
    assert "the head's signature is not by a trusted key" in messages
    write(url, start=NOW + 30)
    purge(url, NOW + 25)
    messages = [place.message for place in verified(url).problems]
    assert "records 1 to 20 are missing here" in messages
    assert any("no trusted key vouches" in message for message in messages)


def test_an_older_head_excuses_nothing_that_went_since(url: str) -> None:
    """Whoever puts it back is found, since the records before its time are not there."""
    write(url)
    change(url, "CREATE TABLE kept AS SELECT head FROM jwt_guard_audit_head")
    purge(url)
    change(
        url,
        "UPDATE jwt_guard_audit_head SET head = (SELECT head FROM kept)",
        "DROP TABLE kept",
    )
    assert "records 1 to 20 are missing here" in verified(url).problems[0].message


def test_a_head_that_tells_of_a_purge_needs_its_record(url: str) -> None:
    """An auditor reads of it in the log."""
    write(url)
    sink = sink_at(url)
    lines = list(numbered_lines(sink.tables))[20:]
    sink.close()
    fingerprint = link_at(url, 20).fingerprint.decode()
    head = KEY.sign(msgspec.structs.replace(head_of(url), purged=(20, fingerprint)))
    report = verify_lines("copy", lines, KEY.seals, head, expect=None)
    assert [place.message for place in report.problems] == [
        "records up to 20 are missing, and no record of a purge says so"
    ]


_DYING = """
    import os, signal, sys
    from contextlib import contextmanager
    from pathlib import Path
    import msgspec
    from jwt_guard.audit import rows
    from jwt_guard.audit.ocsf import OcsfEncoder
    from jwt_guard.audit.rows import RowSink
    from jwt_guard.audit.seal import SealKey
    from jwt_guard.audit.sql import SqlTables
    from tests.core.audit.conftest import NOW
    url, jwk, steps = sys.argv[1], msgspec.json.decode(sys.argv[2]), int(sys.argv[3])

    def step():
        global steps
        steps -= 1
        if not steps:
            os.kill(os.getpid(), signal.SIGKILL)

    class Dying(SqlTables):
        @contextmanager
        def writing(self):
            with super().writing() as writer:
                yield writer
                step()
            step()

        def delete(self, through):
            super().delete(through)
            step()

    rows._AT_ONCE = 7
    sink = RowSink("db", Dying(url, Path()), encoder=OcsfEncoder(service="api", version="1"),
                   key=SealKey(jwk), clock=lambda: NOW + 30)
    sink.purge(NOW + 20)
"""


@pytest.mark.parametrize("steps", range(1, 9))
def test_a_purge_that_was_killed_leaves_a_log_that_verifies(url: str, steps: int) -> None:
    """At any step of it; writers go on, and the next one finishes it."""
    write(url)
    code = textwrap.dedent(_DYING)
    command = [sys.executable, "-c", code, url, msgspec.json.encode(JWK).decode(), str(steps)]
    died = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert died.returncode == (-signal.SIGKILL if steps < 8 else 0), died.stderr
    assert verified(url).good
    left = {1: 30, 2: 30, 3: 30, 4: 32, 5: 25, 6: 18, 7: 12, 8: 12}
    assert len(numbers(url)) == left[steps]
    sink = sink_at(url)
    sink.write(some(1, start=NOW + 31))
    assert verified(url).good
    sink.purge(NOW + 20)
    sink.close()
    assert numbers(url)[0] == 21
    report = verified(url)
    assert report.good
    assert report.purged_through == 20


def test_half_of_what_is_left_of_a_killed_purge_is_missed(url: str) -> None:
    """It verifies only as long as it leads to what is said to be gone."""
    write(url)
    sink = sink_at(url)
    sink.tables.delete = lambda through: None  # type: ignore[method-assign]
    sink.tables.bounds = lambda: None  # type: ignore[method-assign]
    sink.purge(NOW + 20)
    sink.close()
    change(url, "DELETE FROM jwt_guard_audit WHERE sequence < 6")
    assert verified(url).good
    change(url, "DELETE FROM jwt_guard_audit WHERE sequence = 10")
    assert "records 10 to 10 are missing here" in verified(url).problems[0].message
    change(url, "DELETE FROM jwt_guard_audit WHERE sequence BETWEEN 8 AND 20")
    assert "records 8 to 20 are missing here" in verified(url).problems[0].message


def test_writers_and_auditors_go_on_while_others_purge(url: str, few: None) -> None:
    """Two purge at once, some write, one verifies again and again: it always verifies."""
    write(url, 400)
    reports: list[Report] = []
    purges: list[Purge | None] = []

    def add() -> None:
        for _ in range(8):
            patiently(lambda: write(url, 5, start=NOW + 900), tries=50)

    def remove(before: float) -> None:
        purges.append(purge(url, before, at=NOW + 900))

    def remove_all() -> None:
        for seconds in (100, 200, 300):
            patiently(partial(remove, NOW + seconds), tries=50)

    others = [threading.Thread(target=each) for each in (add, add, remove_all, remove_all)]
    for thread in others:
        thread.start()
    while any(thread.is_alive() for thread in others):
        reports.append(verified(url))
    reports.append(verified(url))
    assert [report.problems for report in reports if report.problems] == []
    told = [gone for gone in purges if gone]
    assert sum(gone.records for gone in told) == reports[-1].purged_through == 300
    assert reports[-1].last.sequence == 480 + 2 * len(told)


_DAMAGE = (
    "DELETE FROM jwt_guard_audit WHERE sequence = {}",
    "UPDATE jwt_guard_audit SET record = '{{}}' WHERE sequence = {}",
    "UPDATE jwt_guard_audit SET record = replace(record, 'time', 'tame') WHERE sequence = {}",
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 12)),
        st.tuples(st.just("purge"), st.integers(0, 40)),
        st.tuples(st.just("die"), st.integers(0, 40)),
        st.tuples(st.sampled_from(_DAMAGE), st.integers(0, 11)),
    ),
    max_size=10,
)
_databases = itertools.count()


@given(steps=_STEPS)
def test_what_was_tampered_with_and_nothing_else_does_not_verify(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """Whatever is written, purged, half purged and tampered with, in any order."""
    url = f"sqlite:///{tmp_path_factory.getbasetemp()}/property-{next(_databases)}.db"
    now, tampered = NOW, False
    write(url, 1)
    for step, number in steps:
        if step in _DAMAGE:
            through = verified(url).purged_through
            kept = [each for each in numbers(url) if each > through] or [through + 1]
            change(url, step.format(kept[number % len(kept)]))
            tampered = True
        else:
            now = _act(url, step, number, now)
        assert verified(url).good != tampered


def _act(url: str, step: str, number: int, now: float) -> float:
    """Write so many records, one a second, or purge what is so many seconds old."""
    sink = sink_at(url, at=now)
    if step == "write":
        sink.write(some(number, start=now))
        now += number
    else:
        if step == "die":
            sink.tables.bounds = lambda: None  # type: ignore[method-assign]
        sink.purge(now - number)
    sink.close()
    return now


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_NAMES = st.sampled_from(["through", "fingerprint", "records", "keys", "problems"])


@pytest.mark.parametrize("name", ["purged", "recovered"])
@given(detail=st.dictionaries(_NAMES | st.sampled_from(["problem", "kid"]) | st.text(), _JSON))
def test_whatever_a_record_of_the_log_says_verification_ends(
    name: str, detail: dict[str, Any]
) -> None:
    """A report, and no purge that no head speaks of."""
    record = ENCODER.encode(own_record(name, NOW, detail))
    line, _ = link(b"0" * 16, Link(), record)
    report = verify_lines("copy", [(1, line)], KEY.seals, None, expect=None)
    assert report.records == 1
    assert report.purged_through == 0
    assert not report.good


# In files, which go part by part.


def parts_of(folder: Path) -> Path:
    """A log of ten parts with ten records each and the current one."""
    log = folder / "audit.jsonl"
    sink = file_sink(log, key=KEY, clock=lambda: NOW + 100)
    for number in range(10):
        sink.write(some(10, start=NOW + 10 * number))
        sink.rotate()
    sink.close()
    return log


def audited(log: Path) -> Report:
    """What verification finds."""
    return verify_file_log(log, KEY.seals)


def sink_in(log: Path) -> FileSink:
    """A sink whose own records are not old."""
    return file_sink(log, key=KEY, clock=lambda: NOW + 100)


def test_a_part_that_was_tampered_with_is_not_hidden_by_a_purge(tmp_path: Path) -> None:
    """As in a database: what was wrong is on record for good."""
    log = parts_of(tmp_path)
    part = LogFolder(log).parts()[1]
    part.write_bytes(part.read_bytes().replace(b"user-3", b"user-4"))
    for before, told in [(NOW + 30, [part.name]), (NOW + 50, []), (NOW + 999, [part.name])]:
        sink = sink_in(log)
        gone = sink.purge(before)
        sink.rotate()
        sink.close()
        assert gone is not None
        assert [problem.part for problem in gone.problems] == told
        assert [problem.part for problem in audited(log).problems] == [part.name]
    assert len(LogFolder(log).parts()) == 2


def test_a_strangers_key_beside_the_log_is_told_of_by_each_purge(tmp_path: Path) -> None:
    """What it sealed is not vouched for by who purges it, to whom it looks like one of ours."""
    log = parts_of(tmp_path)
    eves = file_sink(log, key=EVE, clock=lambda: NOW + 101)
    eves.purge(NOW + 40)
    eves.close()
    for before in (NOW + 102, NOW + 999):
        sink = file_sink(log, key=KEY, clock=lambda: NOW + 102)
        sink.write(some(1, start=NOW + 101))
        sink.rotate()
        gone = sink.purge(before)
        sink.close()
        assert gone is not None
        assert EVE.kid in gone.keys
        messages = [place.message for place in audited(log).problems]
        assert messages == ["what was purged was sealed by a key that is not trusted"]
        assert verify_file_log(log, Seals([KEY.public_jwk, EVE.public_jwk])).good


def test_a_part_that_is_removed_before_a_purge_is_missed(tmp_path: Path) -> None:
    """Also where the purge takes all around it."""
    log = parts_of(tmp_path)
    LogFolder(log).parts()[2].unlink()
    sink = sink_in(log)
    gone = sink.purge(NOW + 60)
    sink.close()
    assert gone is not None
    assert "missing" in gone.problems[0].message
    assert not audited(log).good


def test_a_part_of_nonsense_keeps_nothing_and_is_told_of(tmp_path: Path) -> None:
    """Its age is nobody's word: what stands before and behind it goes as it grows old."""
    log = parts_of(tmp_path)
    part = LogFolder(log).parts()[1]
    part.write_bytes(b"nonsense\n" * 10)
    sink = sink_in(log)
    gone = sink.purge(NOW + 50)
    sink.close()
    assert gone is not None
    assert gone.problems
    assert not audited(log).good


_DYING_IN_FILES = """
    import os, signal, sys
    from pathlib import Path
    import msgspec
    from jwt_guard.audit.file import FileSink
    from jwt_guard.audit.seal import SealKey
    from tests.core.audit.conftest import NOW, file_sink
    log, jwk, steps = Path(sys.argv[1]), msgspec.json.decode(sys.argv[2]), int(sys.argv[3])

    def dying(method):
        def step(*arguments, **named):
            global steps
            answer = method(*arguments, **named)
            steps -= 1
            if not steps:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer
        return step

    FileSink._put_head = dying(FileSink._put_head)
    FileSink._write_all = dying(FileSink._write_all)
    Path.unlink = dying(Path.unlink)
    file_sink(log, key=SealKey(jwk), clock=lambda: NOW + 100).purge(NOW + 40)
"""


@pytest.mark.parametrize("steps", range(1, 10))
def test_a_purge_of_files_that_was_killed_leaves_a_log_that_verifies(
    tmp_path: Path, steps: int
) -> None:
    """At any step of it; the next one finishes it."""
    log = parts_of(tmp_path)
    code = textwrap.dedent(_DYING_IN_FILES)
    command = [sys.executable, "-c", code, str(log), msgspec.json.encode(JWK).decode(), str(steps)]
    died = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert died.returncode == (-signal.SIGKILL if steps < 9 else 0), died.stderr
    assert audited(log).good
    sink = sink_in(log)
    sink.write(some(1, start=NOW + 100))
    assert audited(log).good
    sink.purge(NOW + 40)
    sink.close()
    report = audited(log)
    assert report.good, report.problems
    assert report.purged_through == 48
    assert len(LogFolder(log).parts()) == 7


@pytest.fixture
def raced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets another purge run to its end just after a function of `jwt_guard.audit`."""

    def race(name: str) -> None:
        module, _, function = f"jwt_guard.audit.{name}".rpartition(".")
        original = getattr(sys.modules[module], function)

        def slower(*arguments: Any) -> Any:
            monkeypatch.undo()
            answer = original(*arguments)
            other = sink_in(tmp_path / "audit.jsonl")
            assert other.purge(NOW + 40) is not None
            other.close()
            return answer

        monkeypatch.setattr(f"jwt_guard.audit.{name}", slower)

    return race


def test_parts_that_go_while_they_are_verified_are_not_missed(
    tmp_path: Path, raced: Callable[[str], None]
) -> None:
    """The log is verified once more."""
    log = parts_of(tmp_path)
    raced("verifying._snapshot")
    report = audited(log)
    assert report.good, report.problems
    assert report.purged_through == 48


def test_of_two_that_purge_one_tells_of_it(tmp_path: Path, raced: Callable[[str], None]) -> None:
    """The slower one leaves it at that."""
    log = parts_of(tmp_path)
    sink = sink_in(log)
    raced("file.purge_of")
    assert sink.purge(NOW + 90) is None
    sink.close()
    assert len(LogFolder(log).parts()) == 7
    assert audited(log).good


def test_nobody_who_writes_waits_for_retention(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on aside, is begun once, and what it fails in is complained of and tried again."""
    log = parts_of(tmp_path)
    sink = file_sink(
        log, key=KEY, clock=lambda: NOW + 200, rotation=Rotation(max_bytes=1, retention=50)
    )
    may_go = threading.Event()

    def slow(head: Head, *rest: Any) -> Purge | None:
        may_go.wait()
        return purge_of(head, *rest)

    def failing(*_: Any) -> None:
        raise PermissionError("may not be read")

    monkeypatch.setattr("jwt_guard.audit.file.purge_of", failing)
    sink.write(some(1, start=NOW + 200))
    sink.write(some(1, start=NOW + 200))
    _settled()
    assert "old audit records are not purged" in caplog.text
    monkeypatch.setattr("jwt_guard.audit.file.purge_of", slow)
    for _ in range(3):
        sink.write(some(1, start=NOW + 200))
    assert len(_purging()) == 1
    assert len(LogFolder(log).parts()) == 15
    may_go.set()
    _settled()
    assert len(LogFolder(log).parts()) == 5
    sink.close()
    report = audited(log)
    assert report.good, report.problems


def _purging() -> list[threading.Thread]:
    """The threads that purge."""
    return [each for each in threading.enumerate() if each.name == "jwt_guard audit purge"]


def _settled() -> None:
    """Wait for them."""
    for thread in _purging():
        thread.join(timeout=30)

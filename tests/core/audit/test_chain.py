"""Tamper evidence: whatever is done to a log afterwards is found, and where."""

import multiprocessing
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from jwt_guard.audit.chain import GENESIS, Link, link
from jwt_guard.audit.file import FileSink, Rotation
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.seal import SealKey, Seals, UnusableSealKey, new_jwk
from jwt_guard.audit.sinks import SinkFailed
from jwt_guard.audit.verifying import Report, verify_file_log, verify_lines
from tests.core.audit.conftest import NOW, file_sink, lines, some

Lines = list[bytes]


def verified(log: Path, **asked: Link) -> Report:
    """What verification with the log's own keys finds."""
    return verify_file_log(log, Seals.read(LogFolder(log).public_keys), **asked)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of 120 records in several parts, closed."""
    log = tmp_path / "audit.jsonl"
    sink = file_sink(log, checkpoint_every=25, rotation=Rotation(max_bytes=30_000))
    for start in range(0, 120, 10):
        sink.write(some(10, start=NOW + start))
    sink.close()
    assert len(LogFolder(log).parts()) > 2
    return log


def change(lines: Lines) -> None:
    """Say PUT where it was something else."""
    lines[5] = lines[5].replace(b"user-", b"eve--")


def remove(lines: Lines) -> None:
    """Take one away."""
    del lines[5]


def insert(lines: Lines) -> None:
    """Repeat an earlier one."""
    lines.insert(5, lines[2])


def forge(lines: Lines) -> None:
    """Add one that is well linked, as everybody can."""
    record = some(1)[0]
    lines.insert(5, link(b"0000000000000000", Link(5, GENESIS), record)[0])


def reorder(lines: Lines) -> None:
    """Swap two."""
    lines[5], lines[6] = lines[6], lines[5]


def garble(lines: Lines) -> None:
    """Write over one."""
    lines[5] = b"\x00" * 200 + b"\n"


def swell(lines: Lines) -> None:
    """A line that would fill the memory of whoever read it whole."""
    lines[5] = b"x" * (3 << 20) + b"\n"


@pytest.mark.parametrize("part", [0, 1, -1])
@pytest.mark.parametrize("tamper", [change, remove, insert, forge, reorder, garble, swell])
def test_tampering_is_found_and_the_place_named(
    log: Path, part: int, tamper: Callable[[Lines], None]
) -> None:
    """In the first, a middle and the last part: the file and the line are named."""
    assert verified(log).good
    file = LogFolder(log).parts()[part]
    content = file.read_bytes().splitlines(keepends=True)
    tamper(content)
    file.write_bytes(b"".join(content))
    report = verified(log)
    assert not report.good
    assert report.problems[0].part == file.name
    assert report.problems[0].line == 6


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_a_log_that_was_cut_off_is_found(log: Path, cut: int) -> None:
    """The head knows how many there were."""
    content = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(content[:-cut] if cut < len(content) else []))
    assert "cut off at the end" in verified(log).problems[0].message


@pytest.mark.parametrize("part", [0, 1])
def test_a_missing_part_is_found(log: Path, part: int) -> None:
    """Whole files are missed as well as lines."""
    LogFolder(log).parts()[part].unlink()
    assert "missing" in verified(log).problems[0].message


def test_a_log_written_anew_is_found(log: Path, tmp_path: Path) -> None:
    """All hashes right, every record there, but not by the key that is trusted."""
    other = tmp_path / "other.jsonl"
    sink = file_sink(other)
    sink.write(some(120))
    sink.close()
    for part in LogFolder(log).parts():
        part.unlink()
    log.write_bytes(other.read_bytes())
    messages = [place.message for place in verified(log).problems]
    assert any("trusted key" in message for message in messages)


def test_a_strangers_key_beside_the_log_is_put_on_record(tmp_path: Path) -> None:
    """A log rewritten under a key that was put beside it is not vouched for by who writes next."""
    log, ours = tmp_path / "audit.jsonl", SealKey(new_jwk())
    sink = file_sink(log, key=ours)
    sink.write(some(5))
    sink.close()
    for file in (log, LogFolder(log).head):
        file.unlink()
    strangers = SealKey(new_jwk())
    forger = file_sink(log, key=strangers)
    forger.write(some(4))
    sink = file_sink(log, key=ours)
    sink.write(some(5))
    sink.close()
    messages = [place.message for place in verify_file_log(log, ours.seals).problems]
    assert any("no trusted key vouches" in message for message in messages)
    both = Seals([ours.public_jwk, strangers.public_jwk])
    report = verify_file_log(log, both)
    assert report.good, report.problems
    assert any("key_changed" in place.message for place in report.notes)


def test_a_log_without_its_head_is_no_proof(log: Path) -> None:
    """Whoever can remove records could remove the head too."""
    LogFolder(log).head.unlink()
    assert "no head" in verified(log).problems[0].message


def test_a_log_that_is_gone_with_its_head_is_no_proof(log: Path) -> None:
    """An empty log must not verify, or whoever deletes everything would pass."""
    for part in LogFolder(log).parts():
        part.unlink()
    LogFolder(log).head.unlink()
    (problem,) = verified(log).problems
    assert "there is no head, so all may be missing" in problem.message


def test_a_head_of_earlier_is_found_by_a_link_noted_elsewhere(tmp_path: Path) -> None:
    """The one thing that nothing beside the log can prove needs a note kept apart."""
    log = tmp_path / "audit.jsonl"
    sink = file_sink(log)
    sink.write(some(5))
    then = (log.read_bytes(), LogFolder(log).head.read_bytes())
    sink.write(some(5))
    noted = verified(log).last
    log.write_bytes(then[0])
    LogFolder(log).head.write_bytes(then[1])
    assert verified(log).good
    assert not verified(log, expect=noted).good


def test_a_changed_head_is_found(log: Path) -> None:
    """Its signature covers all of it."""
    head = LogFolder(log).head
    head.write_bytes(head.read_bytes().replace(b'"checkpointed":', b'"checkpointed":1', 1))
    assert "head" in verified(log).problems[0].message


def test_a_forged_checkpoint_is_found(log: Path) -> None:
    """A checkpoint by another key is worth nothing, also where every link fits."""
    part = LogFolder(log).parts()[0].read_bytes().splitlines(keepends=True)
    other = Seals([SealKey(new_jwk()).public_jwk])
    report = verify_lines("copy", enumerate(part, 1), other, None, expect=None)
    assert any("checkpoint" in place.message for place in report.problems)


def test_the_chain_goes_on_after_a_restart(log: Path) -> None:
    """A new process continues where the last one stopped."""
    before = verified(log).last.sequence
    sink = file_sink(log)
    sink.write(some(3))
    sink.close()
    report = verified(log)
    assert report.good
    assert report.last.sequence > before + 3


def test_a_new_day_begins_a_new_part(tmp_path: Path) -> None:
    """Parts are named by the day and the number of their first record."""
    now = [NOW]
    sink = file_sink(tmp_path / "audit.jsonl", clock=lambda: now[0])
    sink.write(some(2))
    now[0] += 86_400
    sink.write(some(2))
    sink.close()
    names = [part.name for part in sink.folder.parts()]
    assert names == ["audit.jsonl.20260921-000000000001", "audit.jsonl"]
    assert verified(tmp_path / "audit.jsonl").good


def test_what_is_old_can_go_and_the_rest_still_verifies(log: Path) -> None:
    """A purge is itself on record, sealed."""
    parts = LogFolder(log).parts()
    sink = file_sink(log)
    assert sink.purge(NOW) is None
    gone = sink.purge(NOW + 40)
    sink.close()
    left = LogFolder(log).parts()
    assert left == parts[-len(left) :]
    assert len(left) < len(parts)
    report = verified(log)
    assert report.good
    assert gone is not None
    assert report.purged_through == gone.through == gone.records > 0
    assert any("purged" in place.message for place in report.notes)


def test_a_purge_excuses_no_other_gap(log: Path) -> None:
    """One part more than was purged is missed."""
    sink = file_sink(log)
    sink.purge(NOW + 40)
    sink.close()
    LogFolder(log).parts()[0].unlink()
    assert not verified(log).good


def test_retention_purges_when_parts_rotate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody needs to remember it."""
    monkeypatch.setattr("jwt_guard.audit.file.started", lambda work, name: work())
    now = [NOW]
    rotation = Rotation(retention=5 * 86_400)
    sink = file_sink(tmp_path / "audit.jsonl", clock=lambda: now[0], rotation=rotation)
    for _ in range(10):
        sink.write(some(2, start=now[0]))
        now[0] += 86_400
    sink.close()
    assert 5 <= len(sink.folder.parts()) <= 7
    assert verified(tmp_path / "audit.jsonl").good


def _write_some(log: Path) -> None:
    sink = file_sink(log, rotation=Rotation(max_bytes=65_536), checkpoint_every=50)
    for _ in range(20):
        sink.write(some(5))
    sink.close()


def test_several_processes_write_one_chain(tmp_path: Path) -> None:
    """Their records interleave, and nothing is lost or out of order."""
    log = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_some, args=(log,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    report = verified(log)
    assert report.good
    events = sum(b'"authenticated"' in part.read_bytes() for part in LogFolder(log).parts())
    assert events > 1
    written = b"".join(part.read_bytes() for part in LogFolder(log).parts())
    assert written.count(b'"event_code":"authenticated"') == 300


_ENDLESS = """
    import sys
    from pathlib import Path
    from tests.core.audit.conftest import file_sink, some
    sink = file_sink(Path(sys.argv[1]), sync=True)
    batch = some(7)
    for number in range(10**9):
        sink.write(batch)
        print(number + 1, flush=True)
"""


@pytest.mark.parametrize("after", [3, 17])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, after: int) -> None:
    """Every batch that was reported written is there, the chain is whole, and goes on."""
    log = tmp_path / "audit.jsonl"
    code = textwrap.dedent(_ENDLESS)
    command = [sys.executable, "-c", code, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(after)][-1]
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
    assert verified(log).good
    sink = file_sink(log)
    sink.write(some(1))
    sink.close()
    report = verified(log)
    assert report.good
    assert len([r for r in lines(log) if r["class_uid"] == 3002]) >= 7 * acknowledged + 1


@pytest.mark.parametrize("kept_lines", [0, 2])
@pytest.mark.parametrize("torn", [b"", b'{"metadata":{"sequence":', b"\n"])
def test_a_writer_that_died_while_writing_is_told_from_tampering(
    tmp_path: Path, kept_lines: int, torn: bytes
) -> None:
    """Whole records stay, a torn one goes, and the log itself says so."""
    log = tmp_path / "audit.jsonl"
    sink = file_sink(log)
    sink.write(some(3))
    head = sink.folder.head.read_bytes()
    sink.write(some(3))
    content = log.read_bytes().splitlines(keepends=True)
    _die_while_writing(sink, head, b"".join(content[: 3 + kept_lines]) + torn)
    next_one = file_sink(log)
    next_one.write(some(1))
    report = verified(log)
    assert report.good, report.problems
    assert any("writer_died" in place.message for place in report.notes)
    assert len(lines(log)) == 3 + kept_lines + 2


def _die_while_writing(sink: FileSink, head: bytes, content: bytes) -> None:
    """What is left when a process dies between its first and its last write of a batch."""
    from jwt_guard.audit.folder import padded, read_head

    before, after = read_head(head), read_head(sink.folder.head.read_bytes())
    assert before is not None
    assert after is not None
    intent = msgspec.structs.replace(before, writing=(after.sequence, after.fingerprint))
    signed = SealKey.read_or_make(sink.folder.seal_key).sign(intent)
    sink.folder.head.write_bytes(padded(signed))
    sink.folder.log.write_bytes(content)


def test_a_child_that_was_forked_meanwhile_keeps_no_lock(tmp_path: Path) -> None:
    """Servers fork while a thread of theirs writes; the child's copy of the lock must not last."""
    code = """
        import os, sys, time
        from pathlib import Path
        from jwt_guard.audit.folder import LogFolder
        folder = LogFolder(Path(sys.argv[1]))
        with folder.locked():
            child = os.fork()
            if not child:
                time.sleep(60)
                os._exit(0)
        with folder.locked():
            os.kill(child, 9)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "audit.jsonl")]
    subprocess.run(arguments, check=True, timeout=30)


def test_a_chain_that_began_anew_rotates_beside_the_old_one(tmp_path: Path) -> None:
    """Where the head was lost, numbers come twice: no part is written over, none stops the log."""
    log = tmp_path / "audit.jsonl"
    for _ in range(3):
        sink = file_sink(log, rotation=Rotation(max_bytes=1, daily=False))
        sink.write(some(2))
        sink.write(some(2))
        sink.close()
        LogFolder(log).head.unlink()
        log.unlink()
    assert len(LogFolder(log).parts()) == 3
    assert sum(len(lines(part)) for part in LogFolder(log).parts()) == 3 * 4


def test_a_rotation_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    """The part was renamed and the head did not know yet."""
    log = tmp_path / "audit.jsonl"
    sink = file_sink(log)
    sink.write(some(3))
    log.rename(LogFolder(log).rotated_name(1, NOW))
    sink = file_sink(log)
    sink.write(some(2))
    report = verified(log)
    assert report.good
    assert (report.parts, report.records) == (2, 5)


def test_what_a_stranger_appended_is_kept_and_never_vouched_for(tmp_path: Path) -> None:
    """The next writer goes on behind it, and verification still points at it."""
    log = tmp_path / "audit.jsonl"
    sink = file_sink(log)
    sink.write(some(3))
    with log.open("ab") as file:
        file.write(b'{"metadata":{"sequence":4,')
    sink.write(some(2))
    report = verified(log)
    assert [place.line for place in report.problems] == [4]
    assert any("size_differs" in place.message for place in report.notes)


def test_a_full_disk_leaves_no_half_record(tmp_path: Path) -> None:
    """The batch fails as a whole, and is written as a whole when there is room again."""
    log = tmp_path / "audit.jsonl"
    code = """
        import resource, signal, sys
        from pathlib import Path
        from jwt_guard.audit.sinks import SinkFailed
        from tests.core.audit.conftest import file_sink, some
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        sink = file_sink(Path(sys.argv[1]))
        sink.write(some(5))
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
        try:
            sink.write(some(20))
        except SinkFailed:
            print("failed")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        sink.write(some(20))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(log)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "failed\n"
    assert len(lines(log)) == 25
    assert verified(log).good


def test_a_folder_that_is_gone_is_a_failure_that_passes(tmp_path: Path) -> None:
    """The sink says that it failed, and works again when the folder is back."""
    folder = tmp_path / "logs"
    sink = file_sink(folder / "audit.jsonl")
    with pytest.raises(SinkFailed):
        file_sink(Path("/proc/nowhere/audit.jsonl")).write(some(1))
    folder.mkdir()
    sink.write(some(1))
    assert verified(folder / "audit.jsonl").good


def test_private_files_are_for_their_owner_alone(log: Path) -> None:
    """The sealing key can be read by nobody else."""
    folder = LogFolder(log)
    for file in (folder.seal_key, folder.head, folder.lock):
        assert file.stat().st_mode & 0o077 == 0
    assert folder.state.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"kty":"OKP","crv":"Ed25519","x":"AA"}'])
def test_a_key_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    """For sealing as for verifying."""
    (tmp_path / "key.json").write_bytes(content)
    with pytest.raises(UnusableSealKey):
        SealKey.read_or_make(tmp_path / "key.json")
    with pytest.raises(UnusableSealKey):
        Seals.read(tmp_path / "key.json")

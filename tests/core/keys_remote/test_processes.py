"""Forks, the interpreter's end, and systems without a thread to spare: nobody waits or chokes."""

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from jwt_guard import Guard
from jwt_guard.keys.rotation import KeyFile, new_keys, rotated
from tests.core.keys_remote.support import averdict, guard_of, verdict
from tests.support import faults
from tests.support.faulty import JWKS, Exchange, FaultyServer
from tests.support.tokens import jwks, mint

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def _run(code: str, *arguments: str) -> str:
    """What a program of its own prints; it must end well, and say nothing else."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            textwrap.dedent(code),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


FORKING = """
    import os, signal, threading, time
    from jwt_guard.flow import run
    from jwt_guard.keys.keyset import find_key
    from jwt_guard.keys.remote import RemoteKeys
    from tests.core.keys_remote.support import Provider

    class Slow(Provider):
        def __call__(self, known, timeout):
            gate.wait(4)
            return (yield from super().__call__(known, timeout))

    def child(work):
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            start = time.monotonic()
            work()
            os._exit(time.monotonic() - start > 2)
        return os.waitpid(pid, 0)[1]

    def find():
        run(find_key(keys, "ES256-a", "ES256"))
"""


@needs_fork
def test_a_child_waits_for_no_load_of_its_parent() -> None:
    """A load that was under way at the fork is the parent's; the child makes its own."""
    code = f"""{FORKING}
    gate = threading.Event()
    keys = RemoteKeys("issuer", Slow("a"))
    waiting = threading.Thread(target=find)
    waiting.start()
    while not keys.stats().loads:
        time.sleep(0.01)

    def work():
        gate.set()
        find()

    print(child(work))
    gate.set()
    waiting.join()
    print(keys.stats().loads)
    """
    assert _run(code).split() == ["0", "1"]


@needs_fork
def test_a_child_does_not_take_over_a_lock_that_is_held() -> None:
    """Nobody would ever release it there."""
    code = f"""{FORKING}
    gate = threading.Event()
    gate.set()
    keys = RemoteKeys("issuer", Slow("a"))
    with keys._lock:
        print(child(find))
    """
    assert _run(code).split() == ["0"]


@needs_fork
def test_a_child_reads_its_file_although_the_parent_did_at_the_fork(tmp_path: Path) -> None:
    """The same for files of keys."""
    code = """
    import os, signal, sys
    from pathlib import Path
    from jwt_guard.flow import run
    from jwt_guard.keys.watching import Watched
    file = Path(sys.argv[1])
    file.write_text("one")
    watched = Watched(file, str)
    with watched._lock:
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            file.write_text("second")
            run(watched.refreshed())
            os._exit(watched.value() != "second")
        print(os.waitpid(pid, 0)[1])
    """
    assert _run(code, str(tmp_path / "keys")).split() == ["0"]


def _no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_changed_file_without_a_thread_is_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last good keys sign and verify meanwhile."""
    file = KeyFile(tmp_path / "keys.json")
    file.create(new_keys("ES256", time.time()))
    tokens = {"issuer": "https://app.example.test", "signing_keys": str(file.path)}
    guard = Guard.from_config({"audience": "https://api.example.test", "tokens": tokens})
    assert guard.issuer is not None
    assert guard.signing_keys is not None
    first = guard.signing_keys.current.kid
    file.change(lambda document, now: rotated(document, now, overlap=60))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        time.sleep(1.1)
        token = guard.issuer.issue("ada", client_id="web")
        assert guard.verify(token).subject == "ada"
        assert guard.signing_keys.current.kid == first
    assert guard.reload_keys() == {"https://app.example.test": True}
    assert guard.signing_keys.current.kid != first


def test_a_reload_without_threads_raises_nothing(
    faulty_server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers that nothing was loaded."""
    guard = guard_of(faulty_server)
    monkeypatch.setattr(threading.Thread, "start", _no_thread)
    assert guard.reload_keys() == {"https://issuer.example.test": False}


ENDING = """
    import asyncio, logging, sys, threading, time
    from tests.core.keys_remote.support import averdict, guard_at, verdict
    logging.disable()
    way, uri, token = sys.argv[1:]
    guard = guard_at(uri, refresh_every=1, timeout=1)

    async def on_a_loop():
        await averdict(guard, token)
        await asyncio.sleep(1.1)
        print(await averdict(guard, token))
        await asyncio.sleep(0.1)

    def after_the_end():
        threading.main_thread().join()
        time.sleep(0.05)
        print(verdict(guard, token))
        guard.reload_keys()

    if way == "loop":
        asyncio.run(on_a_loop())
    else:
        verdict(guard, token)
        time.sleep(1.1)
        if way == "thread":
            print(verdict(guard, token))
            time.sleep(0.1)
        else:
            threading.Thread(target=after_the_end).start()
"""


@pytest.mark.parametrize("way", ["thread", "loop", "after"])
def test_a_program_ends_silently_while_a_provider_hangs(
    faulty_server: FaultyServer, way: str
) -> None:
    """A refresh is under way, or wanted, when the interpreter ends: nothing is printed."""

    async def once(exchange: Exchange) -> None:
        await (exchange.serve() if faulty_server.count() == 1 else faults.hanging(exchange))

    faulty_server.jwks = jwks()
    faulty_server.at(JWKS, once)
    assert _run(ENDING, way, faulty_server.jwks_uri, mint()) == "ada\n"
    assert way == "after" or faulty_server.count() == 2


def test_the_first_fetch_on_a_loop_imports_no_network(faulty_server: FaultyServer) -> None:
    """What takes long was imported when the guard was built, not while requests wait."""
    faulty_server.jwks = jwks()
    code = """
    import asyncio, sys
    from tests.core.keys_remote.support import averdict, guard_at
    guard = guard_at(sys.argv[1])

    async def work():
        before = {*sys.modules}
        print(await averdict(guard, sys.argv[2]))
        print(*{name.partition(".")[0] for name in {*sys.modules} - before})

    asyncio.run(work())
    """
    answer, *imported = _run(code, faulty_server.jwks_uri, mint()).split()
    assert answer == "ada"
    assert not {"anyio", "httpcore2", "httpx2", "asyncio", "ssl"} & {*imported}


def test_a_loop_that_is_closed_during_a_fetch_holds_nobody_up(faulty_server: FaultyServer) -> None:
    """Who comes next takes the fetch over, however the loop came to stand still."""
    faulty_server.jwks = jwks()
    faulty_server.at(JWKS, faults.slow(0.3))
    guard = guard_of(faulty_server)
    loop = asyncio.new_event_loop()
    first = loop.create_task(averdict(guard, mint()))
    loop.run_until_complete(asyncio.sleep(0.1))
    start = time.monotonic()
    assert verdict(guard, mint()) == "ada"
    assert time.monotonic() - start < 1.5
    assert loop.run_until_complete(first) == "ada"
    loop.close()

"""Our own signing keys: their file, their rotation, and applications that follow it."""

import asyncio
import json
import logging
import os
import stat
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from jwt_guard import ConfigurationError, Guard, Reason, Refusal
from jwt_guard.audit.observer import EventName, LogObserver, Occurrence
from jwt_guard.endpoints import well_known
from jwt_guard.flow import run
from jwt_guard.http import AsgiView, Reply
from jwt_guard.keys.loading import UnusableKeys
from jwt_guard.keys.rotation import KeyFile, KeysRefused, new_keys, retired, rotated
from jwt_guard.keys.signing import SigningKeys, generate_key
from jwt_guard.keys.watching import Watched
from tests.support.tokens import Clock, configuration, jwks, mint, private_jwk

DAY = 86_400


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    """A file of a current and a next key."""
    made = KeyFile(tmp_path / "keys.json")
    made.create(new_keys("ES256", time.time()))
    return made


def _guard(file: KeyFile, **changes: Any) -> Guard:
    tokens = {"issuer": "https://app.example.test", "signing_keys": str(file.path)}
    return Guard.from_config({"audience": "https://api.example.test", "tokens": tokens, **changes})


def _token(guard: Guard) -> str:
    assert guard.issuer is not None
    return guard.issuer.issue("ada", client_id="web")


def _rotate(file: KeyFile, overlap: float = DAY) -> None:
    file.change(lambda document, now: rotated(document, now, overlap=overlap))


def _statuses(document: Any) -> list[str]:
    return [key["status"] for key in document["keys"]]


def _kids(document: Any) -> list[str]:
    return [key["kid"] for key in document["keys"]]


def _follow(guard: Guard) -> None:
    """Have it look at its file, as it does by itself within a second."""
    assert guard.reload_keys() == {"https://app.example.test": True}


# The file


def test_a_rotation_moves_each_key_one_step(file: KeyFile) -> None:
    """Next signs, current is kept for the overlap, a new next is there, and older ones stay."""
    first = file.read()
    assert _statuses(first) == ["current", "next"]
    _rotate(file)
    second = file.read()
    assert _statuses(second) == ["current", "next", "retired"]
    assert _kids(second)[0] == _kids(first)[1]
    assert _kids(second)[2] == _kids(first)[0]
    _rotate(file)
    assert _kids(file.read())[2:] == [_kids(second)[0], _kids(first)[0]]


def test_retired_keys_are_over_after_the_overlap() -> None:
    """Exactly then, in memory and in the file."""
    document = rotated(new_keys("ES256", 1000), 2000, overlap=100)
    gone = document["keys"][2]
    assert (gone["retired"], gone["remove_after"]) == (2000, 2100)
    assert len(rotated(document, 2099, overlap=100)["keys"]) == 4
    assert gone["kid"] not in _kids(rotated(document, 2100, overlap=100))


def test_a_rotation_may_change_the_algorithm() -> None:
    """The new next key has it; it signs a rotation later."""
    document = rotated(new_keys("ES256", 1000), 2000, overlap=100, algorithm="Ed25519")
    assert [key["alg"] for key in document["keys"]] == ["ES256", "Ed25519", "ES256"]


def test_keys_without_a_status_can_be_rotated(tmp_path: Path) -> None:
    """A plain JWK set: the first one signs, and is the one that is retired."""
    file = KeyFile(tmp_path / "keys.json")
    plain = {"keys": [private_jwk("ES256", "a"), private_jwk("ES256", "b")]}
    file.path.write_text(json.dumps(plain), encoding="utf-8")
    _rotate(file)
    document = file.read()
    assert _statuses(document) == ["current", "next", "retired", "retired"]
    assert _kids(document)[2:] == ["ES256-a", "ES256-b"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_key_is_retired_at_once(file: KeyFile, place: int) -> None:
    """Whichever it is: it is gone, one signs, and one is next."""
    _rotate(file)
    kid = _kids(file.read())[place]
    document = file.change(lambda keys, now: retired(keys, kid, now))
    assert kid not in _kids(document)
    assert _statuses(document)[:2] == ["current", "next"]
    assert len(document["keys"]) == (2 if place == 2 else 3)


def test_what_is_not_there_cannot_be_retired(file: KeyFile) -> None:
    """The file stays as it was."""
    before = file.path.read_bytes()
    with pytest.raises(KeysRefused):
        file.change(lambda keys, now: retired(keys, "nobody", now))
    assert file.path.read_bytes() == before


def test_the_file_is_its_owners_only_and_never_overwritten(file: KeyFile) -> None:
    """Whatever the umask; and no temporary file is left behind."""
    old = os.umask(0)
    try:
        _rotate(file)
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [each.name for each in file.path.parent.iterdir()] == ["keys.json"]
    with pytest.raises(KeysRefused, match="already"):
        file.create(new_keys("ES256", 0))


def test_a_change_that_fails_leaves_the_file(file: KeyFile) -> None:
    """Bad keys are never written."""
    before = file.path.read_bytes()
    with pytest.raises(UnusableKeys):
        file.change(lambda keys, now: {"keys": []})
    with pytest.raises(UnusableKeys, match="one set"):
        file.change(lambda keys, now: rotated(keys, now, overlap=1, algorithm="HS256"))
    assert file.path.read_bytes() == before


def test_a_disk_that_fails_leaves_the_file(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old keys whole, and nothing beside them."""
    before = file.path.read_bytes()

    def fail(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="space"):
        _rotate(file)
    assert file.path.read_bytes() == before
    assert [each.name for each in file.path.parent.iterdir()] == ["keys.json"]


def test_systems_without_locks_rotate_too(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command at a time is then the owner's affair."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    _rotate(file)
    assert len(file.read()["keys"]) == 3


def test_no_kid_looks_like_an_option() -> None:
    """So that each can be named on a command line."""
    kids = [generate_key("Ed25519")["kid"] for _ in range(500)]
    assert not [kid for kid in kids if kid.startswith("-")]


def test_commands_at_once_do_not_undo_each_other(file: KeyFile) -> None:
    """Eight rotations: eight retired keys."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: _rotate(KeyFile(file.path)), range(8)))
    assert _statuses(file.read()).count("retired") == 8


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "retired"}, "exactly one"),
        ({"status": "other"}, "status"),
        ({"status": 5}, "status"),
        ({"remove_after": "soon"}, "remove_after"),
        ({"remove_after": True}, "remove_after"),
    ],
)
def test_files_that_are_ambiguous_are_refused(change: dict[str, Any], why: str) -> None:
    """Which key signs is never left to chance."""
    document = new_keys("ES256", 1000)
    document["keys"][0].update(change)
    with pytest.raises(UnusableKeys, match=why):
        SigningKeys.from_jwks(document)


def test_nothing_that_we_store_beside_a_key_is_published(file: KeyFile) -> None:
    """The members of RFC 7517 and 7518, all keys, no secrets."""
    _rotate(file)
    published = SigningKeys.from_jwks(file.read()).public_jwks()["keys"]
    assert len(published) == 3
    for key in published:
        assert set(key) == {"kty", "kid", "use", "alg", "crv", "x", "y"}


# Applications


def test_an_application_follows_its_file(file: KeyFile) -> None:
    """Within a second or so, by itself, and the old key's tokens are still good."""
    guard = _guard(file)
    old = _token(guard)
    assert guard.signing_keys is not None
    before = guard.signing_keys.current.kid
    _rotate(file)
    end = time.monotonic() + 5
    while guard.signing_keys.current.kid == before and time.monotonic() < end:
        time.sleep(0.02)
    assert guard.signing_keys.current.kid != before
    assert guard.verify(old).subject == "ada"
    assert guard.verify(_token(guard)).subject == "ada"


def test_a_key_retired_at_once_is_refused(file: KeyFile) -> None:
    """Cached or not, from the moment that the application has looked."""
    guard = _guard(file)
    token = _token(guard)
    assert guard.verify(token).subject == "ada"
    file.change(lambda keys, now: retired(keys, keys["keys"][0]["kid"], now))
    _follow(guard)
    with pytest.raises(Refusal, match="key_unknown"):
        guard.verify(token)


def test_the_overlap_ends_without_a_change_of_the_file(tmp_path: Path) -> None:
    """The application's clock ends it."""
    clock = Clock()
    file = KeyFile(tmp_path / "keys.json", clock=clock)
    file.create(new_keys("ES256", clock()))
    keys = SigningKeys.from_file(file.path, clock=clock)
    old = keys.current.kid
    _rotate(file, overlap=100)
    assert run(keys.source.reload())
    assert keys.key_set.find(old, "ES256") is not None
    clock.now += 100
    assert run(keys.source.reload())
    assert keys.key_set.find(old, "ES256") is None


async def test_a_token_of_another_process_is_known_at_once(file: KeyFile) -> None:
    """A process that has not looked yet looks when it meets the new key: both drivers."""
    for blocking in (True, False):
        slow, quick = _guard(file), _guard(file)
        _rotate(file)
        _rotate(file)
        _follow(quick)
        token = _token(quick)
        caller = slow.verify(token) if blocking else await slow.averify(token)
        assert caller.subject == "ada"


def test_a_rotation_under_load_loses_no_request(file: KeyFile) -> None:
    """Two applications on one file, issuing and verifying each other's tokens, five rotations."""
    guards = [_guard(file), _guard(file)]
    failures: list[str] = []
    kids: set[str] = set()
    done = threading.Event()

    def work(mine: Guard, other: Guard) -> None:
        while not done.is_set():
            token = _token(mine)
            try:
                other.verify(token)
                mine.verify(token)
            except Refusal as refusal:
                failures.append(str(refusal))
            assert mine.signing_keys is not None
            kids.add(mine.signing_keys.current.kid)

    workers = [threading.Thread(target=work, args=pair) for pair in (guards, guards[::-1], guards)]
    for worker in workers:
        worker.start()
    for _ in range(5):
        _rotate(file)
        time.sleep(0.7)
    done.set()
    for worker in workers:
        worker.join()
    assert failures == []
    assert len(kids) >= 3


def test_a_bad_file_changes_nothing(file: KeyFile, caplog: pytest.LogCaptureFixture) -> None:
    """Half a file, no file: the last good keys sign on, and the log says why, once."""
    guard = _guard(file)
    good = file.path.read_bytes()
    for bad in (b"{", b'{"keys": []}', b"\xff"):
        file.path.write_bytes(bad)
        with caplog.at_level(logging.ERROR, "jwt_guard.keys"):
            assert guard.reload_keys() == {"https://app.example.test": False}
            assert guard.reload_keys() == {"https://app.example.test": False}
        assert guard.verify(_token(guard)).subject == "ada"
    assert len([record for record in caplog.records if "not used" in record.message]) == 3
    file.path.unlink()
    assert guard.reload_keys() == {"https://app.example.test": False}
    file.path.write_bytes(good)
    _follow(guard)


class _Refusing(LogObserver):
    """Cannot take a record."""

    def happened(self, occurrence: Occurrence) -> None:
        """See `Observer`."""
        raise Refusal(Reason.AUDIT_UNAVAILABLE)


def test_an_observer_that_refuses_stops_no_rotation(
    file: KeyFile, caplog: pytest.LogCaptureFixture
) -> None:
    """The keys are followed, and the log says what is missing."""
    guard = _guard(file)
    guard.observers.append(_Refusing())
    _rotate(file)
    _follow(guard)
    assert "could not be recorded" in caplog.text


class _Diary(LogObserver):
    """Remembers what happened."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Occurrence] = []

    def happened(self, occurrence: Occurrence) -> None:
        """See `Observer`."""
        self.seen.append(occurrence)


def test_observers_learn_of_a_rotation(file: KeyFile) -> None:
    """With the key that signs now."""
    guard = _guard(file)
    diary = _Diary()
    guard.observers.append(diary)
    _rotate(file)
    _follow(guard)
    (occurrence,) = diary.seen
    assert occurrence.name is EventName.KEY_ROTATED
    assert occurrence.issuer == "https://app.example.test"
    assert guard.signing_keys is not None
    assert occurrence.detail == {"kid": guard.signing_keys.current.kid}


def test_an_issuers_file_is_followed_too(tmp_path: Path) -> None:
    """New keys in it count, withdrawn ones no more."""
    path = tmp_path / "issuer.json"
    path.write_text(json.dumps(jwks("ES256")), encoding="utf-8")
    config = configuration()
    config["issuers"][0] |= {"keys": str(path), "algorithms": ["ES256", "ES384"]}
    guard = Guard.from_config(config)
    assert guard.verify(mint()).subject == "ada"
    path.write_text(json.dumps(jwks("ES384")), encoding="utf-8")
    assert guard.verify(mint(algorithm="ES384")).subject == "ada"
    with pytest.raises(Refusal, match="key_unknown"):
        guard.verify(mint())


def test_a_file_that_is_not_there_is_a_mistake_at_start(tmp_path: Path) -> None:
    """Named with its path in the configuration."""
    with pytest.raises(ConfigurationError, match="signing_keys"):
        _guard(KeyFile(tmp_path / "nothing.json"))


@pytest.mark.parametrize("text", ["{", "[]", "5", ""])
def test_keys_in_a_variable_are_checked_too(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no key set is a mistake at start; what is one serves, and is not followed."""
    monkeypatch.setenv("SIGNING_KEYS", text)
    tokens = {"issuer": "https://app.example.test", "signing_keys": "env:SIGNING_KEYS"}
    with pytest.raises(ConfigurationError, match="signing_keys"):
        Guard.from_config({"audience": "x", "tokens": tokens})
    monkeypatch.setenv("SIGNING_KEYS", json.dumps(new_keys("ES256", 0)))
    guard = Guard.from_config({"audience": "x", "tokens": tokens})
    assert guard.verify(_token(guard)).subject == "ada"
    assert guard.reload_keys() == {"https://app.example.test": True}


def test_many_looks_cost_one_reading(file: KeyFile) -> None:
    """Whoever comes while the file is being read takes what there is."""
    readings = []

    def read(text: str) -> int:
        readings.append(text)
        time.sleep(0.1)
        return len(readings)

    watched = Watched(file.path, read)
    _rotate(file)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: run(watched.refreshed()), range(10)))
    assert len(readings) == 2
    assert asyncio.run(_read_on_loop(watched, file)) == 3


def test_a_process_without_threads_goes_on_with_what_it_has(
    file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request that looks is answered, and a later look follows the file."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    watched = Watched(file.path, str, clock=partial(next, count(0.0, 10.0)))
    before = watched.value()
    _rotate(file)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert watched.value() == before
    end = time.monotonic() + 5
    while watched.value() == before and time.monotonic() < end:
        time.sleep(0.02)
    assert watched.value() != before


async def _read_on_loop(watched: Watched[int], file: KeyFile) -> int:
    from jwt_guard.flow import arun

    _rotate(file)
    assert await arun(watched.refreshed())
    return watched.value()


# The published set


def _ask(guard: Guard, *headers: tuple[bytes, bytes]) -> Reply:
    endpoint = next(each for each in well_known() if each.name == "jwt_guard_jwks")
    view = AsgiView({"type": "http", "method": "GET", "headers": list(headers)})
    return run(endpoint.handle(guard, view, b""))


def test_the_published_set_may_be_cached_and_is_revalidated(file: KeyFile) -> None:
    """An ETag that changes with the keys, 304 for who has them."""
    guard = _guard(file)
    reply = _ask(guard)
    headers = dict(reply.headers)
    assert headers["Cache-Control"] == "public, max-age=300"
    assert [key["kid"] for key in json.loads(reply.body)["keys"]] == _kids(file.read())
    tag = headers["ETag"].encode()
    for value in (tag, b'"x", W/' + tag, b"*"):
        again = _ask(guard, (b"if-none-match", value))
        assert (again.status, again.body) == (304, b"")
        assert dict(again.headers)["ETag"] == headers["ETag"]
    assert _ask(guard, (b"if-none-match", b'"x"')).status == 200
    _rotate(file)
    _follow(guard)
    assert _ask(guard, (b"if-none-match", tag)).status == 200

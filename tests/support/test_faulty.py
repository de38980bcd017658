"""The faulty server fails in just the way it says, and only there."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey

from tests.support import faults
from tests.support.faulty import DISCOVERY, JWKS, OAUTH_METADATA, Fault, FaultyServer

pytestmark = pytest.mark.timeout(30)

_KEY = ECKey.generate_key("P-256", {"kid": "good", "alg": "ES256", "use": "sig"})
_KEYS = {"keys": [_KEY.as_dict(private=False)]}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """A faulty server with one good key."""
    with FaultyServer() as running:
        running.jwks = _KEYS
        yield running


def _get(url: str, timeout: float = 5) -> httpx2.Response:
    return httpx2.get(url, timeout=timeout, trust_env=False)


def _is_useful(url: str) -> bool:
    """Whether a naive client would take the answer for a key set or metadata."""
    try:
        with httpx2.stream("GET", url, timeout=0.5, trust_env=False) as answer:
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > 1_000_000:
                    return False
        return answer.status_code == 200 and isinstance(
            httpx2.Response(200, content=body).json(), dict
        )
    except (httpx2.HTTPError, ValueError, RecursionError):
        return False


def test_a_well_server_serves_keys_and_metadata(server: FaultyServer) -> None:
    """With nothing broken, keys and metadata come whole, and other paths are unknown."""
    assert _get(server.jwks_uri).json() == _KEYS
    metadata = _get(server.discovery_uri).json()
    assert metadata["issuer"] == server.issuer
    assert metadata["jwks_uri"] == server.jwks_uri
    assert _get(server.origin + OAUTH_METADATA).json() == metadata
    assert _get(server.origin + "/other").status_code == 404
    server.documents["/other"] = {"more": True}
    assert _get(server.origin + "/other").json() == {"more": True}


def test_requests_are_recorded_path_by_path(server: FaultyServer) -> None:
    """Each request leaves its path, its time, its headers and the size of its answer."""
    begun = time.monotonic()
    answer = httpx2.get(server.jwks_uri, headers={"X-Trace": "Abc"})
    _get(server.discovery_uri)
    assert (server.count(), server.count(DISCOVERY), server.count("/never")) == (1, 1, 0)
    assert begun <= server.times()[0] <= server.times(DISCOVERY)[0] <= time.monotonic()
    assert server.hits[0].headers["x-trace"] == "Abc"
    assert server.hits[0].method == "GET"
    assert server.hits[0].sent > len(answer.content)


@pytest.mark.parametrize("fault", faults.BROKEN.values(), ids=faults.BROKEN)
def test_no_broken_answer_is_of_use(server: FaultyServer, fault: Fault) -> None:
    """Each fault in BROKEN keeps a client from keys; healing the path gives them back."""
    server.at(JWKS, fault)
    assert not _is_useful(server.jwks_uri)
    assert _is_useful(server.discovery_uri)
    server.heal(JWKS)
    assert _is_useful(server.jwks_uri)


@pytest.mark.parametrize("fault", faults.STALLING.values(), ids=faults.STALLING)
def test_no_stalling_answer_comes_in_time(server: FaultyServer, fault: Fault) -> None:
    """Each fault in STALLING is still not done when a client loses patience."""
    server.at(JWKS, fault)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_get, server.jwks_uri, 0.5)
        time.sleep(0.3)
        assert not waiting.done()
        server.refuse()
        assert isinstance(waiting.exception(), httpx2.HTTPError)


def test_slowness_of_each_kind_ends(server: FaultyServer) -> None:
    """A slow and a dribbled answer are the good one, after the time they were told to take."""
    for fault, least in ((faults.slow(0.2), 0.2), (faults.dribbling(0.001), 0.1)):
        server.at(JWKS, fault)
        begun = time.monotonic()
        assert _get(server.jwks_uri).json() == _KEYS
        assert time.monotonic() - begun >= least


def test_held_requests_wait_for_the_gate(server: FaultyServer) -> None:
    """Requests that meet a gate are all answered when it opens, and none before."""
    gate = threading.Event()
    server.at(JWKS, faults.held(gate))
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(_get, server.jwks_uri) for _ in range(4)]
        while server.count() < 4:
            time.sleep(0.005)
        assert not any(request.done() for request in waiting)
        gate.set()
        assert [request.result().json() for request in waiting] == [_KEYS] * 4


def test_faults_can_take_turns(server: FaultyServer) -> None:
    """Faults in turn meet one request each, and the last one stays."""
    server.at(JWKS, faults.in_turn(faults.status(500), faults.too_many_requests(7), faults.html))
    answers = [_get(server.jwks_uri) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [500, 429, 200, 200]
    assert answers[1].headers["retry-after"] == "7"
    assert answers[3].headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_followed_redirect_is_noticed(server: FaultyServer, code: int) -> None:
    """A client that follows a redirect is caught by the path it leads to; others are not."""
    server.documents["/trap"] = _KEYS
    server.at(JWKS, faults.redirect("/trap", code))
    assert httpx2.get(server.jwks_uri).status_code == code
    assert server.count("/trap") == 0
    assert httpx2.get(server.jwks_uri, follow_redirects=True).json() == _KEYS
    assert server.count("/trap") == 1


@pytest.mark.parametrize("announced", [False, True])
def test_a_huge_answer_stops_with_its_reader(server: FaultyServer, announced: bool) -> None:
    """Who stops reading a huge body early is sent little more than it took."""
    server.at(JWKS, faults.huge(announced=announced))
    with httpx2.stream("GET", server.jwks_uri) as answer:
        assert ("content-length" in answer.headers) is announced
        assert next(answer.iter_bytes()).startswith(b'{"keys": [')
    time.sleep(0.05)
    assert server.hits[0].sent < 32 * 1024 * 1024


def test_a_huge_answer_is_as_big_as_said(server: FaultyServer) -> None:
    """Who reads a huge body to its end gets more than any cap."""
    server.at(JWKS, faults.huge(4 * 1024 * 1024))
    assert len(_get(server.jwks_uri).content) > 4_000_000


def test_a_bomb_is_small_until_unpacked(server: FaultyServer) -> None:
    """A bomb travels in kilobytes and unpacks to megabytes of valid JSON."""
    server.at(JWKS, faults.bomb(8 * 1024 * 1024))
    answer = _get(server.jwks_uri)
    assert len(answer.content) == 8 * 1024 * 1024
    assert answer.json() == {"keys": []}
    assert server.hits[0].sent < 64 * 1024


def test_key_sets_can_hold_the_wrong_keys(server: FaultyServer) -> None:
    """Key sets come empty, with a bad key before the good one, or with a kid used twice."""
    server.at(JWKS, faults.empty_keys)
    assert _get(server.jwks_uri).json() == {"keys": []}
    server.at(JWKS, faults.one_bad_key())
    assert _get(server.jwks_uri).json() == {"keys": [faults.TINY_RSA_KEY, *_KEYS["keys"]]}
    server.at(JWKS, faults.one_bad_key("no key at all"))
    assert _get(server.jwks_uri).json()["keys"][0] == "no key at all"
    server.at(JWKS, faults.duplicate_kids)
    first, second = _get(server.jwks_uri).json()["keys"]
    assert first["kid"] == second["kid"]
    assert first["x"] != second["x"]


def test_metadata_can_name_another_issuer(server: FaultyServer) -> None:
    """Metadata of the wrong issuer are right in all else."""
    good: dict[str, Any] = _get(server.discovery_uri).json()
    server.at(DISCOVERY, faults.wrong_issuer())
    bad = _get(server.discovery_uri).json()
    assert bad.pop("issuer") != good.pop("issuer")
    assert bad == good


def test_the_content_type_can_be_wrong(server: FaultyServer) -> None:
    """The good keys come as plain text."""
    server.at(JWKS, faults.wrong_content_type)
    answer = _get(server.jwks_uri)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.json() == _KEYS


def test_a_refusing_server_keeps_its_port(server: FaultyServer) -> None:
    """Connections are refused, the port goes to nobody else, and the server comes back to it."""
    server.refuse()
    with pytest.raises(httpx2.ConnectError):
        _get(server.jwks_uri)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", server.port))
    server.accept()
    assert _get(server.jwks_uri).json() == _KEYS
    assert server.count() == 1


def test_stopping_cuts_hanging_clients_and_leaves_no_thread() -> None:
    """A stopped server has let go of its clients and ended its thread."""
    before = threading.active_count()
    with ThreadPoolExecutor(2) as pool:
        with FaultyServer() as server:
            server.at(JWKS, faults.hanging)
            waiting = [pool.submit(_get, server.jwks_uri) for _ in range(2)]
            while server.count() < 2:
                time.sleep(0.005)
        assert all(isinstance(request.exception(), httpx2.HTTPError) for request in waiting)
    assert threading.active_count() == before

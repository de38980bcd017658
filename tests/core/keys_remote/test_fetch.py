"""What a bad provider can do to us: nothing but be refused."""

import datetime as dt
import http.server
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jwt_guard import Guard
from jwt_guard.flow import arun, run
from jwt_guard.keys.fetch import MAX_SIZE, FetchFailed, Get
from jwt_guard.keys.reach import Reach
from tests.core.keys_remote.support import averdict, guard_of, until, verdict
from tests.support import faults
from tests.support.faulty import JWKS, Fault, FaultyServer
from tests.support.tokens import AUDIENCE, ISSUER, jwk, jwks, mint

OUTAGES: dict[str, Fault] = {
    "html": faults.html,
    "wrong_content_type": faults.wrong_content_type,
    "truncated": faults.truncated,
    "invalid_json": faults.invalid_json,
    "not_an_object": faults.not_an_object,
    "deeply_nested": faults.deeply_nested,
    "not_http": faults.not_http,
    "dropped": faults.dropped,
    "hanging": faults.hanging,
    "stalled": faults.stalled,
    "dribbling": faults.dribbling(0.02),
    "empty_keys": faults.empty_keys,
    "duplicate_kids": faults.duplicate_kids,
    "status_500": faults.status(500),
    "status_204": faults.status(204),
    "too_many_requests": faults.too_many_requests(3),
    "redirect": faults.redirect("/elsewhere"),
    "huge": faults.huge(),
    "huge_announced": faults.huge(announced=True),
    "bomb": faults.bomb(),
}


@pytest.fixture
def server(faulty_server: FaultyServer) -> FaultyServer:
    """A server with the good keys."""
    faulty_server.jwks = jwks("ES256", "RS256")
    return faulty_server


@pytest.mark.parametrize("name", OUTAGES)
def test_a_bad_answer_is_an_outage_and_never_more(server: FaultyServer, name: str) -> None:
    """Down from the start it is 503 with a time; nothing else is asked, nothing hangs."""
    server.at(JWKS, OUTAGES[name])
    guard = guard_of(server, timeout=0.5)
    start = time.monotonic()
    assert verdict(guard, mint()) == "keys_unavailable"
    assert time.monotonic() - start < 2
    assert [hit.path for hit in server.hits] == [JWKS]
    assert sum(hit.sent for hit in server.hits) < 64 * MAX_SIZE


@pytest.mark.parametrize("name", OUTAGES)
async def test_a_bad_answer_is_an_outage_on_the_loop_too(server: FaultyServer, name: str) -> None:
    """The same verdict by the other driver."""
    server.at(JWKS, OUTAGES[name])
    guard = guard_of(server, timeout=0.5)
    assert await averdict(guard, mint()) == "keys_unavailable"
    assert [hit.path for hit in server.hits] == [JWKS]


@pytest.mark.parametrize("name", OUTAGES)
def test_the_last_good_keys_are_kept(server: FaultyServer, name: str) -> None:
    """A provider that goes bad takes nothing away from good tokens."""
    guard = guard_of(server, timeout=0.5)
    assert verdict(guard, mint()) == "ada"
    server.at(JWKS, OUTAGES[name])
    assert guard.reload_keys() == {"https://issuer.example.test": False}
    assert verdict(guard, mint()) == "ada"
    server.heal(JWKS)
    assert until(lambda: all(guard.reload_keys().values()))


def test_refused_connections_are_an_outage(server: FaultyServer) -> None:
    """And the end of the outage needs no restart."""
    server.refuse()
    guard = guard_of(server)
    assert verdict(guard, mint()) == "keys_unavailable"
    server.accept()
    assert guard.reload_keys() == {"https://issuer.example.test": True}
    assert verdict(guard, mint()) == "ada"


async def test_refused_connections_are_an_outage_on_the_loop_too(server: FaultyServer) -> None:
    """The same by the other driver."""
    server.refuse()
    assert await averdict(guard_of(server), mint()) == "keys_unavailable"


@pytest.mark.parametrize("document", [{}, {"kty": "EC"}, jwk(), {"keys": {}}, {"keys": None}])
def test_only_a_key_set_is_one(server: FaultyServer, document: Any) -> None:
    """A single key is none, and neither is any other object."""
    server.jwks = document
    assert verdict(guard_of(server), mint()) == "keys_unavailable"


def test_no_time_is_no_fetch(server: FaultyServer) -> None:
    """A deadline that has passed is an outage before anything is sent."""
    late = Get(url=server.jwks_uri, deadline=time.monotonic() - 1, reach=Reach(loopback=True))
    with pytest.raises(FetchFailed, match="in time"):
        run(iter(late))
    assert server.hits == []


def test_a_slow_provider_is_waited_for(server: FaultyServer) -> None:
    """Slow within the timeout is good."""
    server.at(JWKS, faults.slow(0.3))
    assert verdict(guard_of(server), mint()) == "ada"


@pytest.mark.parametrize(
    "bad", [None, 5, [], {}, {"kty": "EC"}, {"kty": "RSA", "n": "AQ", "e": "AQAB"}, {"kty": "?"}]
)
def test_a_bad_key_in_a_set_is_skipped_and_reported(server: FaultyServer, bad: Any) -> None:
    """The others serve."""
    server.at(JWKS, faults.one_bad_key(bad))
    guard = guard_of(server)
    assert verdict(guard, mint()) == "ada"
    assert verdict(guard, mint(algorithm="RS256")) == "ada"
    (stats,) = guard.key_stats().values()
    assert stats.keys == 2
    assert len(stats.skipped) == 1
    assert stats.skipped[0].startswith("key 0: ")


def test_the_same_keys_in_another_order_are_no_rotation(server: FaultyServer) -> None:
    """Servers of one provider need not agree on it: cached tokens stay, and nothing is told."""
    guard = guard_of(server)
    guard.reload_keys()
    before = next(iter(guard.issuers)).keys.current()
    keys = [dict(reversed(each.items())) for each in server.jwks["keys"]]
    server.jwks = {"keys": keys[::-1], "generated": time.time()}
    assert guard.reload_keys() == {"https://issuer.example.test": True}
    assert next(iter(guard.issuers)).keys.current() is before
    assert [stats.rotations for stats in guard.key_stats().values()] == [0]


def test_what_happened_to_keys_is_counted(server: FaultyServer) -> None:
    """By issuer, in the metrics that are exported."""
    entry = {"issuer": ISSUER, "keys": server.jwks_uri, "algorithms": ["ES256"]}
    config = {"audience": AUDIENCE, "issuers": [entry | {"allow_http": True}]}
    with Guard.from_config({**config, "audit": {"metrics": True}}) as guard:
        assert verdict(guard, mint()) == "ada"
        assert verdict(guard, mint(header={"kid": "other"})) == "key_unknown"
        assert verdict(guard, mint(header={"kid": "other"})) == "key_unknown"
        server.refuse()
        guard.reload_keys()
        assert guard.trail is not None
        text = guard.trail.metrics.text()
    counted = dict(
        re.findall(r'^jwt_guard_keys_(\w+)_total\{issuer="(?:.+)"\} (\d+)', text, re.MULTILINE)
    )
    assert counted == {
        "loads": "3",
        "failures": "1",
        "rotations": "0",
        "unknown_kids": "2",
        "spared": "1",
        "unavailable": "0",
    }


def test_secrets_never_come_over_the_network(server: FaultyServer) -> None:
    """A set with a symmetric key is refused whole."""
    server.jwks = {"keys": [*jwks()["keys"], {"kty": "oct", "k": "c2VjcmV0" * 8}]}
    assert verdict(guard_of(server), mint()) == "keys_unavailable"


def test_nothing_of_the_environment_or_of_a_client_is_sent(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy, no credentials, no cookies; and no compression is asked for."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert verdict(guard_of(server), mint()) == "ada"
    (hit,) = server.hits
    assert hit.headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie"} & set(hit.headers)


def _get(url: str, *, seconds: float = 2, **reach: bool) -> Get:
    return Get(url=url, deadline=time.monotonic() + seconds, reach=Reach(**reach))


def test_a_name_that_resolves_to_this_host_is_refused(server: FaultyServer) -> None:
    """The address counts, not the name; unless loopback is allowed by name."""
    url = f"http://localhost:{server.port}{JWKS}"
    with pytest.raises(FetchFailed, match="address"):
        run(iter(_get(url)))
    assert server.hits == []
    assert run(iter(_get(url, loopback=True)))


async def test_a_name_that_resolves_to_this_host_is_refused_on_the_loop(
    server: FaultyServer,
) -> None:
    """The same by the other driver."""
    for url in (f"http://localhost:{server.port}{JWKS}", server.jwks_uri):
        with pytest.raises(FetchFailed, match="address"):
            await arun(iter(_get(url)))
        assert await arun(iter(_get(url, loopback=True)))
    assert server.count() == 2


@pytest.fixture
def two_hosts(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A URL whose host has two addresses, and at the first one nobody ever answers."""
    genuine = socket.getaddrinfo

    def resolve(host: str, port: int, *arguments: Any, **options: Any) -> list[Any]:
        addresses = ("127.0.0.2", "127.0.0.1") if host == "two.example.test" else (host,)
        return [genuine(each, port, *arguments, **options)[0] for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with ExitStack() as open_ones:
        silent = open_ones.enter_context(socket.socket())
        silent.bind(("127.0.0.2", server.port))
        silent.listen(0)
        for _ in range(4):  # a full queue takes no more, and says nothing
            waiting = open_ones.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", server.port))
        yield f"http://two.example.test:{server.port}{JWKS}"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no second address here")
async def test_a_host_that_is_half_dead_is_reached(two_hosts: str) -> None:
    """An address that does not answer leaves time for the next one."""
    assert run(iter(_get(two_hosts, seconds=6, loopback=True)))
    assert await arun(iter(_get(two_hosts, seconds=6, loopback=True)))


@pytest.mark.parametrize(
    "url", ["https://host.invalid/jwks", "http://127.0.0.1:1/", "nonsense://x"]
)
def test_what_cannot_be_asked_fails_in_one_way(url: str) -> None:
    """Names that do not resolve, closed ports, schemes of another kind."""
    with pytest.raises(FetchFailed):
        run(iter(_get(url, loopback=True)))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate for `localhost` that no authority has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key.pem").write_bytes(private)
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


@pytest.fixture
def tls_url(certificate: tuple[str, str]) -> Iterator[str]:
    """A TLS server on loopback whose certificate is for `localhost`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"keys": []}'
            self.send_response(200)
            self.send_header("Content-Type", "application/jwk-set+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"https://localhost:{httpd.server_port}/jwks"
        httpd.shutdown()
        thread.join()


async def test_certificates_are_verified_for_the_name(
    tls_url: str, certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is not vouched for is not believed, and a certificate is for a name, not an address."""
    with pytest.raises(FetchFailed):
        run(iter(_get(tls_url, loopback=True)))
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    assert run(iter(_get(tls_url, loopback=True))) == b'{"keys": []}'
    assert await arun(iter(_get(tls_url, loopback=True))) == b'{"keys": []}'
    other = tls_url.replace("localhost", "127.0.0.1")
    with pytest.raises(FetchFailed):
        run(iter(_get(other, loopback=True)))
    with pytest.raises(FetchFailed):
        await arun(iter(_get(other, loopback=True)))

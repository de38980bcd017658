"""The two ASGI sample applications, each started by its command on a real server."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from sample_apps import shared
from tests.support import tokens

CONFIG = f"""
audience = "{tokens.AUDIENCE}"

[[issuers]]
issuer = "{tokens.ISSUER}"
keys = "keys.json"
algorithms = ["ES256"]
"""


@dataclass
class Server:
    """A running application."""

    process: "subprocess.Popen[str]"
    url: str

    def request(self, method: str, path: str, token: str | None = None) -> httpx2.Response:
        """Send a request."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx2.request(method, self.url + path, headers=headers)


def start(app: str, *arguments: str) -> Server:
    """Start an application on a free port, and wait for the line that says where."""
    command = [sys.executable, "-m", f"sample_apps.{app}", "--port", "0", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    return Server(process, process.stderr.readline().strip())


@pytest.fixture(scope="module", params=["starlette_app", "fastapi_app"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An application that trusts the forging kit's issuer beside itself."""
    folder: Path = tmp_path_factory.mktemp("config")
    (folder / "keys.json").write_text(json.dumps(tokens.jwks()))
    (folder / "jwt_guard.toml").write_text(CONFIG)
    started = start(request.param, "--config", str(folder / "jwt_guard.toml"))
    yield started
    started.process.kill()
    started.process.communicate()


def person(name: str, **claims: object) -> str:
    """A token of one of the sample's people, who logged in just now."""
    known = shared.people()[name]
    return tokens.mint(
        {
            "sub": name,
            "roles": list(known.roles),
            "tenant": known.tenant,
            "auth_time": int(time.time()),
            "scope": " ".join(known.scopes) or tokens.ABSENT,
            **claims,
        }
    )


@pytest.mark.parametrize(
    ("method", "path", "who", "status"),
    [
        ("GET", "/public", None, 200),
        ("GET", "/me", None, 401),
        ("GET", "/me", "linus", 200),
        ("GET", "/reports", "linus", 403),
        ("GET", "/reports", "grace", 200),
        ("GET", "/reports", "ada", 200),
        ("POST", "/reports", "ada", 403),
        ("POST", "/reports", "grace", 201),
        ("DELETE", "/admin/users/7", "grace", 403),
        ("DELETE", "/admin/users/7", "ada", 200),
        ("GET", "/tenants/acme/invoices", "linus", 200),
        ("GET", "/tenants/acme/invoices", "eve", 403),
        ("GET", "/.well-known/jwks.json", None, 200),
        ("GET", "/.well-known/oauth-protected-resource", None, 200),
        ("GET", "/stream", None, 401),
        ("GET", "/nowhere", None, 401),
        ("GET", "/nowhere", "ada", 404),
    ],
)
def test_endpoints(server: Server, method: str, path: str, who: str | None, status: int) -> None:
    """Each endpoint of the contract asks what the contract says."""
    answer = server.request(method, path, None if who is None else person(who))
    assert answer.status_code == status


def test_me(server: Server) -> None:
    """GET /me tells what the token says."""
    assert server.request("GET", "/me", person("grace")).json() == {
        "subject": "grace",
        "roles": ["analyst"],
        "scopes": ["reports:write"],
        "tenant": "acme",
    }


def test_stale_login_must_be_repeated(server: Server) -> None:
    """An administrator who logged in long ago is told to log in again."""
    stale = person("ada", auth_time=int(time.time()) - 301)
    answer = server.request("DELETE", "/admin/users/7", stale)
    assert answer.status_code == 401
    assert 'max_age="300"' in answer.headers["www-authenticate"]


def log_in(server: Server) -> str:
    """A token of our own, with a session that can be ended."""
    body = {"username": "ada", "password": "ada-demo"}
    token: str = httpx2.post(f"{server.url}/auth/login", json=body).json()["access_token"]
    return token


def test_G14_what_streams_ends_with_its_session(server: Server) -> None:
    """Both within seconds of the logout, though their token would be good for minutes."""
    token = log_in(server)
    headers = {"Authorization": f"Bearer {token}"}
    url = server.url.replace("http", "ws") + "/ws"
    with (
        httpx2.stream("GET", f"{server.url}/stream", headers=headers, timeout=5) as events,
        connect(url, additional_headers=headers) as socket,
    ):
        lines = events.iter_lines()
        assert (next(lines), socket.recv(5)) == ("data: 1", "Hello, ada.")
        assert server.request("POST", "/auth/logout", token).status_code == 204
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(5)
        assert len(list(lines)) < 10
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 3000


def test_stream_ends_at_expiry(server: Server) -> None:
    """The events come until the token expires, and the stream ends in good order."""
    started = time.monotonic()
    answer = server.request("GET", "/stream", person("ada", exp=int(time.time()) + 3))
    assert answer.text.startswith("data: 1\n\ndata: 2\n\n")
    assert 1 < time.monotonic() - started < 10


def test_websocket_is_closed_at_expiry(server: Server) -> None:
    """The conversation lasts until the token expires."""
    token = person("ada", exp=int(time.time()) + 2)
    url = server.url.replace("http", "ws") + "/ws"
    headers = {"Authorization": f"Bearer {token}"}
    with connect(url, additional_headers=headers) as connected:
        assert connected.recv(timeout=5) == "Hello, ada."
        connected.send("echo")
        assert connected.recv(timeout=5) == "echo"
        with pytest.raises(ConnectionClosed) as closed:
            connected.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 3000


def test_websocket_handshake_is_denied_with_the_reply(server: Server) -> None:
    """Without a token the handshake gets what a request would get."""
    with pytest.raises(InvalidStatus) as denied, connect(server.url.replace("http", "ws") + "/ws"):
        pass
    assert denied.value.response.status_code == 401
    assert denied.value.response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("app", ["starlette_app", "fastapi_app"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_signals_end_it_cleanly(app: str, number: signal.Signals) -> None:
    """Asked to stop, it stops with status 0 and nothing more to say."""
    server = start(app)
    assert server.request("GET", "/public").status_code == 200
    server.process.send_signal(number)
    _, said = server.process.communicate(timeout=15)
    assert (server.process.returncode, said) == (0, "")


@pytest.mark.parametrize("app", ["starlette_app", "fastapi_app", "flask_app", "django_app"])
def test_a_wrong_configuration_ends_every_application_with_its_mistakes(
    app: str, tmp_path: Path
) -> None:
    """Status 2, all mistakes, no traceback."""
    (tmp_path / "wrong.toml").write_text("audience = 5\n[cache]\nsise = 5\n")
    command = [sys.executable, "-m", f"sample_apps.{app}", "--config", str(tmp_path / "wrong.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "audience" in done.stderr
    assert "cache.sise" in done.stderr
    assert "Traceback" not in done.stderr

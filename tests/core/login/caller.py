"""Calls the login endpoints as an adapter does, without a framework."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jwt_guard import Guard, Refusal
from jwt_guard.audit.observer import LogObserver, Occurrence
from jwt_guard.endpoints import Endpoint
from jwt_guard.flow import run
from jwt_guard.http import Reply, WsgiView
from jwt_guard.keys.signing import generate_key
from jwt_guard.login import Identity, login_endpoints

KEY = generate_key("ES256")
PEOPLE = {
    "ada": Identity(subject="ada", roles=["admin"], scopes=["a", "b"], tenant="acme"),
    "eve": Identity(subject="eve", tenant="globex"),
}


def check(name: str, password: str) -> Identity | None:
    """Everybody's password is the name followed by `-demo`."""
    return PEOPLE.get(name) if password == f"{name}-demo" else None


class Clock:
    """A time that a test moves, in seconds."""

    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class Listener(LogObserver):
    """Keeps what happened."""

    def __init__(self) -> None:
        super().__init__()
        self.occurrences: list[Occurrence] = []

    def happened(self, occurrence: Occurrence) -> None:
        """Keep it."""
        self.occurrences.append(occurrence)


@dataclass
class Caller:
    """An application with its endpoints, and what a client keeps of it."""

    guard: Guard
    clock: Clock
    listener: Listener = field(default_factory=Listener)
    endpoints: Mapping[str, Endpoint] = field(
        default_factory=lambda: {
            endpoint.name.removeprefix("jwt_guard_"): endpoint
            for endpoint in login_endpoints(check)
        }
    )

    def __post_init__(self) -> None:
        """Listen to the guard."""
        self.guard.observers.append(self.listener)

    def call(
        self,
        name: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        kind: str = "application/json",
        path: Mapping[str, str] | None = None,
        address: str = "192.0.2.1",
        **headers: str,
    ) -> Reply:
        """Call an endpoint; headers by name, with underscores."""
        endpoint = self.endpoints[name]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": endpoint.method,
            "PATH_INFO": endpoint.path,
            "wsgi.url_scheme": "https",
            "REMOTE_ADDR": address,
            "HTTP_HOST": "app.example.test",
        }
        environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        sent = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        if sent:
            environ["CONTENT_TYPE"] = kind
        try:
            return run(endpoint.handle(self.guard, WsgiView(environ, path), sent))
        except Refusal as refusal:
            return self.guard.reply(refusal)

    def log_in(self, name: str = "ada", **more: Any) -> dict[str, Any]:
        """The answer to a right login."""
        reply = self.call("login", {"username": name, "password": f"{name}-demo", **more})
        assert reply.status == 200, reply
        return body_of(reply)

    def cookies(self, name: str = "ada") -> "Cookies":
        """The cookies after a right login."""
        reply = self.call("login", {"username": name, "password": f"{name}-demo", "cookies": True})
        assert reply.status == 200, reply
        return Cookies.of(reply)

    def refresh(self, token: str, **more: str) -> Reply:
        """The answer to a refresh."""
        return self.call("refresh", {"grant_type": "refresh_token", "refresh_token": token, **more})


@dataclass(frozen=True)
class Cookies:
    """The cookies of a reply, as a browser would send them back."""

    access: str
    refresh: str
    csrf: str

    @classmethod
    def of(cls, reply: Reply) -> "Cookies":
        """The three cookies that a reply sets."""
        pairs = [value.partition(";")[0] for name, value in reply.headers if name == "Set-Cookie"]
        values = dict(pair.split("=", 1) for pair in pairs)
        return cls(values["__Host-access"], values["__Secure-refresh"], values["__Host-csrf"])

    @property
    def header(self) -> str:
        """All of them."""
        return (
            f"__Host-access={self.access}; __Secure-refresh={self.refresh}; __Host-csrf={self.csrf}"
        )


def body_of(reply: Reply) -> dict[str, Any]:
    """A reply's JSON."""
    body: dict[str, Any] = json.loads(reply.body)
    return body


def bearer(token: str) -> str:
    """An Authorization header."""
    return f"Bearer {token}"


def made(*, cookies: bool = True, **changes: Any) -> Caller:
    """An application of its own, in memory."""
    clock = Clock()
    config = {
        "audience": "https://api.example.test",
        "tokens": {"issuer": "https://app.example.test", "signing_keys": {"keys": [KEY]}},
        "cookies": {"enabled": cookies},
    }
    return Caller(Guard.from_config({**config, **changes}, clock=clock), clock)

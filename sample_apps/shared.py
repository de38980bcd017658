"""What the sample applications share: people, configuration, requirements, answers. No framework.

An application is made of a configuration, by way of `guard_of`, and served by `start`. It looks up
in `REQUIREMENTS` what each route needs, and answers with the bodies that the functions here make.
"""

import argparse
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jwt_guard import (
    Config,
    ConfigurationError,
    Guard,
    Principal,
    Requirement,
    fresh,
    role,
    scope,
    tenant,
)
from jwt_guard.endpoints import Endpoint, well_known
from jwt_guard.keys.signing import generate_key
from jwt_guard.login import Identity, login_endpoints
from jwt_guard.sessions.hooks import User
from jwt_guard.sessions.passwords import hash_password, verify_password
from jwt_guard.stores.protocol import Session

__all__ = [
    "AUDIENCE",
    "HIERARCHY",
    "ISSUER",
    "OFTEN",
    "REQUIREMENTS",
    "Arguments",
    "Person",
    "arguments",
    "check_password",
    "configuration",
    "default_config",
    "endpoints",
    "guard_of",
    "invoices",
    "me",
    "people",
    "ready",
    "removed",
    "reports",
    "saved",
    "start",
    "still_valid",
    "welcome",
]

App = TypeVar("App")
Body = dict[str, Any]
"""An answer's body, as JSON types."""

_WRONG_USE = 2
_MOST_PORTS = 65_535

ISSUER = "https://sample.jwt-guard.example"
"""Our own `iss`, unless a configuration file has tokens of its own."""

AUDIENCE = "https://api.sample.jwt-guard.example"
"""Whom tokens are for, unless a configuration file says otherwise."""

HIERARCHY: Mapping[str, tuple[str, ...]] = {"admin": ("analyst",), "analyst": ("viewer",)}
"""Which roles imply which, unless a configuration file says otherwise."""

REQUIREMENTS: Mapping[str, Requirement | None] = {
    "GET /me": None,
    "GET /reports": role("analyst"),
    "POST /reports": scope("reports:write"),
    "DELETE /admin/users/{id}": role("admin") & fresh(minutes=5),
    "GET /tenants/{tenant}/invoices": tenant(path="tenant"),
    "GET /stream": None,
    "WS /ws": None,
}
"""What each protected route asks of a verified caller; None where being verified is enough."""


OFTEN = 1.0
"""How often who streams is asked for again, in seconds; a store of many users is asked less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may log in. The password is the name followed by `-demo`."""

    name: str
    roles: tuple[str, ...]
    tenant: str
    scopes: tuple[str, ...] = ()


def people() -> dict[str, Person]:
    """Everybody whom the sample applications know, by name."""
    everybody = (
        Person(name="ada", roles=("admin",), tenant="acme"),
        Person(name="grace", roles=("analyst",), tenant="acme", scopes=("reports:write",)),
        Person(name="linus", roles=("viewer",), tenant="acme"),
        Person(name="eve", roles=("admin",), tenant="globex"),
    )
    return {person.name: person for person in everybody}


_PASSWORDS = {name: hash_password(f"{name}-demo") for name in people()}


def check_password(name: str, password: str) -> Identity | None:
    """Who that is, if the password is right; it takes as long for a name that nobody bears."""
    person = people().get(name)
    if not verify_password(password, _PASSWORDS.get(name)) or person is None:
        return None
    return Identity(
        subject=person.name, roles=person.roles, scopes=person.scopes, tenant=person.tenant
    )


def still_valid(session: Session) -> User | None:
    """Asked at each refresh: what a person may by now; None for one who is not known any more."""
    person = people().get(session.subject)
    if person is None:
        return None
    return User(roles=person.roles, scopes=person.scopes, tenant=person.tenant)


def guard_of(config: Config) -> Guard:
    """The guard of a sample application."""
    guard = Guard.from_config(config)
    if guard.sessions is not None:
        guard.sessions.still_valid = still_valid
    return guard


def endpoints() -> tuple[Endpoint, ...]:
    """The routes that the library brings: published documents, and login."""
    return (*well_known(), *login_endpoints(check_password))


def default_config() -> dict[str, Any]:
    """A configuration that trusts only the application itself, by a key made just now."""
    return {
        "audience": AUDIENCE,
        "roles": {"hierarchy": {name: list(below) for name, below in HIERARCHY.items()}},
        "routes": {"protect": "all"},
        "tokens": {"issuer": ISSUER, "signing_keys": {"keys": [generate_key("ES256")]}},
        "cookies": {"enabled": True},
    }


def configuration(file: str | Path | None = None) -> Config:
    """The configuration of a sample application.

    Args:
        file: a TOML file whose tables hold. Where it has none of that name, the sample's own
            stand: its audience, its hierarchy of roles, its tokens, its cookies.

    Raises:
        ConfigurationError: with every mistake that the file holds.
    """
    if file is None:
        return Config.load(default_config())
    defaults = default_config()
    try:
        read = Config.load(file, defaults=defaults)
    except ConfigurationError:
        Guard.from_config(file, defaults=defaults)  # tells the mistakes of keys and stores too
        raise
    roles = read.roles
    if not roles.hierarchy:
        roles = replace(roles, hierarchy=dict(HIERARCHY))
    return replace(read, roles=roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """How a sample application is to be started. Port 0 is any free one."""

    host: str
    port: int
    config: Path | None


def arguments(argv: Sequence[str] | None = None) -> Arguments:
    """The command line: `--host`, `--port`, `--config`."""
    parser = argparse.ArgumentParser(description="A sample application of jwt_guard.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=_port, default=8000, help="0 for any free one")
    parser.add_argument("--config", type=Path, help="a jwt_guard.toml, trusted beside our own")
    given = parser.parse_args(argv)
    return Arguments(host=given.host, port=given.port, config=given.config)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= _MOST_PORTS:
        raise argparse.ArgumentTypeError(f"write 0 to {_MOST_PORTS}")
    return port


def start(
    create: Callable[[Config], App],
    serve: Callable[[App, Arguments], None],
    argv: Sequence[str] | None = None,
) -> None:
    """Make an application as the command line says, and serve it until told to stop.

    A configuration that cannot be used, or an address that cannot be had, ends it in plain words
    with status 2.
    """
    given = arguments(argv)
    try:
        application = create(configuration(given.config))
    except ConfigurationError as error:
        _give_up(str(error))
    _try_address(given.host, given.port)
    serve(application, given)


def _try_address(host: str, port: int) -> None:
    """Fail at once: gunicorn would try again for seconds."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        _give_up(f"cannot listen on {host}, port {port}: {error.strerror}")


def _give_up(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(_WRONG_USE)


def ready(host: str, port: int) -> None:
    """Say where we are served: the one line that a sample application prints."""
    name = f"[{host}]" if ":" in host else host
    print(f"http://{name}:{port}", file=sys.stderr, flush=True)


def welcome() -> Body:
    """GET /public."""
    return {"message": "Everybody may read this."}


def me(principal: Principal) -> Body:
    """GET /me."""
    return {
        "subject": principal.subject,
        "roles": sorted(principal.roles),
        "scopes": sorted(principal.scopes),
        "tenant": principal.tenant,
    }


def reports() -> Body:
    """GET /reports."""
    return {"reports": [{"id": 1, "title": "Revenue"}, {"id": 2, "title": "Churn"}]}


def saved() -> Body:
    """POST /reports, with status 201."""
    return {"saved": True}


def removed(user_id: str) -> Body:
    """DELETE /admin/users/{id}."""
    return {"removed": user_id}


def invoices(tenant_name: str) -> Body:
    """GET /tenants/{tenant}/invoices."""
    return {"tenant": tenant_name, "invoices": [{"id": 1, "amount": "120.00"}]}

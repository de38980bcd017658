"""An application that logs its own users in."""

import time
from dataclasses import dataclass
from typing import Any

import pytest

from jwt_guard.audit.observer import EventName, LogObserver, Occurrence, Pending
from jwt_guard.flow import run
from jwt_guard.guard import Guard
from jwt_guard.sessions import Client, Grant, Sessions, User
from jwt_guard.stores.protocol import Store
from tests.support import tokens
from tests.support.servers import (
    django_postgresql_url,
    django_sqlite_url,
    postgresql_server,
    postgresql_url,
    store_url,
    valkey_cluster_server,
    valkey_cluster_url,
    valkey_server,
    valkey_url,
)
from tests.support.tokens import Clock

__all__ = [
    "App",
    "Ears",
    "app",
    "application",
    "django_postgresql_url",
    "django_sqlite_url",
    "postgresql_server",
    "postgresql_url",
    "store_url",
    "valkey_cluster_server",
    "valkey_cluster_url",
    "valkey_server",
    "valkey_url",
]

ISSUER = "https://app.example.test"
WEB = Client(client_id="web")


class Ears(LogObserver):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Occurrence] = []

    def happened(self, occurrence: Occurrence) -> Pending:
        """See `Observer`."""
        self.heard.append(occurrence)
        return None

    def names(self) -> list[EventName]:
        """What happened, in order."""
        return [occurrence.name for occurrence in self.heard]


@dataclass
class App:
    """A guard with sessions, its clock, and what its observers heard."""

    guard: Guard
    sessions: Sessions
    clock: Clock
    ears: Ears

    def login(self, subject: str = "ada", client: Client = WEB, **user: Any) -> Grant:
        """Log a user in."""
        return run(self.sessions.start(subject, client=client, user=User(**user)))

    def refresh(self, token: object, client: Client = WEB, **more: Any) -> Grant:
        """Refresh."""
        return run(self.sessions.refresh(token, client=client, **more))


def application(
    *, tokens_table: dict[str, Any] | None = None, kept_in: Store | None = None, **changes: Any
) -> App:
    """An application; `tokens_table` changes its `[tokens]`, `changes` the rest."""
    table = {
        "issuer": ISSUER,
        "signing_keys": {"keys": [tokens.private_jwk("ES256")]},
        **(tokens_table or {}),
    }
    # Valkey forgets by its own clock, so that ours must not stand where a long test run began.
    clock = Clock(int(time.time()))
    guard = Guard.from_config(
        {"audience": tokens.AUDIENCE, "tokens": table, **changes}, clock=clock, store=kept_in
    )
    assert guard.sessions is not None
    ears = Ears()
    guard.observers.append(ears)
    return App(guard, guard.sessions, clock, ears)


@pytest.fixture
def app() -> App:
    """An application with the defaults."""
    return application()

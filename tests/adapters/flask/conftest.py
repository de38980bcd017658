"""Two guards that trust only themselves, and applications that they guard."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jwt_guard import Guard
from jwt_guard.keys.signing import generate_key
from jwt_guard_flask import JWTGuard

Headers = dict[str, str]
Bearer = Callable[..., Headers]


def make_guard(name: str, **settings: object) -> Guard:
    """A guard that trusts only itself."""
    keys = {"keys": [generate_key("ES256")]}
    tokens = {"issuer": f"https://{name}.example", "signing_keys": keys}
    return Guard.from_config({"audience": "https://api.example", "tokens": tokens, **settings})


def bearer_of(guard: Guard) -> Bearer:
    """A maker of headers with a good token."""

    def make(subject: str = "ada", *roles: str) -> Headers:
        assert guard.issuer is not None
        token = guard.issuer.issue(subject, client_id="test", roles=roles)
        return {"Authorization": f"Bearer {token}"}

    return make


@pytest.fixture(scope="session")
def guard() -> Guard:
    """The default guard."""
    return make_guard("app", routes={"public": ["/open", "/files/*"]})


@pytest.fixture(scope="session")
def admin_guard() -> Guard:
    """Another guard, whose tokens are not the default one's."""
    return make_guard("admin", realm="admin")


@pytest.fixture
def bearer(guard: Guard) -> Bearer:
    """Makes headers with a token of the default guard."""
    return bearer_of(guard)


@pytest.fixture
def app(guard: Guard) -> Flask:
    """A guarded application without views."""
    app = Flask(__name__)
    app.testing = True
    JWTGuard(app, guard=guard)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application."""
    return app.test_client()

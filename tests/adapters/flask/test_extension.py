"""Installing guards, the endpoints' blueprint, and the signals."""

import gc
import logging
import secrets
import weakref
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from jwt_guard import ConfigurationError, Guard, Refusal
from jwt_guard.endpoints import Endpoint, json_reply, well_known
from jwt_guard.flow import Flow
from jwt_guard.http import Reply, RequestView
from jwt_guard_flask import JWTGuard, blueprint
from jwt_guard_flask.signals import caller_authenticated, caller_denied, request_refused
from tests.adapters.flask.conftest import Bearer, make_guard

SECRET = secrets.token_urlsafe(48)
ISSUER = {"issuer": "https://i.example", "secret": "env:KEY", "algorithms": ["HS256"]}


def test_reads_the_applications_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards are made of `JWT_GUARD` and `JWT_GUARDS`."""
    monkeypatch.setenv("KEY", SECRET)
    app = Flask(__name__)
    app.config["JWT_GUARD"] = {"audience": "one", "issuers": [ISSUER]}
    app.config["JWT_GUARDS"] = {"admin": {"audience": "two", "issuers": [ISSUER]}}
    one, two = JWTGuard(app), JWTGuard(app, name="admin")
    assert one.guard_of(app).config.audience == ("one",)
    with app.app_context():
        assert two.guard_of().config.audience == ("two",)


def test_reads_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`JWT_GUARD` may be a path."""
    monkeypatch.setenv("KEY", SECRET)
    file = tmp_path / "jwt_guard.toml"
    file.write_text(
        'audience = "it"\n[[issuers]]\nissuer = "https://i.example"\nsecret = "env:KEY"\n'
        'algorithms = ["HS256"]\n'
    )
    app = Flask(__name__)
    app.config["JWT_GUARD"] = file
    assert JWTGuard(app).guard_of(app).config.audience == ("it",)


@pytest.mark.parametrize(("name", "place"), [("default", "JWT_GUARD"), ("admin", "JWT_GUARDS")])
def test_missing_configuration(name: str, place: str) -> None:
    """What is missing is named."""
    with pytest.raises(ConfigurationError, match=place):
        JWTGuard(Flask(__name__), name=name)


def test_one_extension_serves_several_applications(bearer: Bearer) -> None:
    """No state of one application shows in another."""
    extension = JWTGuard()
    apps = []
    for audience in ("one", "two"):
        app = Flask(audience)
        tokens = make_guard("shared").config.tokens
        assert tokens is not None
        keys = {"issuer": tokens.issuer, "signing_keys": tokens.signing_keys}
        app.config["JWT_GUARD"] = {"audience": audience, "tokens": keys}
        extension.init_app(app)
        apps.append(app)
    assert [extension.guard_of(app).config.audience for app in apps] == [("one",), ("two",)]
    assert apps[1].test_client().get("/", headers=bearer()).status_code == 401


def test_a_name_is_taken_once(app: Flask, guard: Guard) -> None:
    """Two guards of one name would hide one another."""
    with pytest.raises(RuntimeError, match="already"):
        JWTGuard(app, guard=guard)


def test_a_guard_that_comes_later_is_asked_too(
    app: Flask, client: FlaskClient, bearer: Bearer, admin_guard: Guard
) -> None:
    """What is asked of views without a mark is no longer what it was before."""
    app.add_url_rule("/", view_func=lambda: "it", endpoint="it")
    assert client.get("/", headers=bearer()).status_code == 200
    JWTGuard(app, name="admin", guard=admin_guard)
    assert client.get("/", headers=bearer()).status_code == 401


def test_odd_protection_is_refused() -> None:
    """A misspelt word protects nothing, so it is not taken."""
    with pytest.raises(ValueError, match="marked"):
        JWTGuard(protect="some")


def test_identifies_once(app: Flask, client: FlaskClient, bearer: Bearer, guard: Guard) -> None:
    """A request is verified once, however often it is asked about."""
    app.add_url_rule("/", view_func=lambda: "it", endpoint="it")
    seen: list[Any] = []

    def count(sender: Flask, **facts: Any) -> None:
        seen.append(facts)

    with caller_authenticated.connected_to(count, app):
        client.get("/", headers=bearer())
    assert [facts["principal"].subject for facts in seen] == ["ada"]


def echo(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """Answers what it saw."""
    return json_reply(200, {"body": body.decode(), "name": view.path_params.get("name")})
    yield


def refuse(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """Asks for a caller."""
    outcome = yield from guard.identify(view)
    guard.permit(outcome, view)
    return json_reply(200, {})


ENDPOINTS = (
    Endpoint(method="POST", path="/echo/{name}", name="echo", handle=echo),
    Endpoint(method="GET", path="/refuse", name="refuse", handle=refuse),
)


@pytest.fixture
def endpoints(app: Flask, guard: Guard) -> FlaskClient:
    """A client of an application with the endpoints."""
    app.register_blueprint(blueprint(guard, well_known()))
    app.register_blueprint(blueprint(guard, ENDPOINTS, name="more"))
    return app.test_client()


def test_endpoints_are_public(endpoints: FlaskClient, guard: Guard) -> None:
    """Keys and metadata are for everybody."""
    assert guard.signing_keys is not None
    assert endpoints.get("/.well-known/jwks.json").json == guard.signing_keys.public_jwks()
    metadata = endpoints.get("/.well-known/oauth-protected-resource")
    assert metadata.json == guard.resource_metadata()
    assert endpoints.options("/.well-known/jwks.json").status_code == 401


def test_endpoints_get_path_and_body(endpoints: FlaskClient) -> None:
    """An endpoint sees its path parameters and the body."""
    answer = endpoints.post("/echo/x", data=b"hello")
    assert answer.json == {"body": "hello", "name": "x"}


def test_endpoints_may_refuse(endpoints: FlaskClient) -> None:
    """A refusal out of an endpoint is answered as everywhere."""
    assert endpoints.get("/refuse").status_code == 401


def test_endpoints_take_no_endless_body(endpoints: FlaskClient) -> None:
    """A body beyond all need is refused unread."""
    assert endpoints.post("/echo/x", data=b"x" * 65_537).status_code == 400
    assert endpoints.post("/echo/x", data=b"x" * 65_536).status_code == 200


def test_signals(app: Flask, client: FlaskClient, bearer: Bearer) -> None:
    """Receivers hear the exact reason, with the application as the sender."""
    heard: list[tuple[Flask, Refusal]] = []

    def hear(sender: Flask, *, refusal: Refusal, **facts: Any) -> None:
        heard.append((sender, refusal))

    with request_refused.connected_to(hear), caller_denied.connected_to(hear):
        client.get("/", headers={"Authorization": "Bearer bad"})
    assert [(sender, refusal.reason) for sender, refusal in heard] == [(app, "token_malformed")]


def test_a_failing_receiver_decides_nothing(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver's exception is logged, and the answer stays what it was."""

    def fail(sender: Flask, **facts: Any) -> None:
        raise ValueError("oops")

    with request_refused.connected_to(fail), caplog.at_level(logging.ERROR, "jwt_guard"):
        assert client.get("/").status_code == 401
    assert "request-refused" in caplog.text


def test_a_request_that_is_over_is_freed_at_once(app: Flask, bearer: Bearer) -> None:
    """Flask ties no knot around a request, so that it needs no collector; nor does a guard."""
    seen: list[weakref.ref[Any]] = []

    @app.get("/")
    def it() -> str:
        seen.append(weakref.ref(request._get_current_object()))  # type: ignore[attr-defined]
        return "it"

    gc.disable()
    try:
        run_wsgi_app(app.wsgi_app, EnvironBuilder(headers=bearer().items()).get_environ())
        assert [each() for each in seen] == [None]
    finally:
        gc.enable()

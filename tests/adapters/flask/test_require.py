"""`require` on everything that can be a view."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, g
from flask.testing import FlaskClient
from flask.views import MethodView

from jwt_guard import Guard, Principal, Reason, Refusal, role, tenant
from jwt_guard_flask import JWTGuard, current_principal, public, require
from tests.adapters.flask.conftest import Bearer, bearer_of

Mount = Callable[[Flask], None]


def plain_function(app: Flask) -> None:
    """A function."""

    @app.get("/it")
    @require(role("admin"))
    def it() -> str:
        return current_principal.subject


def async_function(app: Flask) -> None:
    """A coroutine function."""

    @app.get("/it")
    @require(role("admin"))
    async def it() -> str:
        return current_principal.subject


def method(app: Flask) -> None:
    """One method of a class."""

    class It(MethodView):
        @require(role("admin"))
        def get(self) -> str:
            return current_principal.subject

    app.add_url_rule("/it", view_func=It.as_view("it"))


def async_method(app: Flask) -> None:
    """One coroutine method of a class."""

    class It(MethodView):
        @require(role("admin"))
        async def get(self) -> str:
            return current_principal.subject

    app.add_url_rule("/it", view_func=It.as_view("it"))


def class_decorators(app: Flask) -> None:
    """A class's own list of decorators."""

    class It(MethodView):
        decorators = [require(role("admin"))]  # noqa: RUF012 - as Flask's documentation has it

        def get(self) -> str:
            return current_principal.subject

    app.add_url_rule("/it", view_func=It.as_view("it"))


def whole_class(app: Flask) -> None:
    """A class."""

    @require(role("admin"))
    class It(MethodView):
        def get(self) -> str:
            return current_principal.subject

    app.add_url_rule("/it", view_func=It.as_view("it"))


def in_blueprint(app: Flask) -> None:
    """A view of a blueprint."""
    blueprint = Blueprint("it", __name__)

    @blueprint.get("/it")
    @require(role("admin"))
    def it() -> str:
        return current_principal.subject

    app.register_blueprint(blueprint)


@pytest.mark.parametrize("protect", ["all", "marked"])
@pytest.mark.parametrize(
    "mount",
    [
        plain_function,
        async_function,
        method,
        async_method,
        class_decorators,
        whole_class,
        in_blueprint,
    ],
)
def test_enforced_on(guard: Guard, bearer: Bearer, mount: Mount, protect: str) -> None:
    """Whatever the view is made of: 401 without a token, 403 without the role, else the caller."""
    app = Flask(__name__)
    JWTGuard(app, guard=guard, protect=protect)
    mount(app)
    client = app.test_client()
    for verb in ("GET", "HEAD", "OPTIONS"):
        assert client.open("/it", method=verb).status_code == 401
        assert client.open("/it", method=verb, headers=bearer("eve", "viewer")).status_code == 403
        assert client.open("/it", method=verb, headers=bearer("ada", "admin")).status_code == 200
    assert client.get("/it", headers=bearer("ada", "admin")).text == "ada"


def test_refusal_is_the_guards_reply(app: Flask, client: FlaskClient, bearer: Bearer) -> None:
    """Status, headers and body are the core's to the byte."""
    plain_function(app)
    reply = app.extensions["jwt_guard"]["default"].guard.reply(Refusal(Reason.ROLE_MISSING))
    refused = client.get("/it", headers=bearer("eve"))
    assert (refused.status_code, refused.data) == (reply.status, reply.body)
    expected = {*reply.headers, ("Content-Length", str(len(reply.body)))}
    assert set(refused.headers) == expected


def test_bare(app: Flask, client: FlaskClient, bearer: Bearer) -> None:
    """Without parentheses it asks for any verified caller."""

    @app.get("/it")
    @require
    def it() -> str:
        return current_principal.subject

    assert client.get("/it").status_code == 401
    assert client.get("/it", headers=bearer("eve")).text == "eve"


def test_sees_path_parameters(app: Flask, client: FlaskClient, guard: Guard) -> None:
    """A requirement can compare the token with the path."""

    @app.get("/tenants/<name>")
    @require(tenant(path="name"))
    def it(name: str) -> str:
        return name

    assert guard.issuer is not None
    token = guard.issuer.issue("ada", client_id="test", tenant="acme")
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/tenants/acme", headers=headers).status_code == 200
    assert client.get("/tenants/globex", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("bad_token", "expected"), [("refuse", (200, 401, 200)), ("anonymous", (200, 200, 200))]
)
def test_optional(
    app: Flask, client: FlaskClient, bearer: Bearer, bad_token: Any, expected: tuple[int, ...]
) -> None:
    """Optional authentication lets strangers in, and bad tokens only where it is said."""

    @app.get("/it")
    @require(optional=True, bad_token=bad_token)
    def it() -> str:
        return g.principal.subject if g.principal else "nobody"

    requests: tuple[dict[str, str], ...] = ({}, {"Authorization": "Bearer bad"}, bearer())
    assert tuple(client.get("/it", headers=h).status_code for h in requests) == expected
    assert client.get("/it").text == "nobody"
    assert client.get("/it", headers=bearer("ada")).text == "ada"


def test_two_on_one_view_are_both_asked(app: Flask, client: FlaskClient, bearer: Bearer) -> None:
    """Stacked requirements must all be met."""

    @app.get("/it")
    @require(role("admin"))
    @require(role("auditor"))
    def it() -> str:
        return "it"

    roles = [("admin",), ("auditor",), ("admin", "auditor")]
    statuses = [client.get("/it", headers=bearer("ada", *held)).status_code for held in roles]
    assert statuses == [403, 403, 200]


def test_each_method_asks_for_itself(app: Flask, client: FlaskClient, bearer: Bearer) -> None:
    """Methods of one class may be public, plain and restricted side by side."""

    class It(MethodView):
        @public
        def get(self) -> str:
            return "get"

        def put(self) -> str:
            return "put"

        @require(role("admin"))
        def post(self) -> str:
            return "post"

    app.add_url_rule("/it", view_func=It.as_view("it"))
    assert [client.open("/it", method=m).status_code for m in ("GET", "PUT", "POST")] == [
        200,
        401,
        401,
    ]
    statuses = [client.open("/it", method=m, headers=bearer()).status_code for m in ("PUT", "POST")]
    assert statuses == [200, 403]


def test_a_view_in_place_of_another_asks_for_itself(
    app: Flask, client: FlaskClient, bearer: Bearer
) -> None:
    """What a view asks is remembered for that view, not for its endpoint."""

    def it() -> str:
        return "it"

    app.add_url_rule("/it", "it", public(it))
    assert [client.get("/it").status_code for _ in range(2)] == [200, 200]
    app.view_functions["it"] = lambda: "closed"
    assert client.get("/it").status_code == 401
    app.view_functions["it"] = require(role("admin"))(lambda: "admins only")
    statuses = [
        client.get("/it", headers=bearer("ada", *held)).status_code for held in ((), ("admin",))
    ]
    assert statuses == [403, 200]
    del app.view_functions["it"]
    assert client.get("/it").status_code == 401


def test_public_and_require_exclude_each_other() -> None:
    """A view that says both is a mistake of its author."""
    with pytest.raises(TypeError, match="not both"):
        public(require(lambda: "it"))
    with pytest.raises(TypeError, match="not both"):
        require(public(lambda: "it"))


def test_needs_the_extension() -> None:
    """Without the extension a required view fails, and does not open."""
    app = Flask(__name__)
    app.testing = True
    plain_function(app)
    with pytest.raises(RuntimeError, match=r"JWTGuard\(app\)"):
        app.test_client().get("/it")


def test_principal_needs_the_extension() -> None:
    """Nobody mistakes a missing extension for a missing caller."""
    with Flask(__name__).app_context(), pytest.raises(RuntimeError, match=r"JWTGuard\(app\)"):
        _ = current_principal.subject


def test_several_guards(
    app: Flask, client: FlaskClient, bearer: Bearer, admin_guard: Guard
) -> None:
    """A view chooses the guard that it asks; the other guard's tokens mean nothing there."""
    JWTGuard(app, name="admin", guard=admin_guard, protect="marked")
    admin = bearer_of(admin_guard)

    @app.get("/admin")
    @require(guard="admin")
    def it() -> str:
        principal: Principal = g.principal
        return principal.issuer

    app.add_url_rule("/plain", view_func=lambda: "plain", endpoint="plain")
    assert client.get("/admin", headers=admin()).text == "https://admin.example"
    refused = client.get("/admin", headers=bearer())
    assert (refused.status_code, 'realm="admin"' in refused.headers["WWW-Authenticate"]) == (
        401,
        True,
    )
    assert client.get("/plain", headers=admin()).status_code == 401
    assert client.get("/plain", headers=bearer()).status_code == 200


def test_unknown_guard(app: Flask, client: FlaskClient, bearer: Bearer) -> None:
    """A name that no guard has is a mistake of the developer."""

    @app.get("/it")
    @require(guard="typo")
    def it() -> str:
        return "it"

    with pytest.raises(RuntimeError, match="'typo'"):
        client.get("/it", headers=bearer())


@pytest.mark.parametrize("is_async", [False, True])
def test_refusal_raised_in_a_view(
    app: Flask, client: FlaskClient, bearer: Bearer, guard: Guard, is_async: bool
) -> None:
    """What a view asks of the guard itself is answered like everything else."""

    def it() -> str:
        guard.authorize(current_principal, role("admin"))
        return "it"

    async def it_async() -> str:
        return it()

    app.add_url_rule("/it", "it", it_async if is_async else it)
    refused = client.get("/it", headers=bearer("eve"))
    assert refused.status_code == 403
    assert refused.data == guard.reply(Refusal(Reason.ROLE_MISSING)).body


def test_require_above_the_route_is_no_guard_and_says_so(guard: Guard) -> None:
    """Flask would serve the function below it, so nothing is served at all."""
    app = Flask(__name__)
    JWTGuard(app, guard=guard)

    @require(role("admin"))
    @app.get("/turned")
    def turned() -> str:
        return "served"

    app.testing = True
    with pytest.raises(RuntimeError, match="below the route"):
        app.test_client().get("/turned")


def test_require_after_the_first_request_says_so_too(
    app: Flask, client: FlaskClient, bearer: Bearer
) -> None:
    """What was found at the first request does not hide it."""

    def it() -> str:
        return "it"

    app.add_url_rule("/it", "it", it)
    assert client.get("/it", headers=bearer()).status_code == 200
    require(role("admin"))(it)
    app.testing = True
    with pytest.raises(RuntimeError, match="below the route"):
        client.get("/it", headers=bearer())


@pytest.mark.parametrize("given", ["admin", role, 5])
def test_what_is_no_requirement_is_told_at_once(given: Any) -> None:
    """A name, or a requirement that lacks its parentheses."""
    with pytest.raises(TypeError, match="is a requirement"):
        require(given)

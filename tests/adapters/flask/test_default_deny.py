"""Without a mark, nobody enters without a good token."""

import pytest
from flask import Blueprint, Flask, Response, abort, g
from flask.testing import FlaskClient
from flask.views import MethodView
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix

from jwt_guard import Guard, Reason, Refusal, role
from jwt_guard_flask import JWTGuard, public, require
from tests.adapters.flask.conftest import Bearer, make_guard

GUARD = make_guard("property")


@pytest.fixture(autouse=True)
def views(app: Flask) -> None:
    """A plain view, a public one, and two by path."""
    app.add_url_rule("/plain", view_func=lambda: "plain", endpoint="plain", methods=["GET"])
    app.add_url_rule("/open", view_func=lambda: "open", endpoint="open")
    app.add_url_rule("/files/<path:name>", view_func=lambda name: name, endpoint="files")

    @app.get("/public")
    @public
    def see() -> str:
        return g.principal.subject if g.principal else "nobody"


@pytest.mark.parametrize(
    ("method", "path", "with_token"),
    [
        ("GET", "/plain", 200),
        ("HEAD", "/plain", 200),
        ("OPTIONS", "/plain", 200),
        ("POST", "/plain", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/static/app.js", 404),
        ("POST", "/public", 405),
        ("GET", "/open/", 404),
        ("GET", "/files//x", 308),
    ],
)
def test_asks_for_a_token(
    client: FlaskClient, bearer: Bearer, guard: Guard, method: str, path: str, with_token: int
) -> None:
    """Every request without a token gets the one 401; with a good one it gets Flask's answer."""
    refused = client.open(path, method=method)
    reply = guard.reply(Refusal(Reason.TOKEN_MISSING))
    assert refused.status_code == 401
    assert refused.data == (b"" if method == "HEAD" else reply.body)
    assert dict(reply.headers).items() <= dict(refused.headers).items()
    assert client.open(path, method=method, headers=bearer()).status_code == with_token


PREFLIGHT = {"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}


def test_a_preflight_needs_no_token(app: Flask, client: FlaskClient) -> None:
    """Browsers ask without credentials what pages of other origins may send; Flask answers."""

    @app.after_request
    def allow(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "https://page.example"
        return response

    @app.route("/own", methods=["OPTIONS"])
    def own() -> str:
        return "own"

    @app.before_request
    def look_up() -> str:
        return "for callers only"

    answer = client.options("/plain", headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert answer.data == b""
    for name in PREFLIGHT:
        others = {key: value for key, value in PREFLIGHT.items() if key != name}
        assert client.options("/plain", headers=others).status_code == 401
    assert client.options("/nowhere", headers=PREFLIGHT).status_code == 401
    assert client.options("/own", headers=PREFLIGHT).status_code == 401
    assert client.get("/plain", headers=PREFLIGHT).status_code == 401


FIELDS = st.dictionaries(
    st.sampled_from([*PREFLIGHT, "Authorization", "X-HTTP-Method-Override"]),
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30)
    | st.sampled_from(["null", "POST", "Bearer x"]),
)


@given(path=st.sampled_from(["/plain", "/files/", "/nowhere", "//plain"]), fields=FIELDS)
def test_nothing_that_asks_for_options_gets_further(path: str, fields: dict[str, str]) -> None:
    """Whatever a stranger says of it: a refusal, or the names of the methods."""
    app = Flask(__name__)
    JWTGuard(app, guard=GUARD)
    app.add_url_rule("/plain", view_func=lambda: abort(500), endpoint="plain")
    app.before_request(lambda: abort(500))
    answer = app.test_client().open(path, method="OPTIONS", headers=fields)
    if answer.status_code == 200:
        assert answer.data == b""
        assert PREFLIGHT.keys() <= fields.keys()
    else:
        assert answer.status_code in {400, 401}
        assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("path", ["/public", "/open", "/files/app.js"])
@pytest.mark.parametrize("token", [None, "bad"])
def test_public_routes_ask_nothing(client: FlaskClient, path: str, token: str | None) -> None:
    """A view or a path named public is served to everybody, whatever they send along."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    assert client.get(path, headers=headers).status_code == 200


def test_public_view_knows_good_callers(client: FlaskClient, bearer: Bearer) -> None:
    """A public view sees who calls, if the token is good, and nobody if it is not."""
    assert client.get("/public", headers=bearer("grace")).text == "grace"
    assert client.get("/public", headers={"Authorization": "Bearer bad"}).text == "nobody"


def test_public_is_not_inherited(app: Flask, client: FlaskClient) -> None:
    """A class made of a public one is not public itself."""

    @public
    class Open(MethodView):
        def get(self) -> str:
            return "open"

    class Closed(Open):
        def get(self) -> str:
            return "closed"

    app.add_url_rule("/a", view_func=Open.as_view("a"))
    app.add_url_rule("/b", view_func=Closed.as_view("b"))
    assert client.get("/a").status_code == 200
    assert client.get("/b").status_code == 401


def test_asks_before_all_hooks(app: Flask, client: FlaskClient) -> None:
    """No hook of the application runs for a stranger, whenever it was registered."""
    reached = []

    @app.url_value_preprocessor
    def look_up(endpoint: str | None, values: object) -> None:
        reached.append(endpoint)
        abort(404)

    assert client.get("/plain").status_code == 401
    assert reached == []


def test_asks_before_hooks_that_push_to_the_front(app: Flask, client: FlaskClient) -> None:
    """Nor does one that was put before all others."""
    reached: list[str | None] = []
    hooks = app.url_value_preprocessors.setdefault(None, [])
    hooks.insert(0, lambda endpoint, values: reached.append(endpoint))
    assert client.get("/plain").status_code == 401
    assert reached == []
    assert client.get("/open").status_code == 200
    assert reached == ["open"]


def test_error_handlers_do_not_see_it(app: Flask, client: FlaskClient) -> None:
    """A blueprint that handles every exception does not get hold of ours."""
    blueprint = Blueprint("greedy", __name__)
    blueprint.register_error_handler(Exception, lambda error: ("swallowed", 200))

    @blueprint.get("/greedy")
    @require(role("admin"))
    def greedy() -> str:
        return "greedy"

    app.register_blueprint(blueprint)
    assert client.get("/greedy").status_code == 401


def test_callers_do_not_leak_into_the_next_request(
    app: Flask, client: FlaskClient, bearer: Bearer
) -> None:
    """Requests that share an application context share no caller."""
    with app.app_context():
        assert client.get("/public", headers=bearer("ada")).text == "ada"
        assert client.get("/public").text == "nobody"
        assert client.get("/plain").status_code == 401


def test_further_public_paths(guard: Guard) -> None:
    """The extension takes public paths beside those of the configuration."""
    app = Flask(__name__)
    JWTGuard(app, guard=guard, public=["/health"])
    app.add_url_rule("/health", view_func=lambda: "well", endpoint="health")
    app.add_url_rule("/open", view_func=lambda: "open", endpoint="open")
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/health", "/open", "/x")] == [200, 200, 401]


def test_spoofed_headers_change_nothing(client: FlaskClient) -> None:
    """Neither path nor method are taken from headers."""
    headers = {
        "X-Original-URL": "/open",
        "X-Rewrite-URL": "/open",
        "X-Forwarded-Prefix": "/open",
        "X-HTTP-Method-Override": "OPTIONS",
    }
    assert client.get("/plain", headers=headers).status_code == 401


def test_H8_no_mount_point_completes_a_public_path(guard: Guard) -> None:
    """What is public is so below the mount point, wherever that is said to be."""
    app = Flask(__name__)
    JWTGuard(app, guard=guard, public=["/api/health", "/static/admin/*", "/live"])
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    for path in ("/health", "/admin/users", "/live"):
        app.add_url_rule(path, view_func=lambda: "reached", endpoint=path)
    client = app.test_client()
    for prefix, path in [("/api", "/health"), ("/static", "/admin/users")]:
        assert client.get(path, headers={"X-Forwarded-Prefix": prefix}).status_code == 401
    assert client.get("/live", headers={"X-Forwarded-Prefix": "/api"}).status_code == 200


def test_H8_a_spoofed_mount_point_makes_nothing_public(
    app: Flask, client: FlaskClient, bearer: Bearer
) -> None:
    """Where a proxy lets `X-Forwarded-Prefix` through, an application takes it from anybody."""
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    for prefix in ("/files", "/files/", "/files/x", "/open"):
        spoofed = {"X-Forwarded-Prefix": prefix}
        assert client.get("/plain", headers=spoofed).status_code == 401
        assert client.get("/plain", headers={**spoofed, **bearer()}).status_code == 200

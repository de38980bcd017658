"""Starlette applications: decorators, default-deny, mounted applications."""

import functools
from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.convertors import Convertor, register_url_convertor
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from jwt_guard import Guard, Reason, Refusal, role, scope, tenant
from jwt_guard.endpoints import well_known
from jwt_guard_asgi import JWTGuardMiddleware
from jwt_guard_asgi.starlette import (
    current_principal,
    public,
    refusal_response,
    require,
    routes,
)
from tests.adapters.asgi.support import bearer, http, sent_by
from tests.support import tokens

Handler = Callable[[Request], Awaitable[Response]]


def client_of(guard: Guard, *listed: BaseRoute, **options: Any) -> TestClient:
    """A client of a Starlette application with these routes, all protected."""
    middleware = [Middleware(JWTGuardMiddleware, guard=guard, **options)]
    return TestClient(Starlette(routes=listed, middleware=middleware))


def outside(guard: Guard, app: ASGIApp) -> TestClient:
    """A client of an application that stands within the middleware."""
    return TestClient(JWTGuardMiddleware(app, guard=guard))


async def whoami(request: Request) -> Response:
    """Says who is calling; not marked."""
    caller = current_principal(request)
    return PlainTextResponse(caller.subject if caller else "nobody")


@public
async def open_to_all(request: Request) -> Response:
    """Says who is calling, to everybody."""
    return await whoami(request)


@require(role("admin"))
async def admins_only(request: Request) -> Response:
    """Says who is calling, to administrators."""
    return await whoami(request)


@require(role("admin"))
def admins_only_sync(request: Request) -> Response:
    """The same in a thread."""
    return PlainTextResponse(request.user.subject)


@require
async def callers_only(request: Request) -> Response:
    """Says who is calling, to callers."""
    return await whoami(request)


class Pages:
    """Handlers that are methods."""

    @require(role("admin"))
    async def show(self, request: Request) -> Response:
        """Says who is calling, to administrators."""
        return await whoami(request)


@require(role("admin"))
class AdminsOnly(HTTPEndpoint):
    """All methods ask for an administrator."""

    async def get(self, request: Request) -> Response:
        """Says who is calling."""
        return await whoami(request)


class WritersOnly(HTTPEndpoint):
    """One method asks for more than the others."""

    @public
    async def get(self, request: Request) -> Response:
        """Says who is calling, to everybody."""
        return await whoami(request)

    @require(scope("write"))
    async def post(self, request: Request) -> Response:
        """Says who is calling, to writers."""
        return await whoami(request)

    async def put(self, request: Request) -> Response:
        """Says who is calling; not marked."""
        return await whoami(request)


ADMIN = {"roles": ["admin"]}


@pytest.mark.parametrize(
    "handler", [admins_only, admins_only_sync, Pages().show, AdminsOnly], ids=attrgetter("__name__")
)
@pytest.mark.parametrize("protect", ["all", "marked"])
def test_require_on_handlers(guard: Guard, handler: Any, protect: str) -> None:
    """Functions, sync and async, methods and classes are guarded alike, in both modes."""
    with client_of(guard, Route("/", handler), protect=protect) as client:
        missing, bad = client.get("/"), client.get("/", headers=bearer("x"))
        weak = client.get("/", headers=bearer(tokens.mint(roles=["viewer"])))
        good = client.get("/", headers=bearer(tokens.mint(ADMIN)))
    assert (missing.status_code, bad.status_code, weak.status_code) == (401, 401, 403)
    assert (good.status_code, good.text) == (200, "ada")
    for answer, reason in [
        (missing, Reason.TOKEN_MISSING),
        (bad, Reason.TOKEN_MALFORMED),
        (weak, Reason.ROLE_MISSING),
    ]:
        reply = guard.reply(Refusal(reason))
        told = [(k.lower(), v) for k, v in reply.headers]
        assert answer.headers.multi_items() == [*told, ("content-length", str(len(reply.body)))]
        assert answer.content == reply.body


@pytest.mark.parametrize(
    "handler", [admins_only, admins_only_sync, AdminsOnly], ids=attrgetter("__name__")
)
async def test_head_is_denied_without_a_body(guard: Guard, handler: Any) -> None:
    """A denied HEAD has the length of GET's body in its header, and no body."""
    app = Starlette(routes=[Route("/", handler)])
    scope = http(method="HEAD", token=tokens.mint())
    start, *bodies = await sent_by(JWTGuardMiddleware(app, guard=guard), scope)
    length = len(guard.reply(Refusal(Reason.ROLE_MISSING)).body)
    assert (start["status"], dict(start["headers"])[b"content-length"]) == (403, b"%d" % length)
    assert b"".join(each["body"] for each in bodies) == b""


def test_methods_of_a_class_ask_for_themselves(guard: Guard) -> None:
    """The mark of a method counts for that method; HEAD is answered by `get`."""
    with client_of(guard, Route("/", WritersOnly)) as client:
        assert [client.request(m, "/").status_code for m in ("GET", "HEAD")] == [200, 200]
        assert [client.request(m, "/").status_code for m in ("POST", "PUT", "PATCH")] == [401] * 3
        token = bearer()
        assert client.post("/", headers=token).status_code == 403
        assert client.put("/", headers=token).status_code == 200
        assert client.patch("/", headers=token).status_code == 405


def test_bare_require_asks_for_a_caller(guard: Guard) -> None:
    """`@require` without parentheses works, in marked mode too."""
    with client_of(guard, Route("/", callers_only), protect="marked") as client:
        assert client.get("/").status_code == 401
        assert client.get("/", headers=bearer()).text == "ada"


@pytest.mark.parametrize(
    ("bad_token", "status", "text"), [("refuse", 401, None), ("anonymous", 200, "nobody")]
)
def test_optional_authentication(
    guard: Guard, bad_token: Any, status: int, text: str | None
) -> None:
    """No token is nobody; a bad one is refused unless the route says otherwise."""
    handler = require(optional=True, bad_token=bad_token)(whoami)
    with client_of(guard, Route("/", handler)) as client:
        assert client.get("/").text == "nobody"
        assert client.get("/", headers=bearer()).text == "ada"
        bad = client.get("/", headers=bearer("x"))
    assert bad.status_code == status
    assert text is None or bad.text == text


def test_public_routes_serve_everybody(guard: Guard) -> None:
    """A bad token is no reason to refuse where none is asked, and a good one is still known."""
    with client_of(guard, Route("/", open_to_all)) as client:
        answers = [client.get("/", headers=h).text for h in ({}, bearer("x"), bearer())]
    assert answers == ["nobody", "nobody", "ada"]


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "DELETE"])
def test_wrong_method_is_protected(guard: Guard, method: str) -> None:
    """Only the methods of a public route are public; strangers learn no others."""
    with client_of(guard, Route("/", open_to_all)) as client:
        assert client.request(method, "/").status_code == 401
        assert client.request(method, "/", headers=bearer()).status_code == 405


def test_unknown_paths_are_protected(guard: Guard) -> None:
    """Strangers learn not which paths exist; callers get the framework's own 404 or redirect."""
    with client_of(guard, Route("/known", open_to_all)) as client:
        assert client.get("/unknown").status_code == 401
        assert client.get("/unknown", headers=bearer()).status_code == 404
        assert client.get("/known/").status_code == 401


def test_first_matching_route_decides(guard: Guard) -> None:
    """A public route behind a protected one of the same path opens nothing."""
    shadowed = [Route("/{name}", whoami), Route("/open", open_to_all)]
    with client_of(guard, *shadowed) as client:
        assert client.get("/open").status_code == 401
    with client_of(guard, *reversed(shadowed)) as client:
        assert client.get("/open").status_code == 200
        assert client.get("/other").status_code == 401


def test_same_path_with_two_methods(guard: Guard) -> None:
    """Each method's own handler is looked at."""
    pair = [Route("/", whoami, methods=["POST"]), Route("/", open_to_all)]
    with client_of(guard, *pair) as client:
        assert (client.get("/").status_code, client.post("/").status_code) == (200, 401)


def hiding(handler: Handler) -> Handler:
    """A decorator without `functools.wraps`."""

    async def hidden(request: Request) -> Response:
        return await handler(request)

    return hidden


def showing(handler: Handler) -> Handler:
    """A decorator with `functools.wraps`."""
    return functools.wraps(handler)(hiding(handler))


def test_decorators_that_hide_the_mark_close_the_route(guard: Guard) -> None:
    """Where the mark cannot be seen, the handler is not public."""
    hidden, shown = Route("/hidden", hiding(open_to_all)), Route("/shown", showing(open_to_all))
    with client_of(guard, hidden, shown) as client:
        assert (client.get("/hidden").status_code, client.get("/shown").status_code) == (401, 200)


def test_partial_shows_the_mark(guard: Guard) -> None:
    """A partial is what it wraps."""

    @public
    async def greet(greeting: str, request: Request) -> Response:
        return PlainTextResponse(greeting)

    with client_of(guard, Route("/", functools.partial(greet, "hello"))) as client:
        assert client.get("/").text == "hello"


def test_public_class_has_no_public_heirs(guard: Guard) -> None:
    """A class inherits no mark; one of its own opens all its methods."""

    class Heir(Open):
        pass

    with client_of(guard, Route("/open", Open), Route("/heir", Heir)) as client:
        assert (client.get("/open").status_code, client.get("/heir").status_code) == (200, 401)


@public
class Open(HTTPEndpoint):
    """Open to everybody."""

    async def get(self, request: Request) -> Response:
        """Says who is calling."""
        return await whoami(request)


def test_public_and_require_contradict() -> None:
    """A handler is the one or the other; `require` on top of `public` asks for a caller."""
    with pytest.raises(TypeError, match="not both"):
        public(require(whoami))
    with pytest.raises(TypeError, match="marked"):
        public(len)
    with pytest.raises(TypeError, match="require"):
        require()(StaticFiles)


def test_require_over_public_wins(guard: Guard) -> None:
    """Whoever asks for a caller gets one."""
    with client_of(guard, Route("/", require(open_to_all))) as client:
        assert client.get("/").status_code == 401


def test_require_needs_a_connection(guard: Guard) -> None:
    """A handler without a request is the developer's mistake, not an open door."""

    @require
    async def lost() -> str:
        return "open"

    with pytest.raises(TypeError, match="no request"):
        lost().send(None)


def test_require_without_middleware_tells_the_developer() -> None:
    """Nobody gets in, and the error names what is missing."""
    client = TestClient(Starlette(routes=[Route("/", admins_only)]))
    with pytest.raises(RuntimeError, match="JWTGuardMiddleware"):
        client.get("/")


def test_path_parameters_reach_requirements(guard: Guard) -> None:
    """A tenant's path is for that tenant."""
    handler = require(tenant(path="tenant"))(whoami)
    with client_of(guard, Route("/tenants/{tenant}", handler)) as client:
        token = bearer(tokens.mint(tenant="acme"))
        assert client.get("/tenants/acme", headers=token).status_code == 200
        assert client.get("/tenants/globex", headers=token).status_code == 403


def test_starlettes_own_requires_works(guard: Guard) -> None:
    """`request.auth.scopes` is what Starlette expects."""
    with client_of(guard, Route("/", requires("write")(whoami))) as client:
        assert client.get("/", headers=bearer(tokens.mint(scope="read write"))).text == "ada"
        assert client.get("/", headers=bearer()).status_code == 403


MOUNTED = [Route("/open", open_to_all), Route("/closed", whoami)]


@pytest.mark.parametrize(
    "app",
    [
        Mount("/sub", routes=MOUNTED),
        Mount("/sub", app=Starlette(routes=MOUNTED)),
        Mount("/sub", app=Starlette(routes=MOUNTED, middleware=[Middleware(GZipMiddleware)])),
        Mount("/sub", routes=MOUNTED, middleware=[Middleware(GZipMiddleware)]),
        Mount("/sub", app=Router(routes=MOUNTED, middleware=[Middleware(GZipMiddleware)])),
        Mount("", routes=[Mount("/sub", routes=MOUNTED)]),
        Host("testserver", app=Router(routes=[Mount("/sub", routes=MOUNTED)])),
    ],
    ids=["routes", "app", "app-middleware", "middleware", "router", "deep", "host"],
)
def test_marks_below_mounts(guard: Guard, app: BaseRoute) -> None:
    """Marks are found in mounted applications, and only under their own paths."""
    with client_of(guard, Route("/open", whoami), app) as client:
        assert client.get("/sub/open").text == "nobody"
        assert client.get("/sub/closed").status_code == 401
        assert client.get("/sub/unknown").status_code == 401
        assert client.get("/open").status_code == 401


def test_guard_on_a_mount_sees_its_own_routes_only(guard: Guard) -> None:
    """The outer application's public route of the same path opens nothing within."""
    within = [Route("/a", whoami), Route("/b", open_to_all)]
    mount = Mount("/sub", routes=within, middleware=[Middleware(JWTGuardMiddleware, guard=guard)])
    client = TestClient(Starlette(routes=[Route("/a", open_to_all), mount]))
    assert client.get("/sub/a").status_code == 401
    assert client.get("/sub/b").status_code == 200


@pytest.mark.parametrize(
    "wrap",
    [
        lambda app: app,
        GZipMiddleware,
        lambda app: Router(routes=app.routes),
        lambda app: Router(routes=app.routes).app,
    ],
    ids=["app", "middleware", "router", "bound"],
)
def test_guard_around_an_application(guard: Guard, wrap: Callable[[Starlette], ASGIApp]) -> None:
    """From the outside the routes are found too, behind other middleware."""
    client = outside(guard, wrap(Starlette(routes=MOUNTED)))
    assert client.get("/open").status_code == 200
    assert client.get("/closed").status_code == 401


def test_guard_around_what_it_cannot_see_into(guard: Guard) -> None:
    """Where no router is found, nothing is public by mark."""
    inner = Starlette(routes=MOUNTED)

    async def opaque(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    assert outside(guard, opaque).get("/open").status_code == 401


def test_mounted_files_can_be_public(guard: Guard, tmp_path: Any) -> None:
    """A mark on a mounted application opens all of it."""
    (tmp_path / "logo.txt").write_text("logo")
    files = [Mount("/open", public(StaticFiles(directory=tmp_path)))]
    files.append(Mount("/closed", StaticFiles(directory=tmp_path)))
    with client_of(guard, *files) as client:
        assert client.get("/open/logo.txt").text == "logo"
        assert client.get("/closed/logo.txt").status_code == 401


class _Failing(Convertor[str]):
    regex = "[a-z]+"

    def convert(self, value: str) -> str:
        raise LookupError(value)

    def to_string(self, value: str) -> str:
        return value


def test_route_that_cannot_be_matched_is_closed(guard: Guard) -> None:
    """A convertor that fails on a stranger's path makes no error of it, and no open door."""
    register_url_convertor("failing", _Failing())
    with client_of(guard, Route("/{name:failing}", open_to_all)) as client:
        assert client.get("/abc").status_code == 401


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL"])
def test_spoofed_request_lines_change_nothing(guard: Guard, header: str) -> None:
    """The policy is that of the request as it came."""
    listed = [Route("/open", open_to_all), Route("/closed", whoami, methods=["POST"])]
    with client_of(guard, *listed) as client:
        spoofed = {header: "GET" if "Method" in header else "/open"}
        assert client.post("/closed", headers=spoofed).status_code == 401


def test_refusals_in_handlers_are_answered(guard: Guard) -> None:
    """What a handler raises itself is answered like ours."""

    async def handler(request: Request) -> Response:
        guard.authorize(request.user, role("admin"))
        return JSONResponse({})

    with client_of(guard, Route("/bare", handler), Route("/marked", require(handler))) as client:
        assert client.get("/bare", headers=bearer()).status_code == 403
        assert client.get("/marked", headers=bearer()).status_code == 403


def test_refusals_in_mounted_applications_are_answered(guard: Guard) -> None:
    """A mounted application's own error handling makes no 500 of a refusal."""

    async def handler(request: Request) -> Response:
        raise Refusal(Reason.ROLE_MISSING)

    inner = Starlette(
        routes=[
            Route("/marked", admins_only),
            Route("/bare", handler),
            Route("/class", AdminsOnly),
        ],
        exception_handlers={Refusal: refusal_response},
    )
    with client_of(guard, Mount("/sub", app=inner)) as client:
        for path in ("/sub/marked", "/sub/bare", "/sub/class"):
            assert client.get(path, headers=bearer()).status_code == 403


def test_refusal_response_answers_refusals_only() -> None:
    """Other exceptions are raised again, and without the middleware there is nobody to speak."""
    connection = HTTPConnection({"type": "http", "headers": []})
    with pytest.raises(LookupError):
        refusal_response(connection, LookupError()).send(None)
    with pytest.raises(RuntimeError, match="JWTGuardMiddleware"):
        refusal_response(connection, Refusal(Reason.ROLE_MISSING)).send(None)


def test_own_endpoints_are_public_routes(guard: Guard) -> None:
    """The library's routes are mounted as one list, with names for reversal."""
    app = Starlette(routes=routes(guard, well_known()))
    paths = [app.url_path_for(name) for name in ("jwt_guard_jwks", "jwt_guard_resource")]
    with outside(guard, app) as client:
        keys, metadata = [client.get(path) for path in paths]
        head = client.head(paths[0])
        assert client.post(paths[0]).status_code == 401
    assert (keys.status_code, keys.json()) == (200, {"keys": []})
    assert metadata.json()["resource"] == tokens.AUDIENCE
    assert (head.status_code, head.content) == (200, b"")


@require(role("admin"))
async def chat(websocket: WebSocket) -> None:
    """Says who is calling."""
    await websocket.accept()
    await websocket.send_text(websocket.user.subject)
    await websocket.close()


@require(role("admin"))
class Chat(WebSocketEndpoint):
    """The same as a class."""

    async def on_connect(self, websocket: WebSocket) -> None:
        """Says who is calling."""
        await chat(websocket)


@pytest.mark.parametrize("handler", [chat, Chat])
@pytest.mark.parametrize("protect", ["all", "marked"])
def test_websockets_are_guarded(guard: Guard, handler: Any, protect: str) -> None:
    """A refused handshake is denied with the reply that a request would get."""
    with client_of(guard, WebSocketRoute("/ws", handler), protect=protect) as client:
        for headers, status in [({}, 401), (bearer("x"), 401), (bearer(), 403)]:
            with (
                pytest.raises(WebSocketDenialResponse) as denied,
                client.websocket_connect("/ws", headers=headers),
            ):
                pass
            assert denied.value.status_code == status
        with client.websocket_connect("/ws", headers=bearer(tokens.mint(ADMIN))) as connected:
            assert connected.receive_text() == "ada"


def test_websockets_can_be_public(guard: Guard) -> None:
    """Marks work on WebSockets, by their own routes."""

    @public
    async def hello(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    listed = [Route("/", whoami), WebSocketRoute("/", hello)]
    with client_of(guard, *listed) as client:
        with client.websocket_connect("/") as connected:
            assert connected.receive_text() == "hello"
        assert client.get("/").status_code == 401


def test_route_of_another_guard_is_that_guards(guard: Guard) -> None:
    """Under default-deny a route that asks another guard is left to that guard."""
    config = tokens.configuration("ES384", audience="https://admin.example.test", realm="admin")
    admin = Guard.from_config(config)
    middleware = [
        Middleware(JWTGuardMiddleware, guard=guard),
        Middleware(JWTGuardMiddleware, guard=admin, name="admin", protect="marked"),
    ]
    handler = require(guard="admin")(whoami)
    app = Starlette(routes=[Route("/admin", handler), Route("/", whoami)], middleware=middleware)
    root = tokens.mint(algorithm="ES384", aud="https://admin.example.test", sub="root")
    client = TestClient(app)
    assert client.get("/admin", headers=bearer(root)).text == "root"
    refused = client.get("/admin", headers=bearer())
    assert (refused.status_code, 'realm="admin"' in refused.headers["www-authenticate"]) == (
        401,
        True,
    )
    assert client.get("/", headers=bearer(root)).status_code == 401
    assert client.get("/", headers=bearer()).text == "ada"


@pytest.mark.parametrize("given", ["admin", role, 5])
def test_what_is_no_requirement_is_told_at_once(given: Any) -> None:
    """A name, or a requirement that lacks its parentheses."""
    with pytest.raises(TypeError, match="is a requirement"):
        require(given)

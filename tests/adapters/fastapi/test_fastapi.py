"""FastAPI applications: dependencies, default-deny, OpenAPI, WebSockets."""

from collections.abc import Iterable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from jwt_guard import Guard, Principal, Reason, Refusal, role, tenant
from jwt_guard.endpoints import well_known
from jwt_guard_fastapi import (
    JWTGuardMiddleware,
    current_principal,
    public,
    refusal_response,
    require,
    routes,
)
from tests.support import tokens

Caller = Annotated[Principal, Depends(require())]
Somebody = Annotated[Principal | None, Depends(require(optional=True))]
Writer = Annotated[Principal, Security(require(role("editor")), scopes=["read", "write"])]

api = APIRouter()


@api.get("/public")
@public
async def show_public(caller: Annotated[Principal | None, Depends(current_principal)]) -> str:
    """Open to everybody."""
    return caller.subject if caller else "nobody"


@api.get("/unmarked")
async def show_unmarked() -> str:
    """Protected because all is."""
    return "unmarked"


@api.get("/me")
def show_me(caller: Caller) -> str:
    """For callers; runs in a thread."""
    return caller.subject


@api.get("/optional")
async def show_optional(caller: Somebody) -> str:
    """For callers and others."""
    return caller.subject if caller else "nobody"


async def _name(caller: Somebody) -> str:
    return caller.subject if caller else "nobody"


@api.get("/nested")
async def show_nested(name: Annotated[str, Depends(_name)]) -> str:
    """For callers and others, by a dependency's dependency."""
    return name


@api.get("/both")
async def show_both(somebody: Somebody, caller: Caller) -> str:
    """For callers: the stricter of two dependencies holds."""
    return caller.subject


@api.get("/writers")
async def show_writers(caller: Writer) -> str:
    """For editors with two scopes."""
    return caller.subject


@api.get("/tenants/{name}", dependencies=[Depends(require(tenant(path="name")))])
async def show_tenant(name: str) -> str:
    """For the tenant of the path."""
    return name


@api.get("/refusing")
async def refuse() -> str:
    """Refuses by itself."""
    raise Refusal(Reason.ROLE_MISSING)


@api.websocket("/ws")
async def greet(websocket: WebSocket, caller: Caller) -> None:
    """Greets its caller."""
    await websocket.accept()
    await websocket.send_text(caller.subject)
    await websocket.close()


@api.websocket("/ws/public")
@public
async def greet_all(websocket: WebSocket) -> None:
    """Greets everybody."""
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def bearer(token: str | None = None) -> dict[str, str]:
    """The header that carries a token; a good one, if none is given."""
    return {"Authorization": f"Bearer {token or tokens.mint()}"}


def direct() -> FastAPI:
    """The routes in the application itself."""
    return FastAPI(routes=api.routes)


def included() -> FastAPI:
    """The routes in a router that is included."""
    app = FastAPI()
    app.include_router(api)
    return app


def deep() -> FastAPI:
    """The routes in a router of a router, with a public route of another name in front."""
    outer = APIRouter()
    outer.get("/elsewhere")(show_public)
    outer.include_router(api)
    app = FastAPI()
    app.include_router(outer)
    return app


def mounted() -> FastAPI:
    """The routes in an application within an application."""
    app = FastAPI()
    app.mount("", included())
    return app


SHAPES = [direct, included, deep, mounted]


@pytest.fixture(params=SHAPES, ids=lambda shape: shape.__name__)
def client(request: pytest.FixtureRequest, guard: Guard) -> TestClient:
    """A client of the application in each of its shapes."""
    return client_of(request.param(), guard)


def client_of(app: FastAPI, guard: Guard, **options: Any) -> TestClient:
    """A client of a guarded application."""
    app.add_middleware(JWTGuardMiddleware, guard=guard, **options)
    return TestClient(app)


def statuses(client: TestClient, path: str, headers: Iterable[dict[str, str]]) -> list[int]:
    """The statuses of a path under these headers."""
    return [client.get(path, headers=each).status_code for each in headers]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/public", [200, 200, 200]),
        ("/unmarked", [401, 401, 200]),
        ("/me", [401, 401, 200]),
        ("/optional", [200, 401, 200]),
        ("/nested", [200, 401, 200]),
        ("/both", [401, 401, 200]),
        ("/unknown", [401, 401, 404]),
    ],
)
def test_who_gets_in(client: TestClient, path: str, expected: list[int]) -> None:
    """Without a token, with a bad one, with a good one, however the routes are put together."""
    assert statuses(client, path, [{}, bearer("x"), bearer()]) == expected


def test_refusals_in_handlers_are_answered(guard: Guard) -> None:
    """What a handler raises itself is answered, in a mounted application by its own handler."""
    inner, outer = included(), included()
    inner.add_exception_handler(Refusal, refusal_response)
    outer.mount("/sub", inner)
    client = client_of(outer, guard)
    assert statuses(client, "/refusing", [{}, bearer()]) == [401, 403]
    assert statuses(client, "/sub/refusing", [{}, bearer()]) == [401, 403]


def test_callers_are_known(client: TestClient) -> None:
    """The dependency answers the principal."""
    for path in ("/public", "/me", "/optional", "/nested"):
        assert client.get(path, headers=bearer(tokens.mint(sub="grace"))).json() == "grace"
    for path in ("/public", "/optional", "/nested"):
        assert client.get(path).json() == "nobody"


def test_wrong_method_is_protected(client: TestClient) -> None:
    """A public route's other methods are not public."""
    assert client.post("/public").status_code == 401
    assert client.post("/public", headers=bearer()).status_code == 405


def test_security_scopes_are_asked(client: TestClient, guard: Guard) -> None:
    """Scopes of `Security` come on top of the requirement; the challenge names them."""
    weak = client.get("/writers", headers=bearer(tokens.mint(scope="read", roles=["editor"])))
    reply = guard.reply(Refusal(Reason.SCOPE_MISSING, scope="read write"))
    told = [(k.lower(), v) for k, v in reply.headers]
    assert weak.status_code == 403
    assert weak.headers.multi_items() == [*told, ("content-length", str(len(reply.body)))]
    assert weak.content == reply.body
    no_editor = tokens.mint(scope="read write")
    editor = tokens.mint(scope="read write", roles=["editor"])
    assert statuses(client, "/writers", [bearer(no_editor), bearer(editor)]) == [403, 200]


def test_path_parameters_reach_requirements(client: TestClient) -> None:
    """A tenant's path is for that tenant."""
    token = bearer(tokens.mint(tenant="acme"))
    assert client.get("/tenants/acme", headers=token).status_code == 200
    assert client.get("/tenants/globex", headers=token).status_code == 403


def test_websockets(client: TestClient) -> None:
    """The same dependency guards WebSockets; a refused handshake is denied with the reply."""
    with client.websocket_connect("/ws", headers=bearer()) as connected:
        assert connected.receive_text() == "ada"
    with client.websocket_connect("/ws/public") as connected:
        assert connected.receive_text() == "hello"
    for headers in ({}, bearer("x")):
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            client.websocket_connect("/ws", headers=headers),
        ):
            pass
        assert denied.value.status_code == 401


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_marked_mode(guard: Guard, shape: Any) -> None:
    """With protect="marked" only the routes with `require` ask."""
    client = client_of(shape(), guard, protect="marked")
    assert [client.get(p).status_code for p in ("/unmarked", "/me", "/writers")] == [200, 401, 401]


def test_openapi_shows_scheme_and_scopes(guard: Guard) -> None:
    """The documentation says which routes want a token, and with which scopes."""
    app = included()
    document = app.openapi()
    assert document["components"]["securitySchemes"]["JWTGuard"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token (RFC 6750).",
    }
    security = {path: item["get"].get("security") for path, item in document["paths"].items()}
    assert security["/me"] == [{"JWTGuard": []}]
    assert security["/writers"] == [{"JWTGuard": ["read", "write"]}]
    assert security["/public"] is None


def test_documentation_is_protected_until_named(guard: Guard) -> None:
    """FastAPI's own pages are routes like any other."""
    assert client_of(included(), guard).get("/openapi.json").status_code == 401
    named = client_of(included(), guard, public=["/openapi.json"])
    assert named.get("/openapi.json").status_code == 200


def test_first_matching_route_decides(guard: Guard) -> None:
    """A public route behind a protected one of the same path opens nothing, across routers."""
    first, second = APIRouter(), APIRouter()
    first.get("/{name}")(show_unmarked)
    second.get("/open")(show_public)
    shadowed, seen = FastAPI(), FastAPI()
    for app, order in [(shadowed, (first, second)), (seen, (second, first))]:
        for router in order:
            app.include_router(router)
    assert client_of(shadowed, guard).get("/open").status_code == 401
    assert client_of(seen, guard).get("/open").status_code == 200


def test_routers_dependencies_hold_over_marks(guard: Guard) -> None:
    """A public route of a router that asks for callers is not public."""
    app = FastAPI()
    app.include_router(api, dependencies=[Depends(require())])
    assert client_of(app, guard).get("/public").status_code == 401


def test_nothing_runs_for_whom_a_dependency_would_refuse(guard: Guard) -> None:
    """Default-deny stands in front of the route: its first dependency does not run."""
    ran: list[str] = []
    app = FastAPI()

    def note() -> None:
        ran.append("note")

    asked = [Depends(note), Depends(require(optional=True)), Depends(require())]
    app.get("/", dependencies=asked)(show_unmarked)
    client = client_of(app, guard)
    assert (client.get("/").status_code, ran) == (401, [])
    assert (client.get("/", headers=bearer()).status_code, ran) == (200, ["note"])


def test_own_error_format_is_kept(guard: Guard) -> None:
    """An application with a handler of its own for refusals answers its own way."""
    app = included()

    @app.exception_handler(Refusal)
    async def teapot(request: object, refusal: Exception) -> JSONResponse:
        return JSONResponse({"mine": True}, status_code=418)

    weak = client_of(app, guard).get("/writers", headers=bearer())
    assert (weak.status_code, weak.json()) == (418, {"mine": True})


def test_two_guards(guard: Guard) -> None:
    """A route that asks another guard is left to that guard, which speaks for itself."""
    config = tokens.configuration("ES384", audience="https://admin.example.test", realm="admin")
    app = FastAPI()

    @app.get("/admin")
    async def admin(caller: Annotated[Principal, Depends(require(guard="admin"))]) -> str:
        return caller.subject

    admin_guard = Guard.from_config(config)
    app.add_middleware(JWTGuardMiddleware, guard=admin_guard, name="admin", protect="marked")
    client = client_of(app, guard)
    root = tokens.mint(algorithm="ES384", aud="https://admin.example.test", sub="root")
    assert client.get("/admin", headers=bearer(root)).json() == "root"
    refused = client.get("/admin", headers=bearer())
    assert refused.status_code == 401
    assert 'realm="admin"' in refused.headers["www-authenticate"]


def test_own_endpoints_can_be_mounted(guard: Guard) -> None:
    """The library's routes stand beside the application's."""
    app = FastAPI(routes=routes(guard, well_known()))
    assert client_of(app, guard).get("/.well-known/jwks.json").json() == {"keys": []}


def test_a_dependency_that_is_not_called_opens_nothing(guard: Guard) -> None:
    """`Depends(require)` instead of `Depends(require())` fails, also where routes are marked."""
    app = FastAPI()
    app.get("/me", dependencies=[Depends(require)])(lambda: "inside")
    client = client_of(app, guard, protect="marked")
    with pytest.raises(TypeError, match="require"):
        client.get("/me")


def test_mistakes_are_told_to_the_developer() -> None:
    """A forgotten middleware, and `require` without parentheses, are errors at once."""
    with pytest.raises(RuntimeError, match="JWTGuardMiddleware"):
        TestClient(included()).get("/me", headers=bearer())
    with pytest.raises(TypeError, match="Depends"):
        require(show_me)  # type: ignore[arg-type]


def test_a_preflight_needs_no_token_where_cors_stands_outside(guard: Guard) -> None:
    """Browsers ask without credentials what pages of other origins may send."""
    app = FastAPI()
    app.include_router(api)
    app.add_middleware(JWTGuardMiddleware, guard=guard)
    app.add_middleware(CORSMiddleware, allow_origins=["https://page.example"])
    origin = {"Origin": "https://page.example"}
    preflight = origin | {"Access-Control-Request-Method": "GET"}
    client = TestClient(app)
    assert client.options("/me", headers=preflight).status_code == 200
    refused = client.get("/me", headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://page.example"

"""The sample application in FastAPI: `python -m sample_apps.fastapi_app --port 8000`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.responses import Response

from jwt_guard import Config, Guard, Principal
from jwt_guard_asgi import while_welcome
from jwt_guard_asgi.starlette import EventStream
from jwt_guard_fastapi import JWTGuardMiddleware, public, require, routes
from sample_apps import shared
from sample_apps.asgi_server import serve, ticks

__all__ = ["create_app"]

Body = dict[str, Any]
Caller = Annotated[Principal, Depends(require())]

_api = APIRouter()


def create_app(config: Config) -> FastAPI:
    """The application."""
    guard = Guard.from_config(config)
    endpoints = routes(guard, shared.endpoints())
    app = FastAPI(title="jwt_guard sample", routes=[*endpoints], redirect_slashes=False)
    app.include_router(_api)
    app.add_middleware(JWTGuardMiddleware, guard=guard, public=["/docs", "/openapi.json"])
    return app


def _needs(route: str) -> list[Any]:
    return [Depends(require(shared.REQUIREMENTS[route]))]


@_api.get("/public")
@public
async def show_public() -> Body:
    """Anybody may read this."""
    return shared.welcome()


@_api.get("/me")
async def show_me(caller: Caller) -> Body:
    """Who you are."""
    return shared.me(caller)


@_api.get("/reports", dependencies=_needs("GET /reports"))
async def show_reports() -> Body:
    """All reports; for analysts."""
    return shared.reports()


@_api.post("/reports", status_code=201, dependencies=_needs("POST /reports"))
async def save_report() -> Body:
    """Save a report; with the scope reports:write."""
    return shared.saved()


@_api.delete("/admin/users/{id}", dependencies=_needs("DELETE /admin/users/{id}"))
async def remove_user(id: str) -> Body:  # noqa: A002 - the name of the path parameter
    """Remove a user; for administrators who logged in minutes ago."""
    return shared.removed(id)


@_api.get("/tenants/{tenant}/invoices", dependencies=_needs("GET /tenants/{tenant}/invoices"))
async def show_invoices(tenant: str) -> Body:
    """A tenant's invoices; for that tenant."""
    return shared.invoices(tenant)


@_api.get("/stream", dependencies=_needs("GET /stream"))
async def stream() -> Response:
    """A server-sent event a second, until the token expires."""
    return EventStream(ticks(), every=shared.OFTEN)


@_api.websocket("/ws")
async def echo(websocket: WebSocket, caller: Caller) -> None:
    """Greets, then sends back what it gets, until the token expires."""
    await websocket.accept()
    async with while_welcome(websocket, every=shared.OFTEN):
        await websocket.send_text(f"Hello, {caller.subject}.")
        async for text in websocket.iter_text():
            await websocket.send_text(text)


if __name__ == "__main__":
    shared.start(create_app, serve)

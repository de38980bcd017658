"""The sample application in Starlette: `python -m sample_apps.starlette_app --port 8000`."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from jwt_guard import Config, Guard
from jwt_guard_asgi import JWTGuardMiddleware, while_welcome
from jwt_guard_asgi.starlette import EventStream, current_principal, public, require, routes
from sample_apps import shared
from sample_apps.asgi_server import serve, ticks

__all__ = ["create_app"]

_NEEDS = shared.REQUIREMENTS
_PAGE = Path(__file__).with_name("page.html")
_POLICY = (
    "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def create_app(config: Config) -> Starlette:
    """The application."""
    guard = Guard.from_config(config)
    own: list[BaseRoute] = [
        Route("/", show_page),
        Route("/public", show_public),
        Route("/me", show_me),
        Route("/reports", show_reports),
        Route("/reports", save_report, methods=["POST"]),
        Route("/admin/users/{id}", remove_user, methods=["DELETE"]),
        Route("/tenants/{tenant}/invoices", show_invoices),
        Route("/stream", stream),
        WebSocketRoute("/ws", echo),
    ]
    app = Starlette(
        routes=[*own, *routes(guard, shared.endpoints())],
        middleware=[Middleware(JWTGuardMiddleware, guard=guard)],
    )
    app.router.redirect_slashes = False
    return app


@public
async def show_page(request: Request) -> Response:
    """GET /: a page that logs in, calls the API and refreshes silently."""
    return FileResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@public
async def show_public(request: Request) -> Response:
    """GET /public."""
    return JSONResponse(shared.welcome())


@require(_NEEDS["GET /me"])
async def show_me(request: Request) -> Response:
    """GET /me."""
    return JSONResponse(shared.me(request.user))


@require(_NEEDS["GET /reports"])
async def show_reports(request: Request) -> Response:
    """GET /reports."""
    return JSONResponse(shared.reports())


@require(_NEEDS["POST /reports"])
async def save_report(request: Request) -> Response:
    """POST /reports."""
    return JSONResponse(shared.saved(), status_code=201)


@require(_NEEDS["DELETE /admin/users/{id}"])
async def remove_user(request: Request) -> Response:
    """DELETE /admin/users/{id}."""
    return JSONResponse(shared.removed(request.path_params["id"]))


@require(_NEEDS["GET /tenants/{tenant}/invoices"])
async def show_invoices(request: Request) -> Response:
    """GET /tenants/{tenant}/invoices."""
    return JSONResponse(shared.invoices(request.path_params["tenant"]))


@require(_NEEDS["GET /stream"])
async def stream(request: Request) -> Response:
    """GET /stream: a server-sent event a second, until the token expires."""
    return EventStream(ticks(), every=shared.OFTEN)


@require(_NEEDS["WS /ws"])
async def echo(websocket: WebSocket) -> None:
    """WS /ws: greets, then sends back what it gets, until the token expires."""
    await websocket.accept()
    caller = current_principal(websocket)
    async with while_welcome(websocket, every=shared.OFTEN):
        await websocket.send_text(f"Hello, {caller.subject if caller else 'stranger'}.")
        async for text in websocket.iter_text():
            await websocket.send_text(text)


if __name__ == "__main__":
    shared.start(create_app, serve)

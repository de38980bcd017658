"""The published key set through each adapter: the same body, cacheable, revalidated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.test import RequestFactory
from django.test.client import conditional_content_removal
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette

import jwt_guard_asgi.starlette
import jwt_guard_fastapi
from jwt_guard import Guard
from jwt_guard.endpoints import Endpoint, well_known
from jwt_guard.keys.rotation import KeyFile, new_keys, rotated
from jwt_guard_asgi.mounting import EndpointApp
from jwt_guard_django.mounting import urlpatterns
from jwt_guard_flask import blueprint

Answer = tuple[int, Any, bytes]
Ask = Callable[[Guard, Endpoint, str, dict[str, str]], Any]


async def _by_asgi(app: Any, path: str, method: str, headers: dict[str, str]) -> Answer:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://app.test") as client:
        response = await client.request(method, path, headers=headers)
    return response.status_code, response.headers, response.content


async def _asgi(guard: Guard, endpoint: Endpoint, method: str, headers: dict[str, str]) -> Answer:
    return await _by_asgi(EndpointApp(guard, endpoint), endpoint.path, method, headers)


async def _starlette(
    guard: Guard, endpoint: Endpoint, method: str, headers: dict[str, str]
) -> Answer:
    app = Starlette(routes=[*jwt_guard_asgi.starlette.routes(guard, [endpoint])])
    return await _by_asgi(app, endpoint.path, method, headers)


async def _fastapi(
    guard: Guard, endpoint: Endpoint, method: str, headers: dict[str, str]
) -> Answer:
    app = FastAPI(routes=[*jwt_guard_fastapi.routes(guard, [endpoint])])
    return await _by_asgi(app, endpoint.path, method, headers)


async def _flask(guard: Guard, endpoint: Endpoint, method: str, headers: dict[str, str]) -> Answer:
    app = Flask(__name__)
    app.register_blueprint(blueprint(guard, [endpoint]))
    response = app.test_client().open(endpoint.path, method=method, headers=headers)
    return response.status_code, response.headers, response.data


async def _django(guard: Guard, endpoint: Endpoint, method: str, headers: dict[str, str]) -> Answer:
    (pattern,) = urlpatterns(guard, [endpoint])
    request = RequestFactory().generic(method, endpoint.path, headers=headers)
    response: Any = conditional_content_removal(request, pattern.callback(request))
    return response.status_code, response.headers, response.content


@pytest.mark.parametrize("ask", [_asgi, _starlette, _fastapi, _flask, _django])
async def test_the_published_set_is_cacheable_everywhere(ask: Ask, tmp_path: Path) -> None:
    """200 with an ETag, 304 for who has it, and 200 again after a rotation."""
    file = KeyFile(tmp_path / "keys.json")
    file.create(new_keys("ES256", file.clock()))
    tokens = {"issuer": "https://app.example.test", "signing_keys": str(file.path)}
    guard = Guard.from_config({"audience": "https://api.example.test", "tokens": tokens})
    (endpoint,) = [each for each in well_known() if each.name == "jwt_guard_jwks"]
    status, headers, body = await ask(guard, endpoint, "GET", {})
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "public, max-age=300"
    status, alike, nothing = await ask(guard, endpoint, "HEAD", {})
    assert (status, nothing) == (200, b"")
    assert alike["etag"] == headers["etag"]
    known = {"If-None-Match": headers["etag"]}
    status, headers, nothing = await ask(guard, endpoint, "GET", known)
    assert (status, nothing) == (304, b"")
    assert headers["cache-control"] == "public, max-age=300"
    file.change(lambda document, now: rotated(document, now, overlap=60))
    assert await guard.areload_keys() == {"https://app.example.test": True}
    status, _, changed = await ask(guard, endpoint, "GET", known)
    assert status == 200
    assert changed != body

"""The published key set through each adapter: the same body, cacheable, revalidated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.test import RequestFactory
from flask import Flask

from jwt_guard import Guard
from jwt_guard.endpoints import Endpoint, well_known
from jwt_guard.keys.rotation import KeyFile, new_keys, rotated
from jwt_guard_asgi.mounting import EndpointApp
from jwt_guard_django.mounting import urlpatterns
from jwt_guard_flask import blueprint

Answer = tuple[int, Any, bytes]
Get = Callable[[Guard, Endpoint, dict[str, str]], Any]


async def _asgi(guard: Guard, endpoint: Endpoint, headers: dict[str, str]) -> Answer:
    transport = httpx2.ASGITransport(EndpointApp(guard, endpoint))
    async with httpx2.AsyncClient(transport=transport, base_url="https://app.test") as client:
        response = await client.get(endpoint.path, headers=headers)
    return response.status_code, response.headers, response.content


async def _flask(guard: Guard, endpoint: Endpoint, headers: dict[str, str]) -> Answer:
    app = Flask(__name__)
    app.register_blueprint(blueprint(guard, [endpoint]))
    response = app.test_client().get(endpoint.path, headers=headers)
    return response.status_code, response.headers, response.data


async def _django(guard: Guard, endpoint: Endpoint, headers: dict[str, str]) -> Answer:
    (pattern,) = urlpatterns(guard, [endpoint])
    response = pattern.callback(RequestFactory().get(endpoint.path, headers=headers))
    return response.status_code, response.headers, response.content


@pytest.mark.parametrize("get", [_asgi, _flask, _django], ids=["asgi", "flask", "django"])
async def test_the_published_set_is_cacheable_everywhere(get: Get, tmp_path: Path) -> None:
    """200 with an ETag, 304 for who has it, and 200 again after a rotation."""
    file = KeyFile(tmp_path / "keys.json")
    file.create(new_keys("ES256", file.clock()))
    tokens = {"issuer": "https://app.example.test", "signing_keys": str(file.path)}
    guard = Guard.from_config({"audience": "https://api.example.test", "tokens": tokens})
    (endpoint,) = [each for each in well_known() if each.name == "jwt_guard_jwks"]
    status, headers, body = await get(guard, endpoint, {})
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "public, max-age=300"
    known = {"If-None-Match": headers["etag"]}
    status, headers, nothing = await get(guard, endpoint, known)
    assert (status, nothing) == (304, b"")
    assert headers["cache-control"] == "public, max-age=300"
    file.change(lambda document, now: rotated(document, now, overlap=60))
    assert await guard.areload_keys() == {"https://app.example.test": True}
    status, _, changed = await get(guard, endpoint, known)
    assert status == 200
    assert changed != body

"""One client over Django's two: every test runs under WSGI and under ASGI."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from jwt_guard_django import get_guard

Headers = dict[str, str]
Bearer = Callable[..., Headers]
Send = Callable[..., Any]


@pytest.fixture(params=["wsgi", "asgi"])
def send(request: pytest.FixtureRequest) -> Send:
    """Sends a request: method, path, headers, body, cookies. CSRF is enforced."""
    if request.param == "wsgi":
        return _send_with(client := Client(enforce_csrf_checks=True), client.generic)
    asgi = AsyncClient(enforce_csrf_checks=True)

    async def generic(*args: Any, **kwargs: Any) -> Any:
        return await asgi.generic(*args, **kwargs)

    return _send_with(asgi, async_to_sync(generic))


def _send_with(client: Client | AsyncClient, generic: Callable[..., Any]) -> Send:
    def send(
        method: str,
        path: str,
        headers: Headers | None = None,
        body: bytes = b"",
        cookies: str = "",
    ) -> Any:
        client.cookies.load(cookies)
        return generic(method, path, body, headers=headers or {})

    return send


@pytest.fixture
def bearer() -> Bearer:
    """Makes headers with a good token: subject, roles, and the guard's name."""

    def make(subject: str = "ada", *roles: str, guard: str = "default", **more: Any) -> Headers:
        issuer = get_guard(guard).issuer
        assert issuer is not None
        token = issuer.issue(subject, client_id="test", roles=roles, **more)
        return {"Authorization": f"Bearer {token}"}

    return make

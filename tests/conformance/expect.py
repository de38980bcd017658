"""The few right answers."""

import json

from tests.conformance.clients.base import Response

INVALID_TOKEN = (401, 'Bearer error="invalid_token", realm="api"')
INVALID_REQUEST = (400, 'Bearer error="invalid_request", realm="api"')
NO_TOKEN = (401, 'Bearer realm="api"')
FORBIDDEN = (403, 'Bearer error="insufficient_scope", realm="api"')

_TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}


def refused(response: Response, expected: tuple[int, str] = INVALID_TOKEN) -> None:
    """Assert that a response is exactly this refusal: status, every header field, every byte."""
    status, challenge = expected
    assert not response.reached
    assert response.status == status
    body = _body(status, challenge)
    assert response.headers == (
        ("cache-control", "no-store"),
        ("content-length", str(len(body))),
        ("content-type", "application/problem+json"),
        ("www-authenticate", challenge),
    )
    assert response.body == body


def _body(status: int, challenge: str) -> bytes:
    problem = {"type": "about:blank", "title": _TITLES[status], "status": status}
    if "error=" in challenge:
        problem["error"] = challenge.partition('error="')[2].partition('"')[0]
    return json.dumps(problem, separators=(",", ":")).encode()


def served(response: Response, subject: str | None = "ada") -> None:
    """Assert that a handler answered, and whom it saw."""
    assert (response.status, response.reached) == (200, True)
    seen = response.principal.subject if response.principal else None
    assert seen == subject

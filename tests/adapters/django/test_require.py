"""`require` on everything that can be a view."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from jwt_guard import Reason, Refusal, role
from jwt_guard_django import current_principal, get_guard, public, require
from jwt_guard_django.ninja import JWTAuth
from jwt_guard_django.rest_framework import Requires
from tests.adapters.django.conftest import Bearer, Send
from tests.adapters.django.urls import function

VIEWS = [
    "function",
    "coroutine",
    "hidden",
    "hidden-coroutine",
    "method",
    "async-method",
    "decorated",
    "dispatched",
    "whole",
    "whole-async",
    "rest-function",
    "rest-method",
    "rest-permission",
    "rest-set",
    "ninja/required",
    "ninja-async/required",
]


@pytest.mark.parametrize("protect", ["all", "marked"])
@pytest.mark.parametrize("view", VIEWS)
def test_enforced_on(
    send: Send, bearer: Bearer, settings: Settings, view: str, protect: str
) -> None:
    """Whatever the view is made of: 401 without a token, 403 without the role, else the caller."""
    settings.JWT_GUARD = {**settings.JWT_GUARD, "routes": {"protect": protect}}
    reply = get_guard().reply(Refusal(Reason.ROLE_MISSING))
    assert send("GET", f"/{view}").status_code == 401
    denied = send("GET", f"/{view}", bearer("eve", "viewer"))
    assert (denied.status_code, denied.content) == (403, reply.body)
    assert dict(reply.headers).items() <= dict(denied.headers).items()
    served = send("GET", f"/{view}", bearer("ada", "admin"))
    assert (served.status_code, served.content.strip(b'"')) == (200, b"ada")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("view", ["function", "method", "async-method", "whole", "dispatched"])
def test_automatic_methods_ask_the_same(send: Send, bearer: Bearer, view: str, method: str) -> None:
    """What Django answers by itself is asked for as GET is."""
    assert send(method, f"/{view}").status_code == 401
    assert send(method, f"/{view}", bearer("eve")).status_code == 403
    assert send(method, f"/{view}", bearer("ada", "admin")).status_code == 200


def test_public_action_of_a_view_set(send: Send, bearer: Bearer) -> None:
    """An action is found behind the method that it answers."""
    assert send("POST", "/rest-set", bearer()).content == b'"ada"'
    assert send("POST", "/rest-set").status_code == 200
    bad = {"Authorization": "Bearer bad"}
    assert send("POST", "/rest-set", bad).content == b'"AnonymousUser"'


def test_rest_frameworks_own_permissions(send: Send, bearer: Bearer) -> None:
    """`IsAuthenticated` takes a verified caller."""
    assert send("GET", "/rest-anybody", bearer()).status_code == 200


def test_rest_framework_asks_with_a_challenge(send: Send, settings: Settings) -> None:
    """Where REST framework refuses by itself, it is still 401 with our challenge."""
    settings.JWT_GUARD = {**settings.JWT_GUARD, "routes": {"protect": "marked"}}
    refused = send("GET", "/rest-anybody")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    assert send("GET", "/rest-anybody", {"Authorization": "Bearer bad"}).status_code == 401


@pytest.mark.parametrize("value", ["Bearer  {}", "Bearer {} x", "Bearer\t{}", "Bearer {}, x"])
def test_ninja_takes_no_odd_header(
    send: Send, bearer: Bearer, settings: Settings, value: str
) -> None:
    """The header is judged by the core, not split and joined."""
    settings.JWT_GUARD = {**settings.JWT_GUARD, "routes": {"protect": "marked"}}
    token = bearer()["Authorization"].removeprefix("Bearer ")
    headers = {"Authorization": value.format(token)}
    assert send("GET", "/ninja/anybody", headers).status_code in {400, 401}
    assert send("GET", "/ninja/anybody", bearer()).status_code == 200


def test_sees_path_parameters(send: Send, bearer: Bearer) -> None:
    """A requirement can compare the token with the path."""
    headers = bearer(tenant="acme")
    assert send("GET", "/tenants/acme", headers).status_code == 200
    assert send("GET", "/tenants/globex", headers).status_code == 403


@pytest.mark.parametrize(
    ("path", "expected"), [("/optional", [200, 401, 200]), ("/lenient", [200, 200, 200])]
)
def test_optional(send: Send, bearer: Bearer, path: str, expected: list[int]) -> None:
    """Optional authentication lets strangers in, and bad tokens only where it is said."""
    requests: list[dict[str, str]] = [{}, {"Authorization": "Bearer bad"}, bearer()]
    assert [send("GET", path, headers).status_code for headers in requests] == expected
    assert send("GET", path).content == b"nobody"
    assert send("GET", path, bearer("ada")).content == b"ada"


def test_bare(send: Send, bearer: Bearer) -> None:
    """Without parentheses it asks for any verified caller."""
    assert send("GET", "/bare").status_code == 401
    assert send("GET", "/bare", bearer("eve")).content == b"eve"


def test_two_on_one_view_are_both_asked(send: Send, bearer: Bearer) -> None:
    """Stacked requirements must all be met."""
    held = [("admin",), ("auditor",), ("admin", "auditor")]
    statuses = [send("GET", "/both", bearer("ada", *roles)).status_code for roles in held]
    assert statuses == [403, 403, 200]


def test_several_guards(send: Send, bearer: Bearer) -> None:
    """A view chooses the guard that it asks; the other guard's tokens mean nothing there."""
    assert send("GET", "/admins", bearer(guard="admin")).content == b"https://admin.example"
    refused = send("GET", "/admins", bearer())
    assert refused.status_code == 401
    assert 'realm="admin"' in refused["WWW-Authenticate"]
    assert send("GET", "/plain", bearer(guard="admin")).status_code == 401


def test_unknown_guard(send: Send, bearer: Bearer) -> None:
    """A name that no guard has is a mistake of the developer."""
    with pytest.raises(RuntimeError, match="'typo'"):
        send("GET", "/typo", bearer())


@pytest.mark.parametrize("path", ["/raises", "/raises-async"])
def test_refusal_raised_in_a_view(send: Send, bearer: Bearer, path: str) -> None:
    """What a view asks of the guard itself is answered like everything else."""
    refused = send("GET", path, bearer("eve"))
    assert refused.status_code == 403
    assert refused.content == get_guard().reply(Refusal(Reason.ROLE_MISSING)).body


def test_needs_the_middleware(rf: RequestFactory) -> None:
    """Without the middleware a required view fails, and does not open."""
    with pytest.raises(RuntimeError, match="JWTGuardMiddleware"):
        function(rf.get("/function"))
    with pytest.raises(RuntimeError, match="JWTGuardMiddleware"):
        current_principal(rf.get("/"))


def test_needs_a_request() -> None:
    """On what is no view it fails, and does not open."""
    with pytest.raises(RuntimeError, match="request"):
        require(lambda: "it")()


def test_public_and_require_exclude_each_other() -> None:
    """A view that says both is a mistake of its author."""

    def it(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    with pytest.raises(TypeError, match="not both"):
        public(require(it))
    with pytest.raises(TypeError, match="not both"):
        require(public(it))


@pytest.mark.parametrize("given", ["admin", role, 5])
def test_what_is_no_requirement_is_told_at_once(given: Any) -> None:
    """A name, or a requirement that lacks its parentheses."""
    with pytest.raises(TypeError, match="is a requirement"):
        require(given)


@pytest.mark.parametrize("made", [Requires, JWTAuth])
def test_so_it_is_where_it_stands_for_a_framework(made: Any) -> None:
    """In REST framework and Ninja."""
    with pytest.raises(TypeError, match="is a requirement"):
        made("admin")

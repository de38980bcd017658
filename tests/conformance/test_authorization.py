"""Who may do what: roles, scopes, tenants, step-up, optional callers, several guards."""

import pytest

from tests.conformance.clients.base import Response
from tests.conformance.conftest import Api
from tests.conformance.expect import (
    FORBIDDEN,
    INVALID_REQUEST,
    INVALID_TOKEN,
    NO_TOKEN,
    refused,
    served,
)
from tests.support.tokens import NOW, Clock, mint

TOKEN = mint()
BAD = mint(name="stranger")


def test_the_handler_sees_the_verified_caller(api: Api) -> None:
    """Every fact of the token, in every framework."""
    token = mint(roles=["viewer"], scope="a b", tenant="acme", sid="s", acr="mfa", x={"y": [1]})
    response = api.get("/me", token)
    served(response)
    caller = response.principal
    assert caller is not None
    assert (caller.roles, caller.scopes) == (frozenset({"viewer"}), frozenset({"a", "b"}))
    assert (caller.tenant, caller.session_id, caller.acr) == ("acme", "s", "mfa")
    assert caller.claims["x"] == {"y": [1]}


@pytest.mark.parametrize("role", ["analyst", "admin"])
def test_a_role_is_held_or_implied(api: Api, role: str) -> None:
    """The hierarchy says that an admin is an analyst."""
    served(api.get("/reports", mint(roles=[role])))


def test_a_role_below_is_not_enough(api: Api) -> None:
    """Implication goes one way."""
    refused(api.get("/reports", mint(roles=["viewer"])), FORBIDDEN)


def test_a_scope_is_asked_by_name(api: Api) -> None:
    """The challenge says which (RFC 6750, 3.1)."""
    served(api.request("POST", "/reports", [_bearer(mint(scope="x reports:write"))]))
    challenge = 'Bearer error="insufficient_scope", scope="reports:write", realm="api"'
    for scope in ("", "reports:read", "reports:writes", "reports:write:x", "REPORTS:WRITE"):
        response = api.request("POST", "/reports", [_bearer(mint(scope=scope))])
        refused(response, (403, challenge))


def _bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def test_methods_of_one_path_ask_for_different_things(api: Api) -> None:
    """What reads does not write, and the other way round."""
    reader, writer = mint(roles=["analyst"]), mint(scope="reports:write")
    served(api.request("GET", "/reports", [_bearer(reader)]))
    served(api.request("POST", "/reports", [_bearer(writer)]))
    assert api.request("GET", "/reports", [_bearer(writer)]).status == 403
    assert api.request("POST", "/reports", [_bearer(reader)]).status == 403


@pytest.mark.parametrize("path", ["/tenants/acme/invoices", "/tenants/ac%6de/invoices"])
def test_F13_ones_own_tenant(api: Api, path: str) -> None:
    """However the path spells it."""
    served(api.get(path, mint(tenant="acme")))


def test_a_step_up_is_asked_for(api: Api, clock: Clock) -> None:
    """RFC 9470: how old an authentication may be, exactly; the role comes first."""
    challenge = 'Bearer error="insufficient_user_authentication", max_age="300", realm="api"'

    def delete(**claims: object) -> Response:
        return api.request("DELETE", "/users/5", [_bearer(mint(claims))])

    served(delete(roles=["admin"], auth_time=NOW))
    served(delete(roles=["admin"], auth_time=NOW - 300))
    for changes in ({"auth_time": NOW - 301}, {}):
        refused(delete(roles=["admin"], **changes), (401, challenge))
    refused(delete(roles=["viewer"], auth_time=NOW), FORBIDDEN)
    clock.now = NOW + 301
    refused(delete(roles=["admin"], auth_time=NOW), (401, challenge))


def test_a_stronger_authentication_is_asked_for(api: Api) -> None:
    """RFC 9470: the challenge names what would do."""
    served(api.get("/mfa", mint(acr="mfa")))
    challenge = 'Bearer error="insufficient_user_authentication", acr_values="mfa", realm="api"'
    for acr in ({"acr": "pwd"}, {"acr": ""}, {}):
        refused(api.get("/mfa", mint(acr)), (401, challenge))


def test_a_handler_may_ask_for_more_itself(api: Api) -> None:
    """A refusal that it raises is answered like one of `require`."""
    served(api.get("/acts", mint(roles=["admin"])))
    refused(api.get("/acts", mint(roles=["viewer"])), FORBIDDEN)
    refused(api.get("/acts"), NO_TOKEN)


# Optional callers


def test_an_optional_caller_may_be_missing(api: Api) -> None:
    """Without a token nobody, with a good one its caller."""
    for path in ("/optional", "/anonymous"):
        served(api.get(path), None)
        served(api.get(path, TOKEN))
        served(api.request("GET", path, [("Authorization", "Basic YTpi")]), None)


@pytest.mark.parametrize("token", [BAD, "x", mint(exp=NOW - 9), ""], ids=lambda token: "token")
def test_a_bad_token_on_an_optional_route(api: Api, token: str) -> None:
    """Refused, unless the route says that it counts as none."""
    refused(api.get("/optional", token), INVALID_TOKEN)
    served(api.get("/anonymous", token), None)


def test_a_malformed_request_is_never_anonymous(api: Api) -> None:
    """Two tokens are a mistake, not a bad token."""
    two = [_bearer(TOKEN), _bearer(TOKEN)]
    for path in ("/optional", "/anonymous", "/optional-admin"):
        refused(api.request("GET", path, two), INVALID_REQUEST)


def test_an_optional_caller_meets_the_requirement(api: Api) -> None:
    """Nobody may pass, and somebody only who is allowed to."""
    served(api.get("/optional-admin"), None)
    served(api.get("/optional-admin", mint(roles=["admin"])))
    refused(api.get("/optional-admin", TOKEN), FORBIDDEN)


# Public and protected


PUBLIC = ["/public", "/health", "/static/a", "/static/a/b.css"]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_route_never_asks(api: Api, path: str) -> None:
    """Without a token, with a bad one, with two; a good one is known, others are nobody."""
    served(api.get(path), None)
    served(api.get(path, BAD), None)
    served(api.get(path, "x"), None)
    served(api.request("GET", path, [_bearer(TOKEN), _bearer(TOKEN)]), None)
    served(api.get(path, TOKEN))


def test_an_unmarked_route_is_protected_by_default(strict: Api) -> None:
    """Nobody has to remember the decorator."""
    for method in ("GET", "POST"):
        refused(strict.request(method, "/plain"), NO_TOKEN)
        refused(strict.request(method, "/plain", [_bearer(BAD)]))
        served(strict.request(method, "/plain", [_bearer(TOKEN)]))


def test_an_unmarked_route_is_open_where_only_marked_ones_are_protected(lenient: Api) -> None:
    """A good token is known there too, and a bad one is nobody."""
    served(lenient.get("/plain"), None)
    served(lenient.get("/plain", BAD), None)
    served(lenient.get("/plain", TOKEN))


@pytest.mark.parametrize("path", ["/nothing", "/me/nothing", "/tenants/acme", "/"])
def test_an_unknown_path_is_told_to_callers_only(strict: Api, path: str) -> None:
    """A stranger cannot map the application."""
    refused(strict.get(path), NO_TOKEN)
    refused(strict.get(path, BAD))
    assert strict.get(path, TOKEN).status == 404


def test_a_wrong_method_is_told_to_callers_only(strict: Api) -> None:
    """The same for methods, on routes of every kind but public ones."""
    for path in ("/me", "/reports", "/plain"):
        refused(strict.request("PATCH", path), NO_TOKEN)
        assert strict.request("PATCH", path, [_bearer(TOKEN)]).status == 405


# Several guards


INTERNAL = mint(algorithm="ES512")
INTERNAL_INVALID = (401, 'Bearer error="invalid_token", realm="internal"')


def test_each_guard_decides_for_its_own_routes(api: Api) -> None:
    """The other guard's tokens are worth nothing there, and each speaks for itself."""
    served(api.get("/internal", INTERNAL))
    refused(api.get("/internal", TOKEN), INTERNAL_INVALID)
    refused(api.get("/internal"), (401, 'Bearer realm="internal"'))
    served(api.get("/me", TOKEN))
    refused(api.get("/me", INTERNAL))


def test_a_guard_serves_no_stranger_even_if_it_is_asked_twice(api: Api) -> None:
    """The verdict on one request says nothing about the next."""
    for _ in range(3):
        served(api.get("/me", TOKEN))
        refused(api.get("/me", BAD))
        refused(api.get("/me"), NO_TOKEN)

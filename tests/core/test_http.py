"""The same request reads the same under ASGI and WSGI, and the same refusal answers the same."""

import json
import re
from typing import Any

import pytest

from jwt_guard import Guard, Reason, Refusal
from jwt_guard.credentials.bearer import bearer_token
from jwt_guard.endpoints import json_reply, well_known
from jwt_guard.flow import run
from jwt_guard.http import AsgiView, RequestView, WsgiView, cookies_of, query_has, reply_to
from jwt_guard.routes import PathList
from tests.support.tokens import AUDIENCE, ISSUER, configuration, private_jwk

Headers = list[tuple[str, str]]


def _asgi(headers: Headers = [], query: str = "", path: str = "/x") -> AsgiView:  # noqa: B006
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return AsgiView(
        {
            "type": "http",
            "method": "PUT",
            "scheme": "https",
            "path": path,
            "query_string": query.encode("latin-1"),
            "headers": raw,
            "client": ("192.0.2.1", 5),
        }
    )


def _wsgi(headers: Headers = [], query: str = "", path: str = "/x") -> WsgiView:  # noqa: B006
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "PUT",
        "wsgi.url_scheme": "https",
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "REMOTE_ADDR": "192.0.2.1",
    }
    for name, value in headers:
        key = "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return WsgiView(environ)


@pytest.fixture(params=[_asgi, _wsgi], ids=["asgi", "wsgi"])
def view_of(request: pytest.FixtureRequest) -> Any:
    """Makes a view of a request, under either interface."""
    return request.param


def test_a_request_reads_the_same(view_of: Any) -> None:
    """Method, scheme, path, query, peer and headers."""
    view: RequestView = view_of([("X-One", "1")], "a=b", "/é/日")
    assert (view.method, view.scheme, view.path) == ("PUT", "https", "/é/日")
    assert (view.query, view.client) == ("a=b", "192.0.2.1")
    assert (view.header("x-one"), view.header("x-two")) == (["1"], [])
    assert view.path_params == {}


def test_what_a_server_leaves_out_has_a_default() -> None:
    """A WebSocket has no method; a socket file no peer."""
    asgi = AsgiView({"type": "websocket", "path": "/", "headers": []})
    wsgi = WsgiView({})
    assert (asgi.method, asgi.scheme, asgi.query, asgi.client) == ("GET", "ws", "", None)
    assert (wsgi.method, wsgi.scheme, wsgi.query, wsgi.client) == ("GET", "http", "", None)
    assert wsgi.path == ""


@pytest.mark.parametrize(
    ("said", "scheme"), [("http", "ws"), ("HTTPS", "wss"), ("ws", "ws"), ("wss", "wss")]
)
def test_H6_a_websocket_is_one_whatever_its_server_says(said: str, scheme: str) -> None:
    """Behind a proxy, some servers take the scheme of a WebSocket from `X-Forwarded-Proto`."""
    scope = {"type": "websocket", "scheme": said, "path": "/", "headers": []}
    assert AsgiView(scope).scheme == scheme


def test_path_parameters_come_from_the_router() -> None:
    """Given, or found in the scope."""
    scope = {"type": "http", "path": "/", "headers": [], "path_params": {"a": 1}}
    assert AsgiView(scope).path_params == {"a": 1}
    assert AsgiView(scope, {"b": 2}).path_params == {"b": 2}
    assert WsgiView({}, {"b": 2}).path_params == {"b": 2}


def test_content_headers_have_names_of_their_own_in_wsgi() -> None:
    """CGI calls two headers by other names."""
    view = WsgiView({"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "5"})
    assert view.header("content-type") == ["text/plain"]
    assert view.header("content-length") == ["5"]


def test_a_mounted_wsgi_application_sees_the_whole_path() -> None:
    """With the mount point in front, and what it routes by without."""
    view = WsgiView({"SCRIPT_NAME": "/api", "PATH_INFO": "/me"})
    assert (view.path, view.route_path) == ("/api/me", "/me")


def test_cookies_keep_every_value(view_of: Any) -> None:
    """Doubled names are seen, whatever their order."""
    view = view_of([("Cookie", 'a=1; b="2";a=3; c; d=e=f;')])
    assert cookies_of(view) == {"a": ["1", "3"], "b": ["2"], "d": ["e=f"]}
    assert cookies_of(view_of()) == {}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", False),
        ("access_token=x", True),
        ("a=1&access_token=", True),
        ("access_token", True),
        ("access%5Ftoken=x", True),
        ("a=access_token", False),
        ("Access_Token=x", False),
        ("%ff=%", False),
        ("&&&;=", False),
    ],
)
def test_a_query_parameter_is_found_by_its_name(view_of: Any, query: str, found: bool) -> None:
    """Escaped or empty, but not in another case."""
    assert query_has(view_of(query=query), "access_token") is found


# The bearer token


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ([], "", None),
        ([], "access_token=x", None),
        ([("Authorization", "Bearer abc")], "", "abc"),
        ([("Authorization", "bearer abc")], "", "abc"),
        ([("Authorization", "BEARER abc")], "", "abc"),
        ([("Authorization", "Bearer abc ")], "", "abc"),
        ([("Authorization", " Bearer abc")], "", "abc"),
        ([("Authorization", "Bearer abc")], "a=1", "abc"),
        ([("Authorization", "Basic abc")], "", None),
        ([("Authorization", "DPoP abc")], "", None),
        ([("Authorization", "")], "", None),
        ([("Authorization", "abc")], "", None),
        ([("Authorization", "Basic a"), ("Authorization", "Basic b")], "", None),
        ([("Authorization", "Bearer")], "", Reason.CREDENTIALS_MALFORMED),
        ([("Authorization", "Bearer ")], "", Reason.CREDENTIALS_MALFORMED),
        ([("Authorization", "Bearer  abc")], "", Reason.CREDENTIALS_MALFORMED),
        ([("Authorization", "Bearer a b")], "", Reason.CREDENTIALS_MALFORMED),
        ([("Authorization", "Bearer\tabc")], "", Reason.CREDENTIALS_MALFORMED),
        ([("Authorization", "Bearer a\tb")], "", Reason.CREDENTIALS_MALFORMED),
        ([("Authorization", "Bearer: abc")], "", Reason.CREDENTIALS_MALFORMED),
        ([("Authorization", "BearerX abc")], "", Reason.CREDENTIALS_MALFORMED),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], "", "two"),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer a")], "", "two"),
        ([("Authorization", "Bearer a"), ("Authorization", "Basic b")], "", "two"),
        ([("Authorization", "Basic b"), ("Authorization", "Bearer a")], "", "two"),
        ([("Authorization", "Bearer a,Bearer b")], "", "two"),
        ([("Authorization", "Bearer a,")], "", "two"),
        ([("Authorization", "Bearer a,,")], "", "two"),
        ([("Authorization", "Bearer a, Negotiate")], "", "two"),
        ([("Authorization", 'Bearer a, Digest username="b"')], "", "two"),
        ([("Authorization", 'Bearer {"a":1,"b":2}')], "", '{"a":1,"b":2}'),
        ([("Authorization", 'Bearer {"a": 1, "b": 2}')], "", Reason.CREDENTIALS_MALFORMED),
        ([("Authorization", "Bearer a")], "access_token=b", "two"),
        ([("Authorization", "Bearer a")], "access_token=a", "two"),
    ],
    ids=str,
)
def test_H1_H2_H4_one_bearer_token_in_one_place(
    view_of: Any, headers: Headers, query: str, expected: Any
) -> None:
    """One well-formed header; several are ambiguous, and other schemes are no bearer tokens."""
    wanted = Reason.CREDENTIALS_AMBIGUOUS if expected == "two" else expected
    if not isinstance(wanted, Reason):
        assert bearer_token(view_of(headers, query)) == wanted
        return
    with pytest.raises(Refusal) as caught:
        bearer_token(view_of(headers, query))
    assert caught.value.reason is wanted


# Replies


def _fields(refusal: Refusal, **options: Any) -> dict[str, str]:
    return dict(reply_to(refusal, **{"realm": "api", **options}).headers)


@pytest.mark.parametrize("reason", list(Reason))
def test_H9_reasons_of_one_kind_answer_alike(reason: Reason) -> None:
    """Status, headers and body follow from status and error code; the reason is not told."""
    reply = reply_to(Refusal(reason, claim="kid"), realm="api")
    assert reply.status == reason.kind.status
    assert dict(reply.headers)["Cache-Control"] == "no-store"
    assert dict(reply.headers)["Content-Type"] == "application/problem+json"
    body = json.loads(reply.body)
    assert body["status"] == reply.status
    assert body.get("error") == reason.kind.error
    assert set(body) <= {"type", "title", "status", "error"}
    told = reply.body.decode() + str(reply.headers)
    assert reason.value not in told.replace(str(reason.kind.error), "")
    assert "kid" not in told


def test_A1_without_a_token_no_error_code_is_told() -> None:
    """RFC 6750, 3.1: the challenge names scheme and realm only."""
    assert _fields(Refusal(Reason.TOKEN_MISSING))["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    ("refusal", "challenge"),
    [
        (Refusal(Reason.TOKEN_EXPIRED), 'Bearer error="invalid_token", realm="api"'),
        (Refusal(Reason.CREDENTIALS_AMBIGUOUS), 'Bearer error="invalid_request", realm="api"'),
        (
            Refusal(Reason.SCOPE_MISSING, scope="a b"),
            'Bearer error="insufficient_scope", scope="a b", realm="api"',
        ),
        (
            Refusal(Reason.AUTHENTICATION_TOO_OLD, max_age=300),
            'Bearer error="insufficient_user_authentication", max_age="300", realm="api"',
        ),
        (
            Refusal(Reason.AUTHENTICATION_TOO_WEAK, acr_values="mfa phr"),
            'Bearer error="insufficient_user_authentication", acr_values="mfa phr", realm="api"',
        ),
        (Refusal(Reason.CSRF_FAILED), None),
        (Refusal(Reason.GRANT_INVALID), None),
        (Refusal(Reason.SCOPE_EXCEEDED), None),
        (Refusal(Reason.THROTTLED), None),
        (Refusal(Reason.STORE_UNAVAILABLE), None),
    ],
)
def test_challenges_say_what_the_standards_ask(refusal: Refusal, challenge: str | None) -> None:
    """RFC 6750 section 3 and RFC 9470 section 3; no challenge where a token would not help."""
    assert _fields(refusal).get("WWW-Authenticate") == challenge


def test_every_scheme_gets_its_challenge() -> None:
    """In the order given."""
    reply = reply_to(Refusal(Reason.TOKEN_MISSING), challenges=("DPoP", "Bearer"), realm="r")
    assert [value for name, value in reply.headers if name == "WWW-Authenticate"] == [
        'DPoP realm="r"',
        'Bearer realm="r"',
    ]


def test_nothing_breaks_out_of_a_quoted_value() -> None:
    """Quotes, backslashes, line ends and other alphabets are left out (RFC 6750, 3)."""
    challenge = _fields(Refusal(Reason.TOKEN_MISSING), realm='a"\\\r\nSet-Cookie: x\x00é日b')
    assert challenge["WWW-Authenticate"] == 'Bearer realm="aSet-Cookie: xb"'


@pytest.mark.parametrize(("seconds", "told"), [(30, "30"), (0, "1"), (-5, "1"), (None, None)])
def test_an_outage_says_when_to_come_back(seconds: int | None, told: str | None) -> None:
    """In whole seconds, never at once."""
    refusal = Refusal(Reason.KEYS_UNAVAILABLE, retry_after=seconds)
    assert _fields(refusal).get("Retry-After") == told
    assert refusal.status == 503


def test_reasons_are_stable_codes() -> None:
    """A reason is its own text, in snake case, once."""
    assert len({str(reason) for reason in Reason}) == len(Reason)
    assert all(re.fullmatch(r"[a-z_]+", reason) for reason in Reason)
    assert str(Refusal(Reason.TOKEN_EXPIRED, claim="exp")) == "token_expired (exp)"
    assert str(Refusal(Reason.TOKEN_MISSING)) == "token_missing"


# Public paths


@pytest.mark.parametrize(
    "path",
    ["/health", "/static/", "/static/a", "/static/a/b.css", "/static/a.b..c", "/static/.hidden"],
)
def test_listed_paths_are_public(path: str) -> None:
    """One by name, or all below a folder."""
    assert path in PathList(["/health", "/static/*"])


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/health/",
        "/healthy",
        "/HEALTH",
        "//health",
        "/static",
        "/staticx",
        "/static//admin",
        "/static/../admin",
        "/static/..",
        "/static/.",
        "/static/./x",
        "/static/%2e%2e/admin",
        "/static/..;/admin",
        "/static/a;b",
        "/static/..\\admin",
        "/static/\x00",
        "/x/static/a",
    ],
)
def test_H8_odd_paths_are_never_public(path: str) -> None:
    """What could be read in two ways is on no list."""
    assert path not in PathList(["/health", "/static/*"])


def test_a_list_of_nothing_is_empty() -> None:
    """And one path may stand for a list."""
    assert not PathList()
    assert PathList("/health")
    assert PathList(["/*"])
    assert "/x" in PathList(["/*"])


@pytest.mark.parametrize("pattern", ["health", "", "*", "/a*", "/*/x", "/**", "/a*/*"])
def test_what_is_no_path_is_a_mistake(pattern: str) -> None:
    """A star stands for a whole last segment or not at all."""
    with pytest.raises(ValueError, match="is no path"):
        PathList([pattern])


# Endpoints


def _endpoint(guard: Guard, name: str) -> Any:
    (found,) = (endpoint for endpoint in well_known() if endpoint.name == name)
    reply = run(found.handle(guard, _asgi(), b""))
    assert reply.status == 200
    assert dict(reply.headers)["Content-Type"] == "application/json"
    assert dict(reply.headers)["Cache-Control"] == "public, max-age=300"
    return json.loads(reply.body)


def test_our_public_keys_are_published() -> None:
    """Without a secret; and an application that issues nothing publishes an empty set."""
    own = {"issuer": "own", "signing_keys": {"keys": [private_jwk()]}}
    published = _endpoint(Guard.from_config(configuration(tokens=own)), "jwt_guard_jwks")
    (entry,) = published["keys"]
    assert "d" not in entry
    assert entry["kid"] == "ES256-main"
    assert _endpoint(Guard.from_config(configuration()), "jwt_guard_jwks") == {"keys": []}


def test_the_resource_describes_itself() -> None:
    """RFC 9728, 2."""
    own = {"issuer": "https://own.test", "signing_keys": {"keys": [private_jwk()]}}
    described = _endpoint(Guard.from_config(configuration(tokens=own)), "jwt_guard_resource")
    assert described["resource"] == AUDIENCE
    assert described["authorization_servers"] == [ISSUER, "https://own.test"]


def test_json_answers_are_not_stored() -> None:
    """Unless told otherwise."""
    assert dict(json_reply(200, {}).headers)["Cache-Control"] == "no-store"

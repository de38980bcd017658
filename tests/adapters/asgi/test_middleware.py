"""The middleware around applications without a framework."""

from typing import Any

import pytest

from jwt_guard import Guard, Principal, Reason, Refusal, role
from jwt_guard.audit.observer import LogObserver
from jwt_guard.endpoints import Endpoint, json_reply, well_known
from jwt_guard.flow import Flow
from jwt_guard.http import Reply, RequestView
from jwt_guard_asgi import EndpointApp, JWTGuardMiddleware, authorize, current_principal
from jwt_guard_asgi.wire import App, Message, Receive, Scope, Send
from tests.adapters.asgi.support import DENIAL, greet, http, sent_by, status_of, websocket
from tests.support import tokens


def guarded(app: App, guard: Guard, **options: Any) -> JWTGuardMiddleware:
    """An application behind the middleware."""
    return JWTGuardMiddleware(app, guard=guard, **options)


async def test_good_token_reaches_the_application(guard: Guard) -> None:
    """The caller stands where Starlette's users look for it."""
    scope = http(token=tokens.mint(sub="ada", scope="read write"))
    assert status_of(await sent_by(guarded(greet, guard), scope)) == 200
    assert scope["user"].identity == f"{tokens.ISSUER}#ada"
    assert scope["user"].is_authenticated
    assert scope["auth"].scopes == ["read", "write"]
    assert scope["state"]["principal"] is current_principal(scope) is scope["user"]


@pytest.mark.parametrize("token", [None, "rubbish", tokens.mint(exp=tokens.NOW)])
async def test_everything_is_protected_by_default(guard: Guard, token: str | None) -> None:
    """Whoever has no good token gets the guard's reply, to the byte."""
    sent = await sent_by(guarded(greet, guard), http(token=token))
    reason = Reason.TOKEN_MISSING if token is None else Reason.TOKEN_MALFORMED
    reply = guard.reply(Refusal(reason))
    assert sent[0]["status"] == reply.status == 401
    expected = [(k.lower().encode(), v.encode()) for k, v in reply.headers]
    assert sent[0]["headers"] == [*expected, (b"content-length", b"%d" % len(reply.body))]
    assert sent[1]["body"] == reply.body


async def test_head_is_refused_without_a_body(guard: Guard) -> None:
    """HEAD gets what GET gets, but for the body."""
    sent = await sent_by(guarded(greet, guard), http(method="HEAD"))
    assert (status_of(sent), sent[1]["body"]) == (401, b"")
    assert sent[0]["headers"] == (await sent_by(guarded(greet, guard), http()))[0]["headers"]


@pytest.mark.parametrize("path", ["/health", "/static/a/b", "/status"])
async def test_public_paths_are_open(path: str) -> None:
    """Those of the configuration and those of the middleware, whatever token comes along."""
    config = tokens.configuration(routes={"public": ["/health", "/static/*"]})
    app = guarded(greet, Guard.from_config(config), public=["/status"])
    for token, known in [(None, False), ("rubbish", False), (tokens.mint(), True)]:
        scope = http(path, token=token)
        assert status_of(await sent_by(app, scope)) == 200
        assert (current_principal(scope) is not None) is known


@pytest.mark.parametrize("path", ["/static/../me", "/static//me", "/healthy", "/health/"])
async def test_odd_paths_are_not_public(path: str) -> None:
    """What could be read in two ways is protected."""
    config = tokens.configuration(routes={"public": ["/health", "/static/*"]})
    app = guarded(greet, Guard.from_config(config))
    assert status_of(await sent_by(app, http(path))) == 401


async def test_marked_mode_lets_the_application_decide(guard: Guard) -> None:
    """With protect="marked" nobody is refused but by `authorize`."""
    scope = http(token="rubbish")
    assert status_of(await sent_by(guarded(greet, guard, protect="marked"), scope)) == 200
    assert current_principal(scope) is None
    assert not scope["user"].is_authenticated
    assert scope["user"].is_anonymous
    assert (scope["user"].display_name, scope["user"].identity) == ("", "")
    assert scope["auth"].scopes == []


async def test_protect_takes_two_words(guard: Guard) -> None:
    """A misspelt mode is no mode."""
    with pytest.raises(ValueError, match="protect"):
        JWTGuardMiddleware(greet, guard=guard, protect="none")  # type: ignore[arg-type]


async def test_refusals_of_the_application_are_answered(guard: Guard) -> None:
    """A refusal raised within is turned into its reply."""

    async def admins_only(scope: Scope, receive: Receive, send: Send) -> None:
        authorize(scope, role("admin"))
        await greet(scope, receive, send)

    app = guarded(admins_only, guard)
    assert status_of(await sent_by(app, http(token=tokens.mint(roles=["viewer"])))) == 403
    assert status_of(await sent_by(app, http(token=tokens.mint(roles=["admin"])))) == 200


async def test_refusal_after_the_start_is_the_servers(guard: Guard) -> None:
    """An answer that has begun is not answered again: the server cuts it."""

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise Refusal(Reason.TOKEN_REVOKED)

    sent: list[Any] = []
    with pytest.raises(Refusal):
        sent += await sent_by(guarded(late, guard), http(token=tokens.mint()))
    assert sent == []


async def test_authorize_without_middleware_tells_the_developer(guard: Guard) -> None:
    """A forgotten middleware is an error, not an open door."""
    with pytest.raises(RuntimeError, match="JWTGuardMiddleware"):
        authorize(http(token=tokens.mint()))
    with pytest.raises(RuntimeError, match="JWTGuardMiddleware"):
        current_principal(http())
    scope = http(token=tokens.mint())
    await sent_by(guarded(greet, guard), scope)
    with pytest.raises(RuntimeError, match="'admin'"):
        authorize(scope, guard="admin")


async def test_lifespan_passes_through(guard: Guard) -> None:
    """Scopes of other types are none of our business."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await sent_by(guarded(app, guard), {"type": "lifespan"})
    assert seen == ["lifespan"]


async def test_caller_is_identified_once(guard: Guard) -> None:
    """The same guard twice, as around a mounted application, verifies once."""
    told: list[str] = []

    class Telling(LogObserver):
        def authenticated(self, principal: Principal, view: RequestView | None) -> None:
            told.append(principal.subject)

    guard.observers = [Telling()]
    twice = guarded(guarded(greet, guard), guard)
    assert status_of(await sent_by(twice, http(token=tokens.mint()))) == 200
    assert told == ["ada"]


async def test_inner_guard_of_the_same_name_decides_anew(guard: Guard) -> None:
    """A mounted application with a guard of its own does not inherit the outer verdict."""
    other = Guard.from_config(tokens.configuration(audience="https://other.example.test"))
    app = guarded(guarded(greet, other), guard)
    assert status_of(await sent_by(app, http(token=tokens.mint()))) == 401


@pytest.fixture
def two_guards(guard: Guard) -> JWTGuardMiddleware:
    """One application, a guard for everybody and one for administrators, who ask each other."""
    config = tokens.configuration("ES384", audience="https://admin.example.test", realm="admin")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/admin":
            authorize(scope, guard="admin")
        else:
            authorize(scope)
        await greet(scope, receive, send)

    admin = guarded(app, Guard.from_config(config), name="admin", protect="marked")
    return guarded(admin, guard, protect="marked")


async def test_two_guards_in_one_application(two_guards: JWTGuardMiddleware) -> None:
    """Each guard decides about its own routes, and speaks in its own name."""
    user = tokens.mint()
    admin = tokens.mint(algorithm="ES384", aud="https://admin.example.test", sub="root")
    for path, good, bad, realm in [("/", user, admin, b"api"), ("/admin", admin, user, b"admin")]:
        scope = http(path, token=good)
        assert status_of(await sent_by(two_guards, scope)) == 200
        principal = current_principal(scope)
        assert principal is not None
        assert principal.subject == ("root" if good == admin else "ada")
        sent = await sent_by(two_guards, http(path, token=bad))
        assert status_of(sent) == 401
        assert b'realm="' + realm + b'"' in dict(sent[0]["headers"])[b"www-authenticate"]


async def test_guard_that_refuses_speaks_for_itself(guard: Guard) -> None:
    """Where two guards protect everything, the reply is that of the one who refused."""
    strict = Guard.from_config(tokens.configuration("ES384", realm="strict"))
    app = guarded(guarded(greet, strict, name="strict"), guard)
    sent = await sent_by(app, http(token=tokens.mint()))
    assert b'realm="strict"' in dict(sent[0]["headers"])[b"www-authenticate"]


async def test_other_guards_caller_is_not_the_default_ones(two_guards: JWTGuardMiddleware) -> None:
    """A token that another guard believes makes no principal where the default one is asked."""
    admin = tokens.mint(algorithm="ES384", aud="https://admin.example.test")
    scope = http("/", token=admin)
    await sent_by(two_guards, scope)
    assert current_principal(scope) is None


async def test_optional_takes_away_another_guards_caller(guard: Guard) -> None:
    """Where a route's own guard knows nobody, nobody is there."""
    other = Guard.from_config(tokens.configuration("ES384", realm="other"))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        authorize(scope, guard="other", optional=True, bad_token="anonymous")
        await greet(scope, receive, send)

    scope = http(token=tokens.mint())
    whole = guarded(guarded(app, other, name="other", protect="marked"), guard)
    assert status_of(await sent_by(whole, scope)) == 200
    assert current_principal(scope) is None
    assert not scope["user"].is_authenticated


async def test_websocket_is_denied_with_a_reply_where_the_server_can(guard: Guard) -> None:
    """The denial response carries what an HTTP request would get."""
    sent = await sent_by(guarded(greet, guard), websocket(extensions=DENIAL))
    assert [m["type"] for m in sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert status_of(sent) == 401
    assert sent[1]["body"] == guard.reply(Refusal(Reason.TOKEN_MISSING)).body


@pytest.mark.parametrize("more", [{}, {"extensions": None}, {"extensions": {}}])
async def test_websocket_is_closed_where_the_server_cannot(guard: Guard, more: Any) -> None:
    """Without the extension the handshake is closed, which servers answer with 403."""
    sent = await sent_by(guarded(greet, guard), websocket(**more))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.TOKEN_EXPIRED, 3000),
        (Reason.ROLE_MISSING, 3003),
        (Reason.STORE_UNAVAILABLE, 1013),
        (Reason.REQUEST_MALFORMED, 1008),
    ],
)
async def test_open_websocket_is_closed_by_a_refusal(
    guard: Guard, reason: Reason, code: int
) -> None:
    """After the handshake a refusal closes the connection with a telling code."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        raise Refusal(reason)

    sent = await sent_by(guarded(app, guard), websocket(token=tokens.mint()))
    assert sent[1:] == [{"type": "websocket.close", "code": code}]


async def test_closed_websocket_is_not_closed_twice(guard: Guard) -> None:
    """A refusal after the end has nothing left to do."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        raise Refusal(Reason.TOKEN_EXPIRED)

    sent = await sent_by(guarded(app, guard), websocket(token=tokens.mint()))
    assert [m["type"] for m in sent] == ["websocket.accept", "websocket.close"]


def an_endpoint(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """Answers its body's length, nothing to "quiet", and refuses an empty one."""
    if not body:
        raise Refusal(Reason.GRANT_INVALID)
    return Reply(204) if body == b"quiet" else json_reply(200, len(body))
    yield  # a generator without a step


ENDPOINT = Endpoint(method="POST", path="/auth/login", name="login", handle=an_endpoint)


async def test_endpoints_are_applications(guard: Guard) -> None:
    """An endpoint is served without a framework."""
    sent = await sent_by(EndpointApp(guard, well_known()[0]), http())
    assert (status_of(sent), sent[1]["body"]) == (200, b'{"keys":[]}')


async def test_endpoint_gets_the_whole_body(guard: Guard) -> None:
    """A body in pieces is joined."""
    pieces: list[Message] = [
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.request", "body": b"de"},
    ]
    sent = await sent_by(EndpointApp(guard, ENDPOINT), http(method="POST"), pieces)
    assert sent[1]["body"] == b"5"


async def test_answer_without_content_has_no_length(guard: Guard) -> None:
    """204 says nothing of a length (RFC 9110 section 8.6)."""
    pieces: list[Message] = [{"type": "http.request", "body": b"quiet"}]
    sent = await sent_by(EndpointApp(guard, ENDPOINT), http(method="POST"), pieces)
    assert (status_of(sent), sent[0]["headers"], sent[1]["body"]) == (204, [], b"")


@pytest.mark.parametrize(
    "message",
    [
        {"type": "http.request", "body": b""},
        {"type": "http.request", "body": b"x" * 65_537, "more_body": True},
        {"type": "http.disconnect"},
    ],
)
async def test_endpoint_refuses(guard: Guard, message: dict[str, Any]) -> None:
    """Its own refusals are answered; a body without end or sender is not read on."""
    sent = await sent_by(EndpointApp(guard, ENDPOINT), http(method="POST"), [message])
    assert status_of(sent) == 400

"""First-party login as endpoints: log in, refresh, log out, see and end one's sessions.

Who may log in is the application's to say, by a function of a name and a password. All else is
here, once for every framework. Answers are those of RFC 6749 sections 5.1 and 5.2.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from jwt_guard.audit.observer import EventName, Occurrence, tell
from jwt_guard.credentials.cookies import CookieJar
from jwt_guard.credentials.csrf import Proof
from jwt_guard.credentials.sealing import derived
from jwt_guard.endpoints import Endpoint, json_reply
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Call, Flow
from jwt_guard.guard import Guard
from jwt_guard.http import Reply, RequestView
from jwt_guard.principal import Principal
from jwt_guard.sessions.grants import Client, Grant
from jwt_guard.sessions.hooks import User
from jwt_guard.sessions.manager import Sessions
from jwt_guard.sessions.refresh_token import RefreshToken
from jwt_guard.sessions.throttle import Throttle
from jwt_guard.tokens.issuer import Authentication

__all__ = ["CredentialCheck", "Identity", "login_endpoints"]

FIRST_PARTY = "first-party"
"""The client of those who name none."""

_OF_GRANTS = {"invalid_grant", "invalid_scope"}
_LONGEST_FIELD = 1024
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody whose credentials were right.

    Attributes:
        subject: `sub` of their tokens, unique and never given to another.
        roles, scopes, tenant: what their tokens say.
        claims: further claims of their tokens.
        acr: the authentication context class, if there is one.
        amr: the authentication methods (RFC 8176).
    """

    subject: str
    roles: Iterable[str] = ()
    scopes: Iterable[str] = ()
    tenant: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])
    acr: str | None = None
    amr: tuple[str, ...] = ("pwd",)


CredentialCheck = Callable[[str, str], Identity | Awaitable[Identity | None] | None]
"""From a name and a password to who that is, or None.

It should take the same time whether or not there is such a user: see `verify_password`.
"""


class _Malformed(Exception):
    """A request that RFC 6749 section 5.2 answers with an error of its own."""

    def __init__(self, error: str = "invalid_request") -> None:
        super().__init__(error)
        self.error = error


def login_endpoints(check: CredentialCheck, *, prefix: str = "/auth") -> tuple[Endpoint, ...]:
    """The endpoints, for an adapter to mount.

    Args:
        check: says who may log in; a plain function or an `async def`.
        prefix: the path that they stand below; refresh cookies are sent there only.
    """
    handlers: dict[tuple[str, str, str], _Handler] = {
        ("POST", "/login", "jwt_guard_login"): _Login(check),
        ("POST", "/refresh", "jwt_guard_refresh"): _refresh,
        ("POST", "/logout", "jwt_guard_logout"): _logout,
        ("POST", "/logout-everywhere", "jwt_guard_logout_everywhere"): _logout_everywhere,
        ("GET", "/sessions", "jwt_guard_sessions"): _sessions,
        ("DELETE", "/sessions/{sid}", "jwt_guard_end_session"): _end_session,
    }
    return tuple(
        Endpoint(method=method, path=prefix + path, name=name, handle=_answering(handler))
        for (method, path, name), handler in handlers.items()
    )


_Handler = Callable[[Guard, RequestView, bytes], Flow[Reply]]


def _answering(handler: _Handler) -> _Handler:
    """The handler, with the errors of RFC 6749 section 5.2 turned into answers."""

    def handle(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
        try:
            reply = yield from handler(guard, view, body)
        except _Malformed as malformed:
            return json_reply(400, {"error": malformed.error})
        except Refusal as refusal:
            if refusal.error not in _OF_GRANTS:
                raise
            return json_reply(400, {"error": refusal.error})
        return reply

    return handle


# Log in


@dataclass(frozen=True, slots=True)
class _Login:
    """`POST /login`: a name and a password for tokens, in the body or in cookies."""

    check: CredentialCheck

    def __call__(self, guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
        fields = _fields(view, body)
        name, password = _text(fields, "username"), _text(fields, "password")
        jar = _wanted_jar(guard, view, fields)
        identity = yield from self._identity(guard, view, name, password)
        grant = yield from _issuing(guard).start(
            identity.subject,
            client=_client(view, fields),
            user=User(
                roles=identity.roles,
                scopes=identity.scopes,
                tenant=identity.tenant,
                claims=identity.claims,
            ),
            authentication=Authentication(time=guard.clock(), acr=identity.acr, amr=identity.amr),
            view=view,
        )
        return _granted(grant, jar)

    def _identity(
        self, guard: Guard, view: RequestView, name: str, password: str
    ) -> Flow[Identity]:
        throttle = Throttle(store=guard.store, key=derived(guard.secrets[0], "throttle"))
        yield from throttle.attempt(name, view.client, guard.clock())
        identity = yield from Call(self.check, name, password)
        if not isinstance(identity, Identity):
            failed = Occurrence(
                name=EventName.LOGIN_FAILED,
                subject=name,
                reason=Reason.CREDENTIALS_WRONG,
                view=view,
            )
            yield from tell(guard.observers, failed)
            raise Refusal(Reason.CREDENTIALS_WRONG)
        yield from throttle.succeeded(name, view.client, guard.clock())
        subject = Occurrence(name=EventName.LOGIN, subject=identity.subject, view=view)
        yield from tell(guard.observers, subject)
        return identity


def _wanted_jar(guard: Guard, view: RequestView, fields: Mapping[str, Any]) -> CookieJar | None:
    """The cookie jar, if the caller wants its tokens in cookies and may have them so."""
    wanted = fields.get("cookies", False)
    if wanted is False:
        return None
    if wanted is not True or guard.cookies is None:
        raise _Malformed
    if guard.cookies.csrf.of_origin(view) is Proof.CONTRADICTED:
        raise Refusal(Reason.CSRF_FAILED)
    return guard.cookies


# Refresh


def _refresh(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """`POST /refresh`: a refresh token, from the body or its cookie, for new tokens."""
    fields = _fields(view, body) if body else {}
    jar = guard.cookies
    token = fields.get("refresh_token")
    cookie = jar.refresh_token(view) if jar is not None else None
    if token is not None and cookie is not None:
        raise _Malformed
    if fields.get("grant_type", "refresh_token") != "refresh_token":
        raise _Malformed("unsupported_grant_type")
    if token is None:
        if cookie is None:
            raise _Malformed
        _demand_proof(guard, view, cookie)
    grant = yield from _issuing(guard).refresh(
        cookie if token is None else token,
        client=_client(view, fields),
        scopes=_scopes(fields),
        view=view,
    )
    return _granted(grant, jar if token is None else None)


def _demand_proof(guard: Guard, view: RequestView, refresh_token: str) -> None:
    """A browser sends its cookie to whoever asks, so the request must show that it was meant."""
    parsed = RefreshToken.parse(refresh_token)
    if guard.cookies is None or parsed is None:
        raise Refusal(Reason.GRANT_INVALID)
    if guard.cookies.csrf.proof(view, parsed.sid) is not Proof.GIVEN:
        raise Refusal(Reason.CSRF_FAILED)


def _granted(grant: Grant, jar: CookieJar | None) -> Reply:
    """RFC 6749 section 5.1; with cookies, no token stands in the body."""
    answer: dict[str, Any] = {"token_type": grant.token_type, "expires_in": grant.expires_in}
    if grant.scope:
        answer["scope"] = grant.scope
    if jar is None:
        answer |= {"access_token": grant.access_token, "refresh_token": grant.refresh_token}
        return json_reply(200, answer)
    answer["csrf_token"] = jar.csrf.token(grant.session_id)
    reply = json_reply(200, answer)
    cookies = jar.filled(
        access=grant.access_token,
        refresh=grant.refresh_token,
        session_id=grant.session_id,
        expires_in=grant.expires_in,
        ends_in=grant.session_expires_in,
    )
    return Reply(reply.status, (*reply.headers, *cookies), reply.body)


# Log out


def _logout(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """`POST /logout`: ends the session of the access token, or else of the refresh token."""
    fields = _fields(view, body) if body else {}
    sid = yield from _session_to_end(guard, view, fields)
    yield from _issuing(guard).logout(sid, view=view)
    return _gone(guard, view)


def _session_to_end(guard: Guard, view: RequestView, fields: Mapping[str, Any]) -> Flow[str]:
    token = fields.get("refresh_token")
    if token is None:
        outcome = yield from guard.identify(view)
        if outcome.principal is not None:
            return _own_session(guard, outcome.principal)
        token = guard.cookies.refresh_token(view) if guard.cookies is not None else None
        if token is None:
            raise outcome.refusal or Refusal(Reason.TOKEN_MISSING)
        _demand_proof(guard, view, token)
    session = yield from _issuing(guard).owner_of(token, client=_client(view, fields))
    return session.sid


def _logout_everywhere(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """`POST /logout-everywhere`: ends all sessions of the caller, with their access tokens."""
    principal = yield from _caller(guard, view)
    yield from _issuing(guard).revoke_subject(principal.subject)
    return _gone(guard, view)


def _gone(guard: Guard, view: RequestView) -> Reply:
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),)
    if guard.cookies is not None:
        headers += tuple(guard.cookies.emptied(view))
    return Reply(204, headers)


# One's sessions


def _sessions(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """`GET /sessions`: the caller's living sessions, the youngest first."""
    principal = yield from _caller(guard, view)
    infos = yield from _issuing(guard).list(principal.subject)
    shown = [{**asdict(info), "current": info.session_id == principal.session_id} for info in infos]
    return json_reply(200, {"sessions": shown})


def _end_session(guard: Guard, view: RequestView, body: bytes) -> Flow[Reply]:
    """`DELETE /sessions/{sid}`: ends one of the caller's sessions; others are not found."""
    principal = yield from _caller(guard, view)
    sid = str(view.path_params.get("sid", ""))
    infos = yield from _issuing(guard).list(principal.subject)
    if sid not in {info.session_id for info in infos}:
        return json_reply(404, {"error": "not_found"})
    yield from _issuing(guard).revoke_session(sid)
    return Reply(204, (("Cache-Control", "no-store"),))


# What they share


def _caller(guard: Guard, view: RequestView) -> Flow[Principal]:
    """The verified caller, who must be one of ours.

    Raises:
        Refusal: there is none.
    """
    outcome = yield from guard.identify(view)
    principal = guard.permit(outcome, view)
    if principal is None:
        raise Refusal(Reason.TOKEN_MISSING)
    _own_session(guard, principal)
    return principal


def _own_session(guard: Guard, principal: Principal) -> str:
    """The caller's session.

    Raises:
        Refusal: `issuer_unknown`, for the token of another issuer, whose sessions are not here.
    """
    own = guard.config.tokens
    if own is None or principal.issuer != own.issuer or principal.session_id is None:
        raise Refusal(Reason.ISSUER_UNKNOWN, claim="iss")
    return principal.session_id


def _issuing(guard: Guard) -> Sessions:
    if guard.sessions is None:
        raise RuntimeError("login needs [tokens] in the configuration")
    return guard.sessions


def _client(view: RequestView, fields: Mapping[str, Any]) -> Client:
    agents = view.header("user-agent")
    return Client(
        client_id=_text(fields, "client_id", FIRST_PARTY),
        device=_text(fields, "device", "") or None,
        agent=agents[0][:_LONGEST_FIELD] if agents else None,
        place=view.client,
    )


def _scopes(fields: Mapping[str, Any]) -> list[str] | None:
    return _text(fields, "scope").split() if "scope" in fields else None


def _text(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str) or len(value) > _LONGEST_FIELD or (default is None and not value):
        raise _Malformed
    return value


def _fields(view: RequestView, body: bytes) -> dict[str, Any]:
    """The fields of a JSON or form body, each once."""
    kinds = view.header("content-type")
    kind = kinds[0].partition(";")[0].strip().lower() if len(kinds) == 1 else ""
    if kind == _JSON:
        return _json_fields(body)
    if kind == _FORM:
        return _form_fields(body)
    raise _Malformed


def _json_fields(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _Malformed from None
    if not isinstance(value, dict):
        raise _Malformed
    return value


def _form_fields(body: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise _Malformed from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Malformed
    return fields

"""The middleware: pure ASGI, for any ASGI application, no framework needed."""

from collections.abc import Iterable
from typing import ClassVar, Final, Literal, Protocol, cast

import msgspec

from jwt_guard.errors import Refusal
from jwt_guard.flow import arun
from jwt_guard.guard import BadToken, Guard, Outcome
from jwt_guard.http import AsgiView, Reply
from jwt_guard.principal import Principal
from jwt_guard.requirements import Requirement
from jwt_guard.routes import PathList
from jwt_guard_asgi.marks import Marks, routes_below
from jwt_guard_asgi.wire import App, Receive, Scope, Send, Sender

__all__ = [
    "DEFAULT",
    "Anonymous",
    "Connection",
    "Credentials",
    "JWTGuardMiddleware",
    "authorize",
    "current_principal",
    "guard_of",
    "reply_to",
    "scope_of",
]

DEFAULT: Final = "default"
"""The name of the one guard that most applications have."""

_REQUESTS: Final = frozenset({"http", "websocket"})
_CALLERS: Final = "jwt_guard"
_SPEAKER: Final = "jwt_guard.speaker"
"""The guard that decided last, and so speaks for the application."""


class HasScope(Protocol):
    """A request or a WebSocket of Starlette, FastAPI, or another framework."""

    @property
    def scope(self) -> Scope:
        """Its ASGI scope."""
        ...


Connection = Scope | HasScope
"""An ASGI scope, or what has one."""


_Caller = tuple[Guard, Outcome]
"""Who judged a request, and what came of it."""


class Anonymous:
    """The user of a request without a verified caller, as `scope["user"]`."""

    __slots__ = ()
    is_authenticated: ClassVar = False
    is_anonymous: ClassVar = True
    display_name: ClassVar = ""
    identity: ClassVar = ""

    def __repr__(self) -> str:
        return "Anonymous()"


_ANONYMOUS: Final = Anonymous()


class Credentials(msgspec.Struct, frozen=True):
    """What Starlette's own `requires` asks, as `scope["auth"]`.

    Attributes:
        principal: the verified caller, if any.
    """

    principal: Principal | None

    @property
    def scopes(self) -> list[str]:
        """The granted scopes."""
        return sorted(self.principal.scopes) if self.principal else []


class JWTGuardMiddleware:
    """Identifies the caller of every HTTP request and WebSocket, and refuses whom it must.

    Middleware that changes a request's path or method belongs outside of this one, for else
    what is decided here is decided about another request.

    Args:
        app: the application within.
        guard: who decides.
        name: the name by which `require(guard=...)` finds this guard, where there are several.
        protect: `all` or `marked` routes; the configuration's `[routes] protect` by default.
        public: paths that everybody may call, besides the configuration's: `/health`, or
            `/static/*` for all below.

    Raises:
        ValueError: `public` holds what is no path, or `protect` is neither.
    """

    marks: ClassVar[Marks] = Marks()

    def __init__(
        self,
        app: App,
        *,
        guard: Guard,
        name: str = DEFAULT,
        protect: Literal["all", "marked"] | None = None,
        public: Iterable[str] = (),
    ) -> None:
        if protect not in {"all", "marked", None}:
            raise ValueError("protect is 'all' or 'marked'")
        self.app = app
        self.guard = guard
        self.name = name
        self._protects_all = (protect or guard.config.routes.protect) == "all"
        self._public = PathList(public)
        self._no_store = guard.config.routes.no_store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        if scope["type"] not in _REQUESTS:
            await self._pass_on(scope, receive, send)
            return
        outcome = self._known(scope) if _CALLERS in scope else None
        if outcome is None:
            found = self.guard.identified(AsgiView(scope))
            outcome = found if isinstance(found, Outcome) else await arun(found)
            self._note(scope, outcome)
        sender = Sender(send, private=outcome.principal is not None and self._no_store)
        try:
            if outcome.principal is None and self._protects_all and not self._is_open(scope):
                scope[_SPEAKER] = self.guard
                self.guard.permit(outcome, AsgiView(scope))
            await self.app(scope, receive, sender)
        except Refusal as refusal:
            await sender.refuse(scope, refusal, reply_to(scope, refusal))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nobody is behind the server's own start and stop; what else there may be is no API."""
        if scope["type"] != "lifespan":
            raise ValueError(f"a scope of type {scope['type']!r} cannot be guarded")
        await self.app(scope, receive, send)

    def _known(self, scope: Scope) -> Outcome | None:
        """What this guard has found already, as one that stands further out."""
        guard, outcome = scope[_CALLERS].get(self.name, (None, None))
        return outcome if guard is self.guard else None

    def _note(self, scope: Scope, outcome: Outcome) -> None:
        """Put an outcome where handlers, and guards behind this one, look for it."""
        scope.setdefault(_CALLERS, {})[self.name] = self.guard, outcome
        if self.name == DEFAULT or "user" not in scope:
            _introduce(scope, self.guard, outcome.principal)

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if path in self.guard.public_paths or path in self._public:
            return True
        routes = routes_below(self.app)
        return routes is not None and self.marks.admit(routes, scope, self.name)


def _introduce(scope: Scope, guard: Guard, principal: Principal | None) -> None:
    """Put the caller where a framework's users look for it."""
    scope[_SPEAKER] = guard
    scope["user"] = principal or _ANONYMOUS
    scope["auth"] = Credentials(principal)
    scope.setdefault("state", {})["principal"] = principal


def scope_of(connection: Connection) -> Scope:
    """The ASGI scope of a request, a WebSocket, or of itself."""
    if isinstance(connection, dict):  # as servers have it
        return connection
    scope: Scope | None = getattr(connection, "scope", None)
    return cast(Scope, connection) if scope is None else scope


def current_principal(connection: Connection) -> Principal | None:
    """The verified caller of a request, a WebSocket, or an ASGI scope; None without one.

    Where an application has several guards, it is the caller whom the route's `require` asked
    for, else the caller as the guard named `default` sees it.

    Raises:
        RuntimeError: the middleware is not installed.
    """
    scope = scope_of(connection)
    if _CALLERS not in scope:
        raise _not_installed(DEFAULT)
    principal: Principal | None = scope["state"]["principal"]
    return principal


def guard_of(connection: Connection) -> Guard:
    """The guard that decided about a request: the one of the route's `require`, or the default.

    Raises:
        RuntimeError: the middleware is not installed.
    """
    try:
        guard: Guard = scope_of(connection)[_SPEAKER]
    except KeyError:
        raise _not_installed(DEFAULT) from None
    return guard


def authorize(
    connection: Connection,
    requirement: Requirement | None = None,
    *,
    guard: str = DEFAULT,
    optional: bool = False,
    bad_token: BadToken = "refuse",
) -> Principal | None:
    """Ask that a request may proceed; what `require` does, for applications without routes.

    Args:
        connection: a request, a WebSocket, or an ASGI scope.
        requirement: what is asked of the caller besides being verified.
        guard: the name of the guard that decides.
        optional: whether callers without a token may proceed too, as None.
        bad_token: where optional, whether a bad token is refused or counts as none.

    Raises:
        Refusal: it may not. The middleware answers it.
        RuntimeError: the middleware is not installed.
    """
    scope = scope_of(connection)
    asked, outcome = _caller(scope, guard)
    scope[_SPEAKER] = asked
    principal = asked.permit(
        outcome, AsgiView(scope), requirement, optional=optional, bad_token=bad_token
    )
    if principal is not scope["state"].get("principal"):
        _introduce(scope, asked, principal)
    return principal


def reply_to(connection: Connection, refusal: Refusal) -> Reply:
    """What the caller is told of a refusal, by the guard that decided.

    Raises:
        RuntimeError: the middleware is not installed.
    """
    return guard_of(connection).reply(refusal)


def _caller(scope: Scope, name: str) -> _Caller:
    try:
        caller: _Caller = scope[_CALLERS][name]
    except KeyError:
        raise _not_installed(name) from None
    return caller


def _not_installed(name: str) -> RuntimeError:
    return RuntimeError(
        f"no guard named {name!r} has seen this request: add JWTGuardMiddleware to the application"
    )

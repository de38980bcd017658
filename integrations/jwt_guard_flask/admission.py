"""Who sent the current request, and whether it may proceed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn, cast

from flask import Request, Response, abort, current_app, g, request
from werkzeug.local import LocalProxy

from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard, Outcome
from jwt_guard.http import Reply, WsgiView
from jwt_guard.marks import Rule
from jwt_guard.principal import Principal
from jwt_guard.routes import PathList

__all__ = [
    "Installed",
    "Memo",
    "admit",
    "current_principal",
    "keep_private",
    "memo_of_request",
    "refused",
    "response_of",
    "welcome",
]

_MEMO = "jwt_guard_memo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One guard of one application.

    Attributes:
        guard: the guard.
        public: the application's public paths, besides those of the guard's configuration.
        protect: whether `all` or only `marked` views ask for a caller.
        rule: what a view without a mark asks.
    """

    guard: Guard
    public: PathList
    protect: str
    rule: Rule

    def protects(self, view: WsgiView) -> bool:
        """Whether a path without a mark of its own asks for a caller."""
        path, mount = view.path, view.mount
        return self.protect == "all" and not (
            self.guard.public_paths.covers(path, mount) or self.public.covers(path, mount)
        )


@dataclass(slots=True)
class Memo:
    """What is known about one request. Kept on it, for `g` outlives it in some tests.

    Flask's proxies cost about as much as the guard does, so they are asked once.

    Attributes:
        request: the request itself.
        guards: the application's guards by name.
        view: the request as the core sees it.
        outcomes: what the guards found, by name.
        asked: the guard that was asked last.
    """

    request: Request
    guards: Mapping[str, Installed]
    view: WsgiView
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    asked: str | None = None


def _installed() -> Mapping[str, Installed]:
    """The guards of the current application by name.

    Raises:
        RuntimeError: it has none.
    """
    try:
        return cast(Mapping[str, Installed], current_app.extensions["jwt_guard"])
    except KeyError:
        raise RuntimeError("this application has no guard: call JWTGuard(app)") from None


def memo_of_request() -> Memo:
    """What is known about the current request.

    Raises:
        RuntimeError: the application has no guard.
    """
    current = _current_request()
    memo = cast(Memo | None, current.__dict__.get(_MEMO))
    if memo is None:
        view = WsgiView(current.environ, current.view_args)
        memo = current.__dict__[_MEMO] = Memo(current, _installed(), view)
    return memo


def _current_request() -> Request:
    """The request itself: each question to the proxy would look for it anew."""
    current: Request = request._get_current_object()  # type: ignore[attr-defined]
    return current


def welcome(memo: Memo) -> None:
    """Put the default guard's caller, if any, into the context."""
    g.principal = _outcome(memo, "default").principal if "default" in memo.guards else None


def admit(memo: Memo, rule: Rule) -> None:
    """Let the current request proceed, with its caller in the context.

    Raises:
        Refusal: it may not.
        RuntimeError: the application has no such guard.
    """
    outcome = _outcome(memo, rule.guard)
    memo.asked = rule.guard
    g.principal = memo.guards[rule.guard].guard.permit(
        outcome,
        memo.view,
        rule.requirement,
        optional=rule.optional,
        bad_token=rule.bad_token,
    )


def refused(refusal: Refusal) -> Response:
    """What the caller is told, by the guard that was asked last."""
    memo = memo_of_request()
    asked = memo.asked or next(iter(memo.guards))
    return response_of(memo.guards[asked].guard.reply(refusal))


def response_of(reply: Reply) -> Response:
    """A reply of the core as a response of Flask."""
    return Response(reply.body, status=reply.status, headers=list(reply.headers))


def keep_private(response: Response) -> Response:
    """Keep an answer to a verified caller out of caches, unless it says otherwise itself."""
    memo = cast(Memo | None, _current_request().__dict__.get(_MEMO))
    if memo is not None and "Cache-Control" not in response.headers and _is_private(memo):
        response.headers["Cache-Control"] = "no-store"
    return response


def _is_private(memo: Memo) -> bool:
    for name, outcome in memo.outcomes.items():
        if outcome.principal is not None and memo.guards[name].guard.config.routes.no_store:
            return True
    return False


def stop(refusal: Refusal) -> NoReturn:
    """End the request with the refusal's answer, past every error handler."""
    abort(refused(refusal))


def _outcome(memo: Memo, name: str) -> Outcome:
    known = memo.outcomes.get(name)
    if known is not None:
        return known
    if name not in memo.guards:
        raise RuntimeError(f"this application has no guard {name!r}: call JWTGuard(app, name=...)")
    found = memo.outcomes[name] = run(memo.guards[name].guard.identify(memo.view))
    return found


def _current_principal() -> Principal:
    try:
        return cast(Principal, g.principal)
    except AttributeError:
        raise RuntimeError("no guard has seen this request: call JWTGuard(app)") from None


current_principal: Principal = LocalProxy(_current_principal)  # type: ignore[assignment]
"""The caller, where one is required; elsewhere see `g.principal`, which may be None."""

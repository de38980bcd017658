"""Who sent the current request, and whether it may proceed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import msgspec
from flask import Flask, Request, Response, abort, current_app, g, request
from werkzeug.datastructures import Headers
from werkzeug.local import LocalProxy

from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard, Outcome
from jwt_guard.http import Reply, WsgiView
from jwt_guard.marks import Rule
from jwt_guard.principal import Principal
from jwt_guard.routes import PathList

__all__ = [
    "Guards",
    "Installed",
    "Memo",
    "admit",
    "current_application",
    "current_principal",
    "current_request",
    "keep_private",
    "memo_of",
    "memo_of_request",
    "refused",
    "response_of",
    "welcome",
]

_MEMO = "jwt_guard_memo"

# What Flask's proxies stand for now, found once; each question to a proxy finds it again.
current_request: Callable[[], Request] = request._get_current_object  # type: ignore[attr-defined]
current_application: Callable[[], Flask] = current_app._get_current_object  # type: ignore[attr-defined]
_context: Callable[[], Any] = g._get_current_object


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One guard of one application.

    Attributes:
        guard: the guard.
        public: the paths that the guard's configuration or the application names public.
        protect: whether `all` or only `marked` views ask for a caller.
        rule: what a view without a mark asks.
    """

    guard: Guard
    public: tuple[PathList, ...]
    protect: str
    rule: Rule

    def opens(self, view: WsgiView) -> bool:
        """Whether a path is named public."""
        path = view.route_path
        for listed in self.public:  # noqa: SIM110 - `any` and its generator take longer
            if path in listed:
                return True
        return False


class Guards(dict[str, Installed]):
    """The guards of one application by name."""

    def __init__(self) -> None:
        super().__init__()
        self._asking: list[Rule] = []
        self._look_at_paths = False

    def add(self, installed: Installed) -> None:
        """Install one more."""
        self[installed.rule.guard] = installed
        asking = [one for one in self.values() if one.protect == "all"]
        self._asking = [one.rule for one in asking]
        self._look_at_paths = any(one.public for one in asking)

    def asking(self, view: WsgiView) -> list[Rule]:
        """What they ask of a request whose view says nothing of itself."""
        if not self._look_at_paths:
            return self._asking
        return [rule for rule in self._asking if not self[rule.guard].opens(view)]


class Memo(msgspec.Struct):
    """What is known about one request. Kept on it, for `g` outlives it in some tests.

    It does not lead back to the request: Flask frees those at once, without the collector.

    Attributes:
        guards: the application's guards by name.
        view: the request as the core sees it.
        outcomes: what the guards found, by name.
        asked: the guard that was asked last.
        private: whether the answer is for a verified caller, and so for no cache.
    """

    guards: Guards
    view: WsgiView
    outcomes: dict[str, Outcome] = {}
    asked: str | None = None
    private: bool = False


def memo_of_request() -> Memo:
    """What is known about the current request.

    Raises:
        RuntimeError: the application has no guard.
    """
    current = current_request()
    known: Memo | None = getattr(current, _MEMO, None)
    return known or memo_of(current, _installed(current_application()))


def memo_of(current: Request, guards: Guards) -> Memo:
    """What is known about a request of an application with these guards."""
    memo: Memo | None = getattr(current, _MEMO, None)
    if memo is None:
        memo = Memo(guards, WsgiView(current.environ, current.view_args))
        setattr(current, _MEMO, memo)
    return memo


def _installed(app: Flask) -> Guards:
    try:
        installed: Guards = app.extensions["jwt_guard"]
    except KeyError:
        raise RuntimeError("this application has no guard: call JWTGuard(app)") from None
    return installed


def welcome(memo: Memo) -> None:
    """Put the default guard's caller, if any, into the context."""
    known = "default" in memo.guards
    _context().principal = _outcome(memo, "default").principal if known else None


def admit(memo: Memo, rule: Rule) -> None:
    """Let the current request proceed, with its caller in the context.

    Raises:
        Refusal: it may not.
        RuntimeError: the application has no such guard.
    """
    outcome = _outcome(memo, rule.guard)
    memo.asked = rule.guard
    _context().principal = memo.guards[rule.guard].guard.permit(
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
    response = Response(reply.body, status=reply.status)
    response.headers = Headers(reply.headers)  # without a type for what has no body
    return response


def keep_private(response: Response) -> Response:
    """Keep an answer to a verified caller out of caches, unless it says otherwise itself."""
    memo: Memo | None = getattr(current_request(), _MEMO, None)
    if memo is None or not memo.private:
        return response
    for name, _ in response.headers:  # to ask the headers for one by name takes longer
        if name.lower() == "cache-control":
            return response
    response.headers.add("Cache-Control", "no-store")
    return response


def stop(refusal: Refusal) -> NoReturn:
    """End the request with the refusal's answer, past every error handler."""
    abort(refused(refusal))


def _outcome(memo: Memo, name: str) -> Outcome:
    known = memo.outcomes.get(name)
    if known is not None:
        return known
    if name not in memo.guards:
        raise RuntimeError(f"this application has no guard {name!r}: call JWTGuard(app, name=...)")
    guard = memo.guards[name].guard
    found = guard.identified(memo.view)
    outcome = memo.outcomes[name] = found if isinstance(found, Outcome) else run(found)
    if outcome.principal is not None and guard.config.routes.no_store:
        memo.private = True
    return outcome


def _current_principal() -> Principal:
    try:
        return cast(Principal, g.principal)
    except AttributeError:
        raise RuntimeError("no guard has seen this request: call JWTGuard(app)") from None


current_principal: Principal = LocalProxy(_current_principal)  # type: ignore[assignment]
"""The caller, where one is required; elsewhere see `g.principal`, which may be None."""

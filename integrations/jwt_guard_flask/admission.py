"""Who sent the current request, and whether it may proceed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, cast

from flask import Response, abort, current_app, g, request
from werkzeug.local import LocalProxy

from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from jwt_guard.guard import BadToken, Guard, Outcome
from jwt_guard.http import Reply, WsgiView
from jwt_guard.principal import Principal
from jwt_guard.requirements import Requirement
from jwt_guard.routes import PathList

__all__ = [
    "Installed",
    "Rule",
    "admit",
    "current_principal",
    "current_view",
    "installed",
    "refused",
    "response_of",
    "welcome",
]

_MEMO = "jwt_guard_memo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a view asks of its caller; the fields are `require`'s arguments."""

    requirement: Requirement | None = None
    guard: str = "default"
    optional: bool = False
    bad_token: BadToken = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One guard of one application."""

    guard: Guard
    public: PathList
    protect: str

    def protects(self, path: str) -> bool:
        """Whether a path without a mark of its own asks for a caller."""
        return self.protect == "all" and not (
            path in self.guard.public_paths or path in self.public
        )


@dataclass(slots=True)
class _Memo:
    """What is known about one request. Kept on it, for `g` outlives it in some tests."""

    outcomes: dict[str, Outcome]
    asked: str | None = None


def installed() -> Mapping[str, Installed]:
    """The guards of the current application by name.

    Raises:
        RuntimeError: it has none.
    """
    try:
        return cast(Mapping[str, Installed], current_app.extensions["jwt_guard"])
    except KeyError:
        raise RuntimeError("this application has no guard: call JWTGuard(app)") from None


def current_view() -> WsgiView:
    """The current request as the core sees it."""
    return WsgiView(request.environ, request.view_args)


def welcome() -> None:
    """Put the default guard's caller, if any, into the context."""
    g.principal = _outcome("default").principal if "default" in installed() else None


def admit(rule: Rule) -> None:
    """Let the current request proceed, with its caller in the context.

    Raises:
        Refusal: it may not.
        RuntimeError: the application has no such guard.
    """
    _memo().asked = rule.guard
    g.principal = _named(rule.guard).guard.permit(
        _outcome(rule.guard),
        current_view(),
        rule.requirement,
        optional=rule.optional,
        bad_token=rule.bad_token,
    )


def refused(refusal: Refusal) -> Response:
    """What the caller is told, by the guard that was asked last."""
    guards = installed()
    asked = _memo().asked or next(iter(guards))
    return response_of(guards[asked].guard.reply(refusal))


def response_of(reply: Reply) -> Response:
    """A reply of the core as a response of Flask."""
    return Response(reply.body, status=reply.status, headers=list(reply.headers))


def stop(refusal: Refusal) -> NoReturn:
    """End the request with the refusal's answer, past every error handler."""
    abort(refused(refusal))


def _memo() -> _Memo:
    memo = cast(_Memo | None, getattr(request, _MEMO, None))
    if memo is None:
        memo = _Memo({})
        setattr(request, _MEMO, memo)
    return memo


def _named(name: str) -> Installed:
    guards = installed()
    if name not in guards:
        raise RuntimeError(f"this application has no guard {name!r}: call JWTGuard(app, name=...)")
    return guards[name]


def _outcome(name: str) -> Outcome:
    outcomes = _memo().outcomes
    if name not in outcomes:
        outcomes[name] = run(_named(name).guard.identify(current_view()))
    return outcomes[name]


def _current_principal() -> Principal:
    try:
        return cast(Principal, g.principal)
    except AttributeError:
        raise RuntimeError("no guard has seen this request: call JWTGuard(app)") from None


current_principal: Principal = LocalProxy(_current_principal)  # type: ignore[assignment]
"""The caller, where one is required; elsewhere see `g.principal`, which may be None."""

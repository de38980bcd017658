"""Marks on views: what they ask, or that they ask nothing."""

from collections.abc import Callable
from functools import lru_cache, wraps
from types import FunctionType
from typing import Any, NamedTuple, TypeVar, overload

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import method_decorator

from jwt_guard.errors import Refusal
from jwt_guard.guard import BadToken
from jwt_guard.marks import (
    Mark,
    Rule,
    as_handler,
    is_public,
    marks_on,
    public,
    put_rule,
    rules_among,
)
from jwt_guard.requirements import Requirement
from jwt_guard_django.admission import aadmit, admit, refused

__all__ = ["Said", "require", "said_by"]

V = TypeVar("V", bound=Callable[..., Any])

# The sender chooses the method: others are not remembered, or they could push the views' out.
_USUAL = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@overload
def require(requirement: V, /) -> V: ...
@overload
def require(
    requirement: Requirement | None = None,
    *,
    guard: str = "default",
    optional: bool = False,
    bad_token: BadToken = "refuse",
) -> Callable[[V], V]: ...
def require(
    requirement: Any = None,
    *,
    guard: str = "default",
    optional: bool = False,
    bad_token: BadToken = "refuse",
) -> Any:
    """Let only callers into a view who are verified and meet a requirement.

    Goes on functions and methods, sync or async, on a class-based view, and into
    `method_decorator`. Bare `@require` asks for any verified caller.

    Args:
        requirement: what is asked besides being verified.
        guard: the name of the guard that is asked.
        optional: whether callers without a token may enter too.
        bad_token: where optional, whether a bad token is refused or counts as none.

    Raises:
        TypeError: the view is marked as public, or what is given is no requirement.
    """
    if requirement is not None and not isinstance(requirement, Requirement):
        return require()(as_handler(requirement))
    rule = Rule(requirement=requirement, guard=guard, optional=optional, bad_token=bad_token)
    return lambda view: _guarded(view, rule)


def _guarded(view: Any, rule: Rule) -> Any:
    if isinstance(view, type):
        return method_decorator(lambda method: _guarded(method, rule), name="dispatch")(view)
    is_async = iscoroutinefunction(view)  # pyright: ignore[reportDeprecated]
    guarded = _guarded_async if is_async else _guarded_sync
    return put_rule(view, guarded(view, rule), rule)


def _guarded_sync(view: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        request = _request_of(args)
        try:
            admit(request, rule)
        except Refusal as refusal:
            return refused(request, refusal)
        return view(*args, **kwargs)

    return guarded


def _guarded_async(view: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    @wraps(view)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        request = _request_of(args)
        try:
            await aadmit(request, rule)
        except Refusal as refusal:
            return refused(request, refusal)
        return await view(*args, **kwargs)

    return guarded


def _request_of(args: tuple[Any, ...]) -> HttpRequest:
    for argument in args[:2]:
        request = getattr(argument, "_request", argument)  # as REST framework wraps it
        if isinstance(request, HttpRequest):
            return request
    raise RuntimeError("require() goes on views and their methods: none of these has a request")


class Said(NamedTuple):
    """What a view says of itself, by its marks.

    Attributes:
        rules: what it asks, in order.
        is_open: whether it is marked as public.
    """

    rules: tuple[Rule, ...]
    is_open: bool


def said_by(view: Any, method: str) -> Said | None:
    """What a view says for a method, if anything; remembered of functions, for usual methods."""
    if isinstance(view, FunctionType) and method in _USUAL:
        return _remembered(view, method)
    return _said_by(view, method)


def _said_by(view: Any, method: str) -> Said | None:
    marks = _marks_of(view, method)
    return Said(tuple(rules_among(marks)), is_public(marks)) if marks else None


_remembered = lru_cache(maxsize=4096)(_said_by)


def _marks_of(view: Any, method: str) -> list[Mark]:
    """The marks of a view for a method, outermost first; `login_not_required` says public too.

    Not so for views of REST framework, which says it of all of its own.
    """
    rest_class = getattr(view, "cls", None)
    view_class = rest_class or getattr(view, "view_class", None)
    found = marks_on(view)
    if view_class is not None:
        found += marks_on(view_class) + _method_marks(view, view_class, method.lower())
    if rest_class is None and not getattr(view, "login_required", True):
        found += _LOGIN_NOT_REQUIRED
    return found


def _method_marks(view: Any, view_class: Any, method: str) -> list[Mark]:
    """The marks of the method that answers; where OPTIONS and HEAD are not its own, of GET."""
    if method not in view_class.http_method_names:
        return []
    names = getattr(view, "actions", None) or {}  # a view set of REST framework
    handler = getattr(view_class, names.get(method, method), None)
    if method in {"head", "options"} and _is_of_framework(handler):
        handler = getattr(view_class, names.get("get", "get"), None)
    return marks_on(handler)


def _is_of_framework(handler: Any) -> bool:
    """Whether no application wrote this method."""
    module = getattr(handler, "__module__", "django")
    return module.partition(".")[0] in {"django", "rest_framework"}


@public
def _open() -> None:
    """Bears the mark that `login_not_required` stands for."""


_LOGIN_NOT_REQUIRED = marks_on(_open)

"""Marks on views: what they ask, or that they ask nothing."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, overload

from flask.views import View

from jwt_guard.errors import Refusal
from jwt_guard.guard import BadToken
from jwt_guard.marks import Mark, Rule, as_handler, marks_on, put_rule
from jwt_guard.requirements import Requirement
from jwt_guard_flask.admission import admit, memo_of_request, stop

__all__ = ["has_methods", "is_served_unguarded", "marks_of", "require"]

_GUARDED_FORM = "__jwt_guard_guarded__"
"""Where a function keeps its guarded form, to be known should it be served itself."""

V = TypeVar("V", bound=Callable[..., Any])


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

    Goes on functions, sync or async, on methods of a `MethodView`, into its `decorators`, and on
    the class itself; below `@app.route`. Bare `@require` asks for any verified caller.

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
    if isinstance(view, type) and issubclass(view, View):
        view.decorators = [*view.decorators, lambda made: _guarded(made, rule)]
        return view
    make = _guarded_async if iscoroutinefunction(view) else _guarded_sync
    guarded = put_rule(view, make(view, rule), rule)
    setattr(view, _GUARDED_FORM, guarded)
    return guarded


def _guarded_sync(view: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        _enforce(rule)
        return view(*args, **kwargs)

    return guarded


def _guarded_async(view: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    @wraps(view)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        _enforce(rule)
        return await view(*args, **kwargs)

    return guarded


def _enforce(rule: Rule) -> None:
    try:
        admit(memo_of_request(), rule)
    except Refusal as refusal:
        stop(refusal)


def marks_of(view: Any, method: str) -> list[Mark]:
    """The marks of a view for a method, outermost first.

    Raises:
        RuntimeError: the view was registered before `require` guarded it.
    """
    if is_served_unguarded(view):
        raise RuntimeError(f"{view!r} is served unguarded: put @require below the route decorator")
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        return marks_on(view)
    return marks_on(view, view_class, _handler(view_class, method))


def is_served_unguarded(view: Any) -> bool:
    """Whether `require` has made a guarded form of a view, which is not the one that is served."""
    return _GUARDED_FORM in vars(view)


def has_methods(view: Any) -> bool:
    """Whether each method of a view may bear marks of its own."""
    return getattr(view, "view_class", None) is not None


def _handler(view_class: type[View], method: str) -> Any:
    """The method that answers; for automatic OPTIONS and HEAD that is GET's."""
    own = getattr(view_class, method.lower(), None)
    if own is None and method in {"HEAD", "OPTIONS"}:
        return getattr(view_class, "get", None)
    return own

"""Marks on views: what they ask, or that they ask nothing."""

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar, overload

from flask.views import View

from jwt_guard.errors import Refusal
from jwt_guard.guard import BadToken
from jwt_guard.requirements import Requirement
from jwt_guard_flask.admission import Rule, admit, memo_of_request, stop

__all__ = ["is_public", "public", "require", "rules_of"]

V = TypeVar("V", bound=Callable[..., Any])

_MARK = "__jwt_guard__"
_PUBLIC: Final = "public"


def public(view: V) -> V:
    """Mark a view, a method of a class-based view, or such a class, as open to everybody.

    A class's subclasses do not inherit the mark.

    Raises:
        TypeError: it has `require` already.
    """
    _refuse_both(view, Rule)
    setattr(view, _MARK, _PUBLIC)
    return view


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
        TypeError: the view is marked as public.
    """
    if requirement is not None and not isinstance(requirement, Requirement):
        return require()(requirement)
    rule = Rule(requirement=requirement, guard=guard, optional=optional, bad_token=bad_token)
    return lambda view: _guarded(view, rule)


def _refuse_both(view: Any, present: type) -> None:
    if isinstance(getattr(view, "__dict__", {}).get(_MARK), present):
        raise TypeError(f"{view!r} is public or has require(), not both")


def _guarded(view: Any, rule: Rule) -> Any:
    if isinstance(view, type) and issubclass(view, View):
        view.decorators = [*view.decorators, lambda made: _guarded(made, rule)]
        return view
    _refuse_both(view, str)
    guarded = _guarded_async(view, rule) if iscoroutinefunction(view) else _guarded_sync(view, rule)
    setattr(guarded, _MARK, rule)
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


def rules_of(view: Any, method: str) -> list[Rule]:
    """What a view asks for a method, outermost first."""
    return [mark for mark in _marks(view, method) if isinstance(mark, Rule)]


def is_public(view: Any, method: str) -> bool:
    """Whether a view is marked as open to everybody. One that also asks for a caller is not."""
    marks = list(_marks(view, method))
    return bool(marks) and all(mark == _PUBLIC for mark in marks)


def _marks(view: Any, method: str) -> Iterator[Any]:
    view_class = getattr(view, "view_class", None)
    places = [view]
    if view_class is not None:
        places += [view_class, _handler(view_class, method)]
    # Only what stands on the thing itself: a subclass of a public class is not public.
    marks = (vars(place).get(_MARK) for place in places if place is not None)
    return (mark for mark in marks if mark is not None)


def _handler(view_class: type[View], method: str) -> Any:
    """The method that answers; for automatic OPTIONS and HEAD that is GET's."""
    own = getattr(view_class, method.lower(), None)
    if own is None and method in {"HEAD", "OPTIONS"}:
        return getattr(view_class, "get", None)
    return own

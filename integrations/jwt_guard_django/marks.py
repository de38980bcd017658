"""Marks on views: what they ask, or that they ask nothing."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final, TypeVar, overload

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import method_decorator

from jwt_guard.errors import Refusal
from jwt_guard.flow import arun, run
from jwt_guard.guard import BadToken
from jwt_guard.requirements import Requirement
from jwt_guard_django.admission import Rule, admit, refused

__all__ = ["is_public", "public", "require", "rules_of"]

V = TypeVar("V", bound=Callable[..., Any])

_MARK = "__jwt_guard__"
_PUBLIC: Final = "public"


def public(view: V) -> V:
    """Mark a view, a method of a class-based view, or such a class, as open to everybody.

    A class's subclasses do not inherit the mark. Django's `login_not_required` says the same.

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

    Goes on functions and methods, sync or async, on a class-based view, and into
    `method_decorator`. Bare `@require` asks for any verified caller.

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
    if isinstance(view, type):
        return method_decorator(lambda method: _guarded(method, rule), name="dispatch")(view)
    _refuse_both(view, str)
    is_async = iscoroutinefunction(view)  # pyright: ignore[reportDeprecated]
    guarded = _guarded_async(view, rule) if is_async else _guarded_sync(view, rule)
    setattr(guarded, _MARK, rule)
    return guarded


def _guarded_sync(view: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        request = _request_of(args)
        try:
            run(admit(request, rule))
        except Refusal as refusal:
            return refused(request, refusal)
        return view(*args, **kwargs)

    return guarded


def _guarded_async(view: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    @wraps(view)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        request = _request_of(args)
        try:
            await arun(admit(request, rule))
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


def rules_of(view: Any, method: str) -> list[Rule]:
    """What a view asks for a method, outermost first."""
    return [mark for mark in _marks(view, method) if isinstance(mark, Rule)]


def is_public(view: Any, method: str) -> bool:
    """Whether a view is marked as open to everybody. One that also asks for a caller is not."""
    marks = list(_marks(view, method))
    if not getattr(view, "login_required", True):
        marks.append(_PUBLIC)
    return bool(marks) and all(mark == _PUBLIC for mark in marks)


def _marks(view: Any, method: str) -> Iterator[Any]:
    yield from _mark(view)
    view_class = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if view_class is not None:
        yield from _mark(view_class)
        yield from _method_marks(view, view_class, method.lower())


def _method_marks(view: Any, view_class: Any, method: str) -> Iterator[Any]:
    """The marks of the method that answers; OPTIONS and HEAD follow GET."""
    if method not in view_class.http_method_names:
        return
    names = getattr(view, "actions", None) or {}  # a view set of REST framework
    found = list(_mark(getattr(view_class, names.get(method, method), None)))
    if not found and method in {"head", "options"}:
        found = list(_mark(getattr(view_class, names.get("get", "get"), None)))
    yield from found


def _mark(place: Any) -> Iterator[Any]:
    # Only what stands on the thing itself: a subclass of a public class is not public.
    mark = getattr(place, "__dict__", {}).get(_MARK)
    if mark is not None:
        yield mark

"""Which handlers proceed without a good token, although all are protected by default.

A handler carries a mark. Whoever has no good token is refused unless the route that answers the
request is found beforehand and its handler is marked; a good token never needs this search.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

__all__ = ["PUBLIC", "Mark", "Marks", "mark", "mark_of", "public", "routes_below"]

H = TypeVar("H")

_ATTRIBUTE: Final = "__jwt_guard__"
_DEEPEST: Final = 100


@dataclass(frozen=True, slots=True)
class Mark:
    """What a handler says of itself.

    Attributes:
        guard: the name of the guard that it asks by itself; None if it asks none.
        optional: whether it answers callers without a token too.
    """

    guard: str | None = None
    optional: bool = False

    def admits(self, guard: str) -> bool:
        """Whether a guard of this name lets everybody through to the handler."""
        return self.optional or self.guard != guard


PUBLIC: Final = Mark()


def public(handler: H) -> H:
    """Mark a handler that everybody may call: a function, a class-based endpoint, a mounted app.

    Raises:
        TypeError: it has `require` already, or cannot bear a mark.
    """
    present = mark_of(handler)
    if present is not None and present.guard is not None:
        raise TypeError(f"{handler!r} is public or has require(), not both")
    return mark(handler, PUBLIC)


def mark(handler: H, value: Mark) -> H:
    """Put a mark on a handler.

    Raises:
        TypeError: it has no place for one.
    """
    bearer = handler.__func__ if inspect.ismethod(handler) else handler
    try:
        setattr(bearer, _ATTRIBUTE, value)
    except AttributeError:
        raise TypeError(f"{handler!r} cannot be marked: wrap it in a function") from None
    return handler


def mark_of(handler: object, method: str | None = None) -> Mark | None:
    """The mark that a handler bears itself; a class or an instance inherits none.

    Args:
        handler: what a route calls.
        method: the request's method, for classes that have a function for each.
    """
    while isinstance(handler, partial):
        handler = handler.func
    if inspect.ismethod(handler):
        handler = handler.__func__
    found = getattr(handler, "__dict__", {}).get(_ATTRIBUTE)
    if found is None and method is not None and inspect.isclass(handler):
        return _mark_of_method(handler, method)
    return found if isinstance(found, Mark) else None


def _mark_of_method(endpoint: type[Any], method: str) -> Mark | None:
    name = "get" if method == "HEAD" and not hasattr(endpoint, "head") else method.lower()
    function = getattr(endpoint, name, None)
    return mark_of(function) if inspect.isfunction(function) else None


def routes_below(app: object) -> Iterable[Any] | None:
    """The routes of the router that an application ends in, behind any middleware."""
    for _ in range(_DEEPEST):
        router = app.__self__ if inspect.ismethod(app) else app
        routes = getattr(router, "routes", None)
        if isinstance(routes, list):
            return routes
        app = getattr(router, "app", None)
    return None


class Marks:
    """Finds the marks of the route that will answer a request, by the router's own matching.

    Where anything is unclear (no router known, no route, the wrong method, an exception from a
    matching route) there are no marks, and the request is refused.
    """

    def admit(self, routes: Iterable[Any], scope: Mapping[str, Any], guard: str) -> bool:
        """Whether the route's handler lets everybody through a guard of this name."""
        try:
            found = self._marks(routes, scope)
        except Exception:  # noqa: BLE001 - a convertor of theirs; in doubt, refuse
            return False
        return bool(found) and all(each.admits(guard) for each in found)

    def _marks(self, routes: Iterable[Any], scope: Mapping[str, Any]) -> list[Mark]:
        for route in self.candidates(routes):
            match, found = route.matches(dict(scope))
            if match.name == "FULL":
                inside = {**scope, **found}
                return self.marks_of(route, inside) or self._marks_below(inside)
        return []

    def _marks_below(self, scope: Mapping[str, Any]) -> list[Mark]:
        endpoint = scope.get("endpoint")
        is_handler = inspect.isroutine(endpoint) or inspect.isclass(endpoint)
        routes = None if is_handler else routes_below(endpoint)
        return [] if routes is None else self._marks(routes, scope)

    def candidates(self, routes: Iterable[Any]) -> Iterator[Any]:
        """The routes in the order in which the router tries them."""
        yield from routes

    def marks_of(self, route: Any, scope: Mapping[str, Any]) -> list[Mark]:
        """The marks of a route that matched.

        Args:
            route: the route.
            scope: the scope as its handler would see it.
        """
        found = mark_of(scope.get("endpoint"), scope.get("method"))
        return [] if found is None else [found]

"""The middleware, with an eye for FastAPI's routers and dependencies."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from jwt_guard_asgi import middleware
from jwt_guard_asgi.marks import Mark, Marks, mark_of

__all__ = ["JWTGuardMiddleware"]


class FastAPIMarks(Marks):
    """Finds marks on endpoints, and on the `require` among a route's dependencies."""

    def candidates(self, routes: Iterable[Any]) -> Iterator[Any]:
        """See `Marks`. Newer versions of FastAPI keep an included router in one piece."""
        for route in routes:
            included = getattr(route, "effective_route_contexts", None)
            if included is None:
                yield route
            else:
                yield from included()

    def marks_of(self, route: Any, scope: Mapping[str, Any]) -> list[Mark]:
        """See `Marks`."""
        below = getattr(route, "starlette_route", None) or route
        return super().marks_of(route, scope) + _marks_among(getattr(below, "dependant", None))


def _marks_among(dependant: Any) -> list[Mark]:
    """The marks of all dependencies of a route, and of theirs."""
    found = []
    for each in dependant.dependencies if dependant is not None else ():
        own = mark_of(each.call)
        found += [] if own is None else [own]
        found += _marks_among(each)
    return found


class JWTGuardMiddleware(middleware.JWTGuardMiddleware):
    """See `jwt_guard_asgi.JWTGuardMiddleware`."""

    marks: ClassVar[Marks] = FastAPIMarks()

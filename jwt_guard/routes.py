"""Paths named public: where no caller is asked for."""

from collections.abc import Iterable

__all__ = ["PathList"]

_VARIABLE = frozenset("<>{}")
"""By these, frameworks write the variable parts of routes; a listed path has none."""
_ODD = ("//", "/./", "/../", "\\", "%", ";", "\x00")


class PathList:
    """Paths by name: `/health` is that path alone, `/static/*` is all below it.

    A path that anybody between the caller and the handler could read in two ways (doubled or
    escaped slashes, dot segments) is never on the list.

    Raises:
        ValueError: a pattern does not begin with a slash, a star is not its whole last segment, or
            it has a variable part, as routes have.
    """

    __slots__ = ("_exact", "_prefixes")

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        listed = [patterns] if isinstance(patterns, str) else list(patterns)
        for pattern in listed:
            if not pattern.startswith("/") or "*" in pattern.removesuffix("/*"):
                raise ValueError(f"{pattern!r} is no path: write /name, or /name/* for all below")
            if not _VARIABLE.isdisjoint(pattern):
                raise ValueError(
                    f"{pattern!r} is a route, and no path: write whole paths, or /name/* for all"
                    " below"
                )
        self._exact = frozenset(p for p in listed if not p.endswith("*"))
        self._prefixes = tuple(p[:-1] for p in listed if p.endswith("*"))

    def __contains__(self, path: str) -> bool:
        if path in self._exact:
            return True
        return bool(self._prefixes) and path.startswith(self._prefixes) and not _is_odd(path)

    def __bool__(self) -> bool:
        return bool(self._exact or self._prefixes)


def _is_odd(path: str) -> bool:
    return path.endswith(("/.", "/..")) or any(mark in path for mark in _ODD)

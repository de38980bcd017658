"""How a configuration is read: declared fields, and every mistake reported at once.

A section is a frozen dataclass whose fields are made by `setting`. `read_section` takes a mapping
apart by these declarations and collects a `Problem` for each key that is unknown, missing, of a
wrong type or unsafe. The reference in the documentation is written from the same declarations.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Final, TypeVar

from jwt_guard.errors import Problem

__all__ = [
    "Mistake",
    "Reader",
    "boolean",
    "choice",
    "integer",
    "names",
    "paths",
    "read_section",
    "seconds",
    "section",
    "sections",
    "setting",
    "some_of",
    "table",
    "text",
]

S = TypeVar("S")


class Mistake(Exception):
    """A value that a reader refuses."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


Problems = list[Problem]
Reader = Callable[[Any], Any]
"""From a raw value to the value of a field, or a `Mistake`."""


@dataclass(frozen=True, slots=True)
class _Nested:
    """A section, or a list of sections, below this one."""

    section: type[Any]
    many: bool


def setting(
    reader: Reader,
    doc: str,
    *,
    default: Any = MISSING,
    factory: Callable[[], Any] | None = None,
    secret: bool = False,
) -> Any:
    """Declare a field: how it is read, what it is for, and its default (required without one).

    One that may hold a secret is left out where the section is printed.
    """
    metadata = {"read": reader, "doc": doc}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


def section(kind: type[Any], doc: str, *, optional: bool = False) -> Any:
    """Declare a table. An absent one is None if optional, else made of its defaults."""
    factory = (lambda: None) if optional else kind
    return field(default_factory=factory, metadata={"nested": _Nested(kind, False), "doc": doc})


def sections(kind: type[Any], doc: str) -> Any:
    """Declare a list of tables; an absent one is empty."""
    return field(default=(), metadata={"nested": _Nested(kind, True), "doc": doc})


def read_section(kind: type[S], raw: Any, path: str, problems: Problems) -> S | None:
    """A section from a raw mapping, or what can be read of it: a broken value is its default.

    Args:
        kind: the dataclass of the section. A method `problems(path, sound)` of it, if there is
            one, reports what is wrong between its fields; `sound` has the names of those that
            are as they were meant. A field `at`, if there is one, receives the path.
        raw: the mapping as it came.
        path: where it stands, empty at the top.
        problems: receives every mistake.

    Returns:
        The section; None where something is broken that has no default.
    """
    if not isinstance(raw, Mapping):
        problems.append(_problem(path, "is not a table", f"write it as [{path}]"))
        return None
    known = {f.name: f for f in fields(kind) if f.metadata}  # type: ignore[arg-type]
    problems.extend(_unknown(raw, known, path))
    values, sound = _values(known, raw, path, problems)
    if any(value is _LACKING for value in values.values()):
        return None
    place = {"at": path} if any(f.name == "at" for f in fields(kind)) else {}  # type: ignore[arg-type]
    made = kind(**values, **place)
    between = getattr(made, "problems", None)
    problems.extend(between(path, sound) if between else ())
    return made


_LACKING: Final = object()
"""A value that is broken or missing, and has no default."""


def _values(
    known: Mapping[str, Field[Any]], raw: Mapping[str, Any], path: str, problems: Problems
) -> tuple[dict[str, Any], set[str]]:
    """The values of all fields, and the names of those without a mistake."""
    values, sound = {}, set()
    for name, field_ in known.items():
        before = len(problems)
        values[name] = _value(field_, raw, _join(path, name), problems)
        if len(problems) == before:
            sound.add(name)
    return values, sound


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _problem(path: str, message: str, remedy: str) -> Problem:
    return Problem(path=path or "(top)", message=message, remedy=remedy)


def _unknown(raw: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Problems:
    return [
        _problem(_join(path, str(name)), "is not a setting", _suggestion(str(name), known))
        for name in raw
        if name not in known
    ]


def _suggestion(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"one of {', '.join(sorted(known))}"


def _value(f: Field[Any], raw: Mapping[str, Any], path: str, problems: Problems) -> Any:
    if f.name not in raw:
        if _default(f) is _LACKING:
            problems.append(_problem(path, "is missing", f"set it: {f.metadata['doc']}"))
        return _default(f)
    nested: _Nested | None = f.metadata.get("nested")
    if nested is not None:
        read = _read_nested(nested, raw[f.name], path, problems)
        return _default(f) if read is None else read
    try:
        return f.metadata["read"](raw[f.name])
    except Mistake as mistake:
        problems.append(_problem(path, mistake.message, mistake.remedy))
        return _default(f)


def _default(f: Field[Any]) -> Any:
    if f.default_factory is not MISSING:
        return f.default_factory()
    return _LACKING if f.default is MISSING else f.default


def _read_nested(nested: _Nested, raw: Any, path: str, problems: Problems) -> Any:
    if not nested.many:
        return read_section(nested.section, raw, path, problems)
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        problems.append(_problem(path, "is not a list of tables", f"write each as [[{path}]]"))
        return None
    read = [
        read_section(nested.section, entry, f"{path}[{place}]", problems)
        for place, entry in enumerate(raw)
    ]
    return tuple(entry for entry in read if entry is not None)


# Readers


def _kind(value: Any) -> str:
    kinds = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "a table" if isinstance(value, Mapping) else "something else")


def text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise Mistake(_not_filled(value), "write text in quotes")
    if not _is_unicode(value):
        raise Mistake("holds half of a character", "write Unicode text")
    return value


def _not_filled(value: Any) -> str:
    """What is wrong with a value that should be text, or a list, and not be empty."""
    filled = value.strip() if isinstance(value, str) else value
    is_empty = isinstance(value, str | list | tuple) and not filled
    return "is empty" if is_empty else f"is {_kind(value)}"


def _is_unicode(value: str) -> bool:
    """Whether it can be written down: Python's text may hold halves of characters."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def boolean(value: Any) -> bool:
    """`true` or `false`, nothing that resembles them."""
    if not isinstance(value, bool):
        raise Mistake(f"is {_kind(value)}", "write true or false")
    return value


def integer(least: int, most: int) -> Reader:
    """A whole number within bounds, both included."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Mistake("is not a number in range", f"write a whole number, {least} to {most}")
        return value

    return read


def seconds(least: float, most: float) -> Reader:
    """A number of seconds within bounds, both included."""

    def read(value: Any) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not least <= value <= most:
            bounds = f"{least:.12g} to {most:.12g}"
            raise Mistake("is not a time in range", f"write seconds, {bounds}")
        return float(value)

    return read


def choice(*allowed: str) -> Reader:
    """One of these names."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise Mistake("is not one of the choices", f"write one of {', '.join(allowed)}")
        return value

    return read


def some_of(*allowed: str) -> Reader:
    """One or several of these names."""

    def read(value: Any) -> tuple[str, ...]:
        listed = names(value)
        if not {*listed} <= {*allowed}:
            raise Mistake("holds what is not one of the choices", f"choose {', '.join(allowed)}")
        return listed

    return read


def names(value: Any) -> tuple[str, ...]:
    """One name, or a list of names."""
    listed = [text(value)] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not listed:
        raise Mistake(_not_filled(value), "write a name or a list of names")
    try:
        return tuple(text(name) for name in listed)
    except Mistake:
        raise Mistake("holds something that is no name", "write names in quotes") from None


def paths(value: Any) -> tuple[str | tuple[str, ...], ...]:
    """One path of a claim as text, or a list of paths, each as `path` takes it."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not listed:
        raise Mistake(_not_filled(value), 'write a name, or a list as in ["roles"]')
    return tuple(path(entry) for entry in listed)


def path(value: Any) -> str | tuple[str, ...]:
    """The path of one claim: a name, names joined by dots, or a list of names."""
    return text(value) if isinstance(value, str) else names(value)


def table(reader: Reader) -> Reader:
    """A table of names to values that the reader takes."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Mistake(f"is {_kind(value)}", "write a table")
        return {text(name): reader(entry) for name, entry in value.items()}

    return read

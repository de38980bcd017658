"""What a handler says of itself: which guard it asks and what for, or that it asks nobody.

Adapters put the marks on and read them where their framework has matched a route.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from jwt_guard.guard import BadToken
from jwt_guard.requirements import Requirement

__all__ = [
    "Mark",
    "Rule",
    "as_handler",
    "is_public",
    "marks_on",
    "public",
    "put_rule",
    "rules_among",
]

H = TypeVar("H", bound=Callable[..., Any])

_ATTRIBUTE: Final = "__jwt_guard__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a handler asks of its caller; the fields are the arguments of `require`.

    Attributes:
        requirement: what is asked besides being verified.
        guard: the name of the guard that is asked.
        optional: whether callers without a token may enter too.
        bad_token: where optional, whether a bad token is refused or counts as none.

    Raises:
        TypeError: what is asked is no requirement.
    """

    requirement: Requirement | None = None
    guard: str = "default"
    optional: bool = False
    bad_token: BadToken = "refuse"

    def __post_init__(self) -> None:
        if not isinstance(self.requirement, Requirement | None):
            raise _no_requirement(self.requirement)


@dataclass(frozen=True, slots=True)
class _Public:
    """Says that a handler asks nobody."""


Mark = Rule | _Public


def as_handler(given: H) -> H:
    """What bare `@require` stands on.

    Raises:
        TypeError: it is no handler, but a name, or a requirement that lacks its parentheses.
    """
    if not callable(given) or getattr(given, "__module__", None) == Requirement.__module__:
        raise _no_requirement(given)
    return given


def _no_requirement(given: Any) -> TypeError:
    return TypeError(f"what is asked of a caller is a requirement, as role('admin'); not {given!r}")


def public(handler: H) -> H:
    """Mark a handler, a method of a class of handlers, or such a class, as open to everybody.

    A class's subclasses do not inherit the mark.

    Raises:
        TypeError: it has `require` already.
    """
    _refuse_both(handler, Rule)
    setattr(handler, _ATTRIBUTE, _Public())
    return handler


def put_rule(handler: Any, guarded: H, rule: Rule) -> H:
    """Mark the guarded form of a handler with its rule.

    Raises:
        TypeError: the handler is marked as public.
    """
    _refuse_both(handler, _Public)
    setattr(guarded, _ATTRIBUTE, rule)
    return guarded


def _refuse_both(handler: Any, present: type[Mark]) -> None:
    if any(isinstance(mark, present) for mark in marks_on(handler)):
        raise TypeError(f"{handler!r} is public or has require(), not both")


def marks_on(*places: Any) -> list[Mark]:
    """The marks that these bear themselves: a subclass of a public class is not public."""
    found = []
    for place in places:
        mark = getattr(place, "__dict__", {}).get(_ATTRIBUTE)
        if mark is not None:
            found.append(mark)
    return found


def rules_among(marks: Iterable[Mark]) -> list[Rule]:
    """What is asked, in order."""
    return [mark for mark in marks if isinstance(mark, Rule)]


def is_public(marks: Iterable[Mark]) -> bool:
    """Whether there are marks, and none of them asks for a caller."""
    listed = list(marks)
    return bool(listed) and not rules_among(listed)

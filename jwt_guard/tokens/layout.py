"""How one issuer spells its claims, learnt from tokens that were read with care.

An issuer writes its claims in one order and of the same types. A payload that follows is decoded by
C code into a type of just that order; what is encoded again byte for byte held every name once and
nothing else. That takes a third of the time of the careful way, which is taken for whatever is
spelt otherwise: a layout decides how fast an answer is found, never which.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from jwt_guard.tokens.compact import encode_json, is_plain

__all__ = ["MOST_NAMES", "Claim", "Layout", "Learner", "Names", "Number", "struct_of"]

_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

Number = int | float
"""A boolean, which Python takes for a number, is none for msgspec."""

Names = tuple[str, ...] | str
"""Text, or a list of text."""

_STRICTER: dict[Any, Any] = {Number: _Integer | float}
"""Longer integers are read with care."""

MOST_NAMES = 64
_MOST_LAYOUTS = 8
"""Some issuers know no order; after so many attempts, their tokens are read with care for good."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as a type has it.

    Attributes:
        name: its name.
        attribute: the attribute that holds it.
        kind: its type.
        absent: what the attribute is without it; `msgspec.NODEFAULT` where it is required.
    """

    name: str
    attribute: str
    kind: Any
    absent: Any = msgspec.UNSET


class Layout:
    """Reads payloads that follow one layout.

    Args:
        claims: all that may be there, in their order.
        watched: names that somebody looks for among all claims.

    Attributes:
        names: the names of the claims.
        is_watched: whether there may be one that somebody looks for.
    """

    __slots__ = ("_decode", "_is_flat", "is_watched", "names")

    def __init__(self, claims: tuple[Claim, ...], watched: frozenset[str]) -> None:
        self.names = frozenset(claim.name for claim in claims)
        self.is_watched = not watched.isdisjoint(self.names)
        self._decode = msgspec.json.Decoder(struct_of(claims, closed=True)).decode
        self._is_flat = all(claim.kind is not Any for claim in claims)

    def read(self, payload: bytes) -> Any:
        """The claims as attributes; None for a payload that does not follow the layout."""
        try:
            claims = self._decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        if encode_json(claims) == payload and (self._is_flat or is_plain(payload)):
            return claims
        return None


class Learner:
    """Learns the layout of an issuer's tokens.

    Args:
        known: the claims whose types are given.
        watched: see `Layout`.
        learns: whether it does. It must not where a profile renames claims: the payload then spells
            them otherwise than the examples.

    Attributes:
        layout: what was learnt last; None before the first token.
    """

    __slots__ = ("_known", "_left", "_seen", "_watched", "layout")

    def __init__(
        self,
        known: Mapping[str, Claim],
        watched: frozenset[str] = frozenset(),
        *,
        learns: bool = True,
    ) -> None:
        self.layout: Layout | None = None
        self._known = known
        self._watched = watched
        self._seen: dict[str, Any] = {}
        self._left = _MOST_LAYOUTS if learns else 0

    def learn(self, claims: Mapping[str, Any], payload: bytes) -> None:
        """Take a payload that was read with care for an example.

        What other examples had is remembered, for an issuer leaves out what does not apply. Threads
        that learn at once forget what one of them saw, and no more.
        """
        if not self._left or len(claims) > MOST_NAMES or encode_json(claims) != payload:
            return
        self._left -= 1
        before = self._seen
        kinds = {name: _joined(_kind_of(v), before.get(name)) for name, v in claims.items()}
        others = {name: kind for name, kind in before.items() if name not in kinds}
        seen = kinds | others if len(kinds) + len(others) <= MOST_NAMES else kinds
        self._seen = seen
        try:
            self.layout = Layout(tuple(self._claims(seen)), self._watched)
        except ValueError:  # a name that has to be escaped
            self._left = 0

    def _claims(self, seen: Mapping[str, Any]) -> Iterator[Claim]:
        """The claims that were seen, in their order, and then those that were not."""
        for at, name in enumerate(dict.fromkeys([*seen, *self._known])):
            known = self._known.get(name)
            if known is None:
                yield Claim(name, f"other_{at}", seen[name])
            else:
                kind = seen.get(name) if known.kind is Any else known.kind
                yield replace(known, kind=_STRICTER.get(kind, kind))


def _kind_of(value: Any) -> Any:
    if type(value) is list and all(type(member) is str for member in value):
        return tuple[str, ...]
    return {str: str, bool: bool, int: _Integer}.get(type(value), Any)


def _joined(kind: Any, before: Any) -> Any:
    return kind if before is None or before == kind else Any


@lru_cache(maxsize=256)
def struct_of(claims: tuple[Claim, ...], *, closed: bool = False) -> type[msgspec.Struct]:
    """A type of these claims, shared, for thousands of tenants may look alike.

    Args:
        claims: the claims, in their order.
        closed: whether there may be no others.
    """
    fields = [(each.attribute, each.kind, msgspec.field(default=each.absent)) for each in claims]
    return msgspec.defstruct(
        "Claims",
        fields,
        rename={each.attribute: each.name for each in claims},
        kw_only=True,
        gc=False,
        omit_defaults=True,
        forbid_unknown_fields=closed,
    )

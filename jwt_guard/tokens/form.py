"""Which claims a token of one issuer has, of which types, and where its names stand.

Compiled once, into a type that C code converts the claims to: what is missing or of a wrong type
never gets any further.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from jwt_guard.errors import Reason, Refusal
from jwt_guard.tokens.profiles import MISSING, ClaimPath

__all__ = ["Form", "Known", "Names"]

_NOTHING: frozenset[str] = frozenset()
_NO_NAME = frozenset({""})
_ABSENT: Any = None


class Known(msgspec.Struct, kw_only=True, gc=False):
    """The claims whose types the standards fix; an absent one is None, null is a wrong type.

    A boolean, which Python takes for a number, is none here.
    """

    iss: str
    sub: str
    exp: int | float
    jti: str = _ABSENT
    client_id: str = _ABSENT
    azp: str = _ABSENT
    sid: str = _ABSENT
    acr: str = _ABSENT
    token_type: str = _ABSENT
    typ: str = _ABSENT
    nbf: int | float = _ABSENT
    iat: int | float = _ABSENT
    auth_time: int | float = _ABSENT


_STANDARD = {claim.name: claim.type for claim in msgspec.structs.fields(Known)}

Claims = dict[str, Any]
Names = Callable[[Known, Claims], frozenset[str]]
"""Finds names. Raises `claim_invalid` for what is neither text nor a list of text."""

_OfText = Callable[[str], frozenset[str]]


class Form:
    """What the claims of one issuer's tokens look like.

    Args:
        required: the claims that must be there, in the order in which they are missed.
        audience: the claim that names whom a token is for.
        roles, scopes, permissions: where these stand.

    Attributes:
        audience: finds whom a token is for, text or a set of texts.
        roles, scopes, permissions: find these.
    """

    def __init__(
        self,
        *,
        required: tuple[str, ...],
        audience: str,
        roles: Sequence[ClaimPath],
        scopes: Sequence[ClaimPath],
        permissions: Sequence[ClaimPath],
    ) -> None:
        named = {path.plain for path in (*roles, *scopes, *permissions) if _is_plain(path)}
        self._type = _type_of(required, frozenset({*named, audience}))
        self.audience = _attribute(self._type, audience)
        self.roles = self._names(roles, spaced=False)
        self.scopes = self._names(scopes, spaced=True)
        self.permissions = self._names(permissions, spaced=False)

    def read(self, claims: Claims) -> Known:
        """The claims, of the right types.

        Raises:
            Refusal: `claim_missing` or `claim_invalid`.
        """
        try:
            return msgspec.convert(claims, self._type)
        except msgspec.ValidationError:
            raise _refusal(self._type, claims) from None

    def _names(self, paths: Sequence[ClaimPath], *, spaced: bool) -> Names:
        """What finds the names of all these places. Text is a list only where spaces separate."""
        of_text = _words if spaced else _none
        finds = [self._names_at(path, of_text) for path in paths]
        if len(finds) == 1:
            return finds[0]
        return lambda known, claims: _NOTHING.union(*(find(known, claims) for find in finds))

    def _names_at(self, path: ClaimPath, of_text: _OfText) -> Names:
        if not _is_plain(path):
            return lambda known, claims: _found_names(path, claims, of_text)
        attribute = _attribute(self._type, str(path.plain))

        def names(known: Known, claims: Claims) -> frozenset[str]:
            value = attribute(known)
            return value if type(value) is frozenset else of_text(value)

        return names


def _is_plain(path: ClaimPath) -> bool:
    """Whether the type of the claims can hold the names that stand there."""
    return path.plain is not None and path.plain not in _STANDARD


@cache
def _type_of(required: tuple[str, ...], names: frozenset[str]) -> type[Known]:
    """The type of claims of which some are required and some are text or lists of text."""
    types = dict.fromkeys([*required, *sorted(names)], Any)
    types |= dict.fromkeys(names, frozenset[str] | str) | _STANDARD
    attributes = {
        name: name if name in _STANDARD else f"claim_{at}" for at, name in enumerate(types)
    }
    made: Any = msgspec.defstruct(
        "Claims",
        [
            (attribute, types[name]) if name in required else (attribute, types[name], _NOTHING)
            for name, attribute in attributes.items()
            if name in required or name not in _STANDARD
        ],
        bases=(Known,),
        rename={attribute: name for name, attribute in attributes.items()},
        kw_only=True,
        gc=False,
    )
    kind: type[Known] = made
    return kind


def _attribute(kind: type[Known], name: str) -> Callable[[Known], Any]:
    """What reads the claim of that name."""
    fields = msgspec.structs.fields(kind)
    return attrgetter(next(claim.name for claim in fields if claim.encode_name == name))


def _refusal(kind: type[Known], claims: Claims) -> Refusal:
    """Why the claims are not of that type."""
    fields = msgspec.structs.fields(kind)
    for claim in fields:
        if claim.required and claim.encode_name not in claims:
            return Refusal(Reason.CLAIM_MISSING, claim=claim.encode_name)
    for claim in fields:
        if claim.encode_name in claims and not _is_of(claims[claim.encode_name], claim.type):
            return Refusal(Reason.CLAIM_INVALID, claim=claim.encode_name)
    return Refusal(Reason.CLAIM_INVALID)


def _is_of(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _found_names(path: ClaimPath, claims: Claims, of_text: _OfText) -> frozenset[str]:
    value = path.find(claims)
    if value is MISSING:
        return _NOTHING
    if type(value) is str:
        return of_text(value)
    if type(value) is list and all(type(name) is str for name in value):
        return frozenset(value)
    raise Refusal(Reason.CLAIM_INVALID, claim=path.text)


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    # Most tokens of an application grant one of a few combinations, which so are kept once.
    names = frozenset(text.split(" "))
    return names - _NO_NAME if "" in names else names


def _none(text: str) -> frozenset[str]:
    return _NOTHING

"""Which claims a token of one issuer has, of which types, and where its names stand.

Compiled once, into a type that C code converts the claims to: what is missing or of a wrong type
never gets any further.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, cast

import msgspec

from jwt_guard.errors import Reason, Refusal
from jwt_guard.tokens.compact import decode_json, decode_object
from jwt_guard.tokens.layout import Claim, Learner, Names, Number, struct_of
from jwt_guard.tokens.profiles import MISSING, ClaimPath, Profile

__all__ = ["Claims", "Form", "Grants", "Known"]

_NOTHING: frozenset[str] = frozenset()
_ABSENT: Any = None


class Known(msgspec.Struct, kw_only=True, gc=False):
    """The claims whose types the standards fix; an absent one is None, null is a wrong type.

    Of `cnf` nothing but its presence counts; it is `msgspec.UNSET` where it is absent.
    """

    iss: str
    sub: str
    exp: Number
    jti: str = _ABSENT
    client_id: str = _ABSENT
    azp: str = _ABSENT
    sid: str = _ABSENT
    acr: str = _ABSENT
    token_type: str = _ABSENT
    typ: str = _ABSENT
    nbf: Number = _ABSENT
    iat: Number = _ABSENT
    auth_time: Number = _ABSENT
    cnf: Any = msgspec.UNSET


_STANDARD = {
    claim.name: Claim(claim.name, claim.name, claim.type, claim.default)
    for claim in msgspec.structs.fields(Known)
}

_ESCAPED = re.compile(r'["\\\x00-\x1f]')

_OTHER = Claim("", "", Any, _ABSENT)

Claims = dict[str, Any]

Grants = tuple[frozenset[str], frozenset[str], frozenset[str]]
"""Roles, scopes, permissions."""

_Names = tuple[str, ...] | str

_NO_CLAIMS: Claims = {}


class Form:
    """What the claims of one issuer's tokens look like.

    Args:
        profile: the kind of token.
        roles, scopes, permissions: where these stand.
        tenant: where the tenant stands.

    Attributes:
        marks: the claims that may tell of another kind of token.
        audience: finds whom a token is for: text, several texts, or None.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        roles: Sequence[ClaimPath] = (),
        scopes: Sequence[ClaimPath] = (),
        permissions: Sequence[ClaimPath] = (),
        tenant: ClaimPath | None = None,
    ) -> None:
        self._places = (*roles, *scopes, *permissions)
        self._scopes_from = len(roles)
        self._permissions_from = len(roles) + len(scopes)
        self._tenant = tenant
        self._claims = _typed(profile, self._places, tenant)
        self._type = struct_of(tuple(self._claims.values()))
        self._standardised = profile.standardised if profile.renamed else None
        self.marks = profile.absent.union(profile.fixed)
        self._learner = Learner(self._claims, self.marks, learns=not profile.renamed)
        self.audience = attrgetter(self._claims[profile.audience].attribute)
        places = (*self._places, *([tenant] if tenant is not None else []))
        self._attribute = {
            path: self._claims[str(path.plain)].attribute for path in places if _is_plain(path)
        }
        self._names = tuple(str(path.plain) for path in self._places if path in self._attribute)
        self._tenant_at = self._attributes([tenant] if tenant is not None else [])
        self._grants_at = self._attributes(self._places) if len(self._places) > 1 else None
        self._looks_deeper = not all(path in self._attribute for path in places)

    def _attributes(self, places: Sequence[ClaimPath]) -> Callable[[Known], Any] | None:
        """What reads all these places, where the type of the claims can hold what stands there."""
        if not places or not all(path in self._attribute for path in places):
            return None
        return attrgetter(*(self._attribute[path] for path in places))

    def read(self, payload: bytes) -> tuple[Known, Claims]:
        """The claims whose types are given, and all of them where more may be asked for.

        Raises:
            Refusal: `token_malformed`, `claim_missing` or `claim_invalid`.
        """
        layout = self._learner.layout
        known: Known | None = None if layout is None else layout.read(payload)
        if layout is None or known is None:
            return self._read_with_care(payload)
        if self._looks_deeper or layout.is_watched:
            return known, decode_json(payload)
        return known, _NO_CLAIMS

    def _read_with_care(self, payload: bytes) -> tuple[Known, Claims]:
        claims = decode_object(payload)
        if self._standardised is not None:
            claims = self._standardised(claims)
        claims = self._without_nested_grants(claims)
        try:
            known = cast(Known, msgspec.convert(claims, self._type))
        except msgspec.ValidationError:
            raise _refusal(self._claims.values(), claims) from None
        self._learner.learn(claims, payload)
        return known, claims

    def _without_nested_grants(self, claims: Claims) -> Claims:
        """The claims, with nothing where something nested stands where names belong.

        It resembles a role and is none (F12), which says nothing against the rest of the token.
        """
        nested = {name: () for name in self._names if _is_nested(claims.get(name))}
        return {**claims, **nested} if nested else claims

    def grants(self, known: Known, claims: Claims) -> Grants:
        """The roles, scopes and permissions that a token names.

        Raises:
            Refusal: `claim_invalid`, for what is no name, no list of names, and nothing nested.
        """
        if self._grants_at is not None:
            found = self._grants_at(known)
        else:
            found = tuple(self._found(path, known, claims) for path in self._places)
        return _grants(found, self._scopes_from, self._permissions_from)

    def tenant(self, known: Known, claims: Claims) -> str | None:
        """The tenant that a token is for, if any.

        Raises:
            Refusal: `claim_invalid`, for what is no text.
        """
        if self._tenant_at is not None:
            value = self._tenant_at(known)
            if value is None:
                return None
        elif self._tenant is None or (value := self._tenant.find(claims)) is MISSING:
            return None
        if type(value) is not str or not value:
            raise Refusal(Reason.CLAIM_INVALID, claim="tenant")
        return value

    def _found(self, path: ClaimPath, known: Known, claims: Claims) -> _Names | None:
        value = self._value(path, known, claims)
        if value is MISSING or _is_nested(value):
            return None
        if type(value) is str or type(value) is tuple:
            return value
        if type(value) is list and all(type(name) is str for name in value):
            return tuple(value)
        raise Refusal(Reason.CLAIM_INVALID, claim=path.text)

    def _value(self, path: ClaimPath, known: Known, claims: Claims) -> Any:
        attribute = self._attribute.get(path)
        if attribute is None:
            return path.find(claims)
        value = getattr(known, attribute)
        return MISSING if value is None else value


def _is_nested(value: Any) -> bool:
    """Whether it is an object, or a list with lists or objects in it."""
    return type(value) is dict or (
        type(value) is list and any(type(member) in {dict, list} for member in value)
    )


def _is_plain(path: ClaimPath) -> bool:
    """Whether the type of the claims can hold what stands there: no name that JSON escapes."""
    name = path.plain
    return name is not None and name not in _STANDARD and not _ESCAPED.search(name)


def _typed(
    profile: Profile, places: Iterable[ClaimPath], tenant: ClaimPath | None
) -> dict[str, Claim]:
    """The claims whose types are given, and those that must be there whatever they are."""
    kinds: dict[str, Any] = dict.fromkeys(profile.required, Any)
    if tenant is not None and _is_plain(tenant):
        kinds[str(tenant.plain)] = str
    names = [profile.audience, *(str(path.plain) for path in places if _is_plain(path))]
    kinds |= dict.fromkeys(names, Names)
    kinds |= {name: claim.kind for name, claim in _STANDARD.items()}
    return {
        name: Claim(
            name,
            name if name in _STANDARD else f"claim_{at}",
            kind,
            msgspec.NODEFAULT if name in profile.required else _STANDARD.get(name, _OTHER).absent,
        )
        for at, (name, kind) in enumerate(kinds.items())
    }


def _refusal(known: Iterable[Claim], claims: Claims) -> Refusal:
    """Why the claims are not of these types."""
    for claim in known:
        if claim.absent is msgspec.NODEFAULT and claim.name not in claims:
            return Refusal(Reason.CLAIM_MISSING, claim=claim.name)
    for claim in known:
        if claim.name in claims and not _is_of(claims[claim.name], claim.kind):
            return Refusal(Reason.CLAIM_INVALID, claim=claim.name)
    return Refusal(Reason.CLAIM_INVALID)


def _is_of(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


@lru_cache(maxsize=1024)
def _grants(found: tuple[_Names | None, ...], scopes: int, permissions: int) -> Grants:
    """The names that stand at several places.

    Most tokens of an application grant one of a few combinations, which so are kept once.

    Args:
        found: roles, scopes, permissions, each at one place or several.
        scopes: where scopes begin; in them alone, spaces separate.
        permissions: where permissions begin.
    """
    return (
        _NOTHING.union(*map(_listed, found[:scopes])),
        _NOTHING.union(*map(_spaced, found[scopes:permissions])),
        _NOTHING.union(*map(_listed, found[permissions:])),
    )


def _listed(found: _Names | None) -> Iterable[str]:
    return found if isinstance(found, tuple) else ()


def _spaced(found: _Names | None) -> Iterable[str]:
    return filter(None, found.split(" ")) if isinstance(found, str) else found or ()

"""Who is calling: the immutable thing that a handler sees."""

from functools import cached_property
from typing import Any, NoReturn

import msgspec

__all__ = ["Principal", "ReadOnlyDict", "ReadOnlyList", "read_only"]


_decode_json = msgspec.json.Decoder().decode


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise TypeError("verified claims are read-only")


class ReadOnlyDict(dict[str, Any]):
    """A JSON object that stays as it was verified: a dict for every reader, with no writer."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type["ReadOnlyDict"], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)

    def __deepcopy__(self, memo: object) -> "ReadOnlyDict":
        return self


class ReadOnlyList(list[Any]):
    """A JSON array that stays as it was verified."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[type["ReadOnlyList"], tuple[list[Any]]]:
        return type(self), (list(self),)

    def __deepcopy__(self, memo: object) -> "ReadOnlyList":
        return self


def read_only(value: Any) -> Any:
    """The same JSON value with every object and array in it read-only."""
    kind = type(value)
    if kind is dict:
        return ReadOnlyDict({name: read_only(member) for name, member in value.items()})
    if kind is list:
        return ReadOnlyList([read_only(member) for member in value])
    return value


class Principal(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A verified caller. Made by the guard alone; it and all that it holds are read-only.

    Attributes:
        subject: `sub`, unique only together with `issuer` (RFC 7519 section 4.1.2).
        issuer: `iss`, one of the issuers of the configuration.
        roles: the roles that the token names, without those that the hierarchy implies.
        scopes: the granted scopes (RFC 6749 section 3.3).
        permissions: the granted permissions, where the profile knows such a claim.
        tenant: the tenant that the token is for, if any.
        client_id: the OAuth client that obtained the token, if it says so.
        token_id: `jti`.
        session_id: `sid`.
        issued_at: `iat`, seconds since 1970 UTC.
        expires_at: `exp`, seconds since 1970 UTC.
        authenticated_at: `auth_time`, seconds since 1970 UTC.
        acr: the authentication context class (RFC 9068 section 2.2.1).
        is_bound: whether the token names a key whose proof must come with it (`cnf`, RFC 7800).
        payload: the claims as they were signed, a JSON object.
    """

    subject: str
    issuer: str
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    tenant: str | None = None
    client_id: str | None = None
    token_id: str | None = None
    session_id: str | None = None
    issued_at: float | None = None
    expires_at: float
    authenticated_at: float | None = None
    acr: str | None = None
    is_bound: bool = False
    payload: bytes

    @cached_property
    def claims(self) -> ReadOnlyDict:
        """All verified claims, read-only; taken from the payload when first asked for."""
        claims: ReadOnlyDict = read_only(_decode_json(self.payload))
        return claims

    def __repr__(self) -> str:
        return f"Principal(subject={self.subject!r}, issuer={self.issuer!r})"

    def __hash__(self) -> int:
        return hash((self.issuer, self.subject, self.token_id, self.expires_at))

    @property
    def is_authenticated(self) -> bool:
        """Always true: what Django, Starlette and their templates ask of a user."""
        return True

    @property
    def is_anonymous(self) -> bool:
        """Always false."""
        return False

    @property
    def display_name(self) -> str:
        """The subject: what Starlette asks of a user."""
        return self.subject

    @property
    def identity(self) -> str:
        """Issuer and subject in one string, a caller's only safe key (ASVS V10.3.3)."""
        return f"{self.issuer}#{self.subject}"

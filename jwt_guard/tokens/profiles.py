"""What kinds of access token there are: how each says its type, and where its claims stand.

A profile is a frozen value. Rules of different kinds exclude each other (RFC 8725bis 3.12), so
that an ID token or a refresh token of the same issuer never passes for an access token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LEGACY", "MISSING", "RFC9068", "ClaimPath", "Profile"]

MISSING = object()
"""What a path answers where nothing stands; null is something."""


class ClaimPath:
    """Where a claim stands.

    A string is first taken as the name of a claim as it is (`https://example.test/roles`,
    `cognito:groups`) and else as names joined by dots (`realm_access.roles`). A sequence of
    names is taken as it is, for names that hold dots themselves.

    Attributes:
        text: how it reads in a log.
        plain: the name of the one claim that can stand there, or None for a path into claims.
    """

    __slots__ = ("_name", "_steps", "plain", "text")

    def __init__(self, path: str | Sequence[str]) -> None:
        nested = path.split(".") if isinstance(path, str) else list(path)
        self.text = path if isinstance(path, str) else "/".join(path)
        self._name = path if isinstance(path, str) else None
        self._steps = tuple(nested) if len(nested) > 1 or self._name is None else ()
        self.plain = nested[0] if len(nested) == 1 else None

    def find(self, claims: Mapping[str, Any]) -> Any:
        """The value there, or `MISSING`."""
        if self._name is not None and self._name in claims:
            return claims[self._name]
        return self._walk(claims) if self._steps else MISSING

    def _walk(self, claims: Mapping[str, Any]) -> Any:
        value: Any = claims
        for step in self._steps:
            if not isinstance(value, Mapping) or step not in value:
                return MISSING
            value = value[step]
        return value

    def __repr__(self) -> str:
        return f"ClaimPath({self.text!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The rules of one kind of access token.

    Attributes:
        name: what a configuration calls it.
        types: the values of `typ` that it may bear, in lower case without `application/`;
            None stands for a token without `typ`.
        required: the claims that must be present.
        audience: the claim that names whom the token is for.
        roles: where roles stand, all of them are joined; `{audience}` as a step stands for each
            name that the API answers to.
        scopes: where scopes stand.
        permissions: where permissions stand.
        tenant: where the tenant stands.
        absent: claims that mark a token of another kind, and so must not be there.
        fixed: claims that, where present, must have one of these values; and those that must
            be present with one of these values stand in `required` too.
        renamed: standard claims that stand under another name: `{"client_id": "cid"}`.
        legacy: whether `check` reports it as weaker than RFC 9068.
    """

    name: str
    types: frozenset[str | None]
    required: tuple[str, ...]
    audience: str = "aud"
    roles: tuple[str | tuple[str, ...], ...] = ("roles",)
    scopes: tuple[str | tuple[str, ...], ...] = ("scope",)
    permissions: tuple[str | tuple[str, ...], ...] = ("permissions",)
    tenant: str | tuple[str, ...] | None = "tenant"
    absent: frozenset[str] = frozenset()
    fixed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    legacy: bool = False

    def standardised(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """The claims with the standard ones under their own names."""
        found = {name: claims[other] for name, other in self.renamed.items() if other in claims}
        return {**claims, **found}


_OF_OTHER_TOKENS = frozenset({"events", "htm", "htu", "at_hash", "c_hash", "s_hash"})
"""Marks of logout and security event tokens, DPoP proofs and ID tokens."""

RFC9068 = Profile(
    name="rfc9068",
    types=frozenset({"at+jwt"}),
    required=("iss", "exp", "aud", "sub", "client_id", "iat", "jti"),
    absent=_OF_OTHER_TOKENS,
)
"""JWT access tokens as RFC 9068 defines them."""

LEGACY = Profile(
    name="legacy",
    types=frozenset({None, "jwt", "at+jwt"}),
    required=("iss", "exp", "aud", "sub"),
    absent=_OF_OTHER_TOKENS | {"nonce"},
    fixed={
        "typ": frozenset({"Bearer", "access"}),
        "token_use": frozenset({"access"}),
        "token_type": frozenset({"access", "Bearer"}),
        "type": frozenset({"access"}),
    },
    legacy=True,
)
"""For providers without `at+jwt`: the type may be missing, so other marks must tell."""

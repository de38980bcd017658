"""From the claims of a token with a right signature to a `Principal`, or a refusal.

Every claim is typed before it is compared. The rules of one issuer are compiled once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import msgspec

from jwt_guard.errors import Reason, Refusal
from jwt_guard.principal import Principal
from jwt_guard.tokens.profiles import MISSING, ClaimPath, Profile

__all__ = ["ClaimRules", "check_times"]

_NOTHING: frozenset[str] = frozenset()
_ABSENT: Any = None


class _Known(msgspec.Struct, kw_only=True, gc=False):
    """The claims whose types the standards fix; an absent one is None, null is a wrong type.

    C code checks the types. A boolean, which Python takes for a number, is none for it.
    """

    iss: str
    sub: str = _ABSENT
    jti: str = _ABSENT
    client_id: str = _ABSENT
    azp: str = _ABSENT
    sid: str = _ABSENT
    acr: str = _ABSENT
    token_type: str = _ABSENT
    typ: str = _ABSENT
    exp: int | float
    nbf: int | float = _ABSENT
    iat: int | float = _ABSENT
    auth_time: int | float = _ABSENT

    @property
    def client(self) -> str | None:
        """RFC 9068 says `client_id`, OpenID Connect `azp`."""
        return self.azp if self.client_id is None else self.client_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """What the tokens of one issuer must say.

    Attributes:
        profile: the kind of token.
        audiences: the names that we answer to; a token is for at least one of them.
        leeway: how far clocks may differ, in seconds.
        max_age: how long after `iat` a token is accepted, in seconds, whatever its `exp`.
        clients: the clients whose tokens are accepted; None for all.
        client_subjects: whether a client may be its own subject (client credentials).
        roles, scopes, permissions, tenant: where these stand.
    """

    profile: Profile
    audiences: frozenset[str]
    leeway: float = 0
    max_age: float | None = None
    clients: frozenset[str] | None = None
    client_subjects: bool = True
    roles: tuple[ClaimPath, ...] = ()
    scopes: tuple[ClaimPath, ...] = ()
    permissions: tuple[ClaimPath, ...] = ()
    tenant: ClaimPath | None = None
    _required: frozenset[str] = field(init=False, repr=False)
    _marks: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_required", frozenset(self.profile.required))
        object.__setattr__(self, "_marks", self.profile.absent.union(self.profile.fixed))

    def principal(self, claims: dict[str, Any], payload: bytes, now: float) -> Principal:
        """The caller that these claims describe.

        Args:
            claims: the decoded payload.
            payload: the payload.
            now: seconds since 1970 UTC.

        Raises:
            Refusal: the first rule that they break.
        """
        if not self._required <= claims.keys():
            self._refuse_incomplete(claims)
        known = _known(claims)
        if not self._marks.isdisjoint(claims):
            self._check_kind(claims)
        check_times(known.exp, known.nbf, now, self.leeway)
        self._check_past(known, now)
        self._check_audience(claims)
        self._check_parties(known)
        return self._build(known, claims, payload)

    def recheck(self, principal: Principal, starts: float | None, now: float) -> None:
        """Whether a token that once passed is still within its time.

        Raises:
            Refusal: `token_expired`, `token_not_yet_valid` or `token_too_old`.
        """
        check_times(principal.expires_at, starts, now, self.leeway)
        if self.max_age is not None:
            self._check_age(principal.issued_at, self.max_age, now)

    def _refuse_incomplete(self, claims: dict[str, Any]) -> None:
        for name in self.profile.required:
            if name not in claims:
                raise Refusal(Reason.CLAIM_MISSING, claim=name)

    def _check_kind(self, claims: dict[str, Any]) -> None:
        for name in self.profile.absent:
            if name in claims:
                raise Refusal(Reason.TOKEN_TYPE_INVALID, claim=name)
        for name, values in self.profile.fixed.items():
            if name in claims and not (type(claims[name]) is str and claims[name] in values):
                raise Refusal(Reason.TOKEN_TYPE_INVALID, claim=name)

    def _check_past(self, known: _Known, now: float) -> None:
        latest = now + self.leeway
        if known.iat is not None and known.iat > latest:
            raise Refusal(Reason.TOKEN_NOT_YET_VALID, claim="iat")
        if known.auth_time is not None and known.auth_time > latest:
            raise Refusal(Reason.TOKEN_NOT_YET_VALID, claim="auth_time")
        if self.max_age is not None:
            self._check_age(known.iat, self.max_age, now)

    def _check_age(self, issued: float | None, max_age: float, now: float) -> None:
        if now >= (issued or 0) + max_age + self.leeway:
            raise Refusal(Reason.TOKEN_TOO_OLD, claim="iat")

    def _check_audience(self, claims: dict[str, Any]) -> None:
        name = self.profile.audience
        stated = claims.get(name)
        if type(stated) is str:
            ours = stated in self.audiences
        elif _is_list_of_text(stated):
            ours = not self.audiences.isdisjoint(stated)
        else:
            raise Refusal(Reason.CLAIM_INVALID, claim=name)
        if not ours:
            raise Refusal(Reason.AUDIENCE_MISMATCH, claim=name)

    def _check_parties(self, known: _Known) -> None:
        subject, client = known.sub, known.client
        if known.azp is not None and known.azp != client:
            raise Refusal(Reason.CLAIM_INVALID, claim="azp")
        if not subject:
            raise Refusal(Reason.CLAIM_INVALID, claim="sub")
        if not self.client_subjects and subject == client:
            raise Refusal(Reason.CLAIM_INVALID, claim="sub")
        if self.clients is not None and client not in self.clients:
            raise Refusal(Reason.CLIENT_NOT_ALLOWED, claim="client_id")

    def _build(self, known: _Known, claims: dict[str, Any], payload: bytes) -> Principal:
        return Principal(
            subject=known.sub,
            issuer=known.iss,
            roles=_names(self.roles, claims, spaced=False),
            scopes=_names(self.scopes, claims, spaced=True),
            permissions=_names(self.permissions, claims, spaced=False),
            tenant=_tenant(self.tenant, claims),
            client_id=known.client,
            token_id=known.jti,
            session_id=known.sid,
            issued_at=known.iat,
            expires_at=known.exp,
            authenticated_at=known.auth_time,
            acr=known.acr,
            payload=payload,
        )


def check_times(expires: float, starts: float | None, now: float, leeway: float) -> None:
    """Whether the token is valid at this moment; both bounds are exact (RFC 7519 section 4.1).

    Raises:
        Refusal: `token_expired` or `token_not_yet_valid`.
    """
    if now >= expires + leeway:
        raise Refusal(Reason.TOKEN_EXPIRED, claim="exp")
    if starts is not None and now < starts - leeway:
        raise Refusal(Reason.TOKEN_NOT_YET_VALID, claim="nbf")


def _known(claims: dict[str, Any]) -> _Known:
    try:
        return msgspec.convert(claims, _Known)
    except msgspec.ValidationError:
        raise Refusal(Reason.CLAIM_INVALID, claim=_first_mistyped(claims)) from None


def _first_mistyped(claims: dict[str, Any]) -> str | None:
    for claim in msgspec.structs.fields(_Known):
        try:
            if claim.name in claims:
                msgspec.convert(claims[claim.name], claim.type)
        except msgspec.ValidationError:
            return claim.name
    return None


def _is_list_of_text(value: Any) -> TypeGuard[list[str]]:
    if type(value) is not list:
        return False
    try:
        "".join(value)  # C code that refuses whatever is no text
    except TypeError:
        return False
    return True


def _names(paths: Iterable[ClaimPath], claims: dict[str, Any], *, spaced: bool) -> frozenset[str]:
    """The names at all the paths. Text is a list only where a standard separates it by spaces.

    Raises:
        Refusal: `claim_invalid`, for anything that is neither text nor a list of text.
    """
    found = _NOTHING
    for path in paths:
        value = path.find(claims)
        if value is MISSING:
            continue
        if type(value) is str:
            found = found.union(value.split(" ")) - {""} if spaced else found
        elif _is_list_of_text(value):
            found = found.union(value)
        else:
            raise Refusal(Reason.CLAIM_INVALID, claim=path.text)
    return found


def _tenant(path: ClaimPath | None, claims: dict[str, Any]) -> str | None:
    value = MISSING if path is None else path.find(claims)
    if value is MISSING:
        return None
    if type(value) is not str or not value:
        raise Refusal(Reason.CLAIM_INVALID, claim="tenant")
    return value

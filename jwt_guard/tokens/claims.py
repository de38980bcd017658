"""From the claims of a token with a right signature to a `Principal`, or a refusal.

Every claim is typed before it is compared. The rules of one issuer are compiled once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from jwt_guard.errors import Reason, Refusal
from jwt_guard.principal import Principal, ReadOnlyDict, read_only
from jwt_guard.tokens.profiles import MISSING, ClaimPath, Profile

__all__ = ["ClaimRules", "check_times"]

_STRINGS = ("iss", "sub", "jti", "client_id", "azp", "sid", "acr", "token_type", "typ")
_NUMBERS = ("exp", "nbf", "iat", "auth_time")
_NOTHING: frozenset[str] = frozenset()


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

    def principal(self, claims: dict[str, Any], now: float) -> Principal:
        """The caller that these claims describe.

        Raises:
            Refusal: the first rule that they break.
        """
        self._check_presence(claims)
        _check_types(claims)
        self._check_kind(claims)
        check_times(claims["exp"], claims.get("nbf"), now, self.leeway)
        self._check_past(claims, now)
        self._check_age(claims.get("iat"), now)
        self._check_audience(claims)
        self._check_parties(claims)
        return self._build(claims)

    def recheck(self, principal: Principal, starts: float | None, now: float) -> None:
        """Whether a token that once passed is still within its time.

        Raises:
            Refusal: `token_expired`, `token_not_yet_valid` or `token_too_old`.
        """
        check_times(principal.expires_at, starts, now, self.leeway)
        self._check_age(principal.issued_at, now)

    def _check_presence(self, claims: dict[str, Any]) -> None:
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

    def _check_past(self, claims: dict[str, Any], now: float) -> None:
        for name in ("iat", "auth_time"):
            if name in claims and claims[name] > now + self.leeway:
                raise Refusal(Reason.TOKEN_NOT_YET_VALID, claim=name)

    def _check_age(self, issued: float | None, now: float) -> None:
        if self.max_age is not None and now >= (issued or 0) + self.max_age + self.leeway:
            raise Refusal(Reason.TOKEN_TOO_OLD, claim="iat")

    def _check_audience(self, claims: dict[str, Any]) -> None:
        name = self.profile.audience
        stated = claims.get(name)
        if type(stated) is str:
            stated = [stated]
        if type(stated) is not list or not all(type(entry) is str for entry in stated):
            raise Refusal(Reason.CLAIM_INVALID, claim=name)
        if self.audiences.isdisjoint(stated):
            raise Refusal(Reason.AUDIENCE_MISMATCH, claim=name)

    def _check_parties(self, claims: dict[str, Any]) -> None:
        subject, client = claims.get("sub"), _client_of(claims)
        if "azp" in claims and claims["azp"] != client:
            raise Refusal(Reason.CLAIM_INVALID, claim="azp")
        if not subject:
            raise Refusal(Reason.CLAIM_INVALID, claim="sub")
        if not self.client_subjects and subject == client:
            raise Refusal(Reason.CLAIM_INVALID, claim="sub")
        if self.clients is not None and client not in self.clients:
            raise Refusal(Reason.CLIENT_NOT_ALLOWED, claim="client_id")

    def _build(self, claims: dict[str, Any]) -> Principal:
        return Principal(
            subject=claims["sub"],
            issuer=claims["iss"],
            roles=_names(self.roles, claims, spaced=False),
            scopes=_names(self.scopes, claims, spaced=True),
            permissions=_names(self.permissions, claims, spaced=False),
            tenant=_tenant(self.tenant, claims),
            client_id=_client_of(claims),
            token_id=claims.get("jti"),
            session_id=claims.get("sid"),
            issued_at=claims.get("iat"),
            expires_at=claims["exp"],
            authenticated_at=claims.get("auth_time"),
            acr=claims.get("acr"),
            claims=_frozen(claims),
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


def _check_types(claims: dict[str, Any]) -> None:
    for name in _STRINGS:
        if name in claims and type(claims[name]) is not str:
            raise Refusal(Reason.CLAIM_INVALID, claim=name)
    for name in _NUMBERS:
        if name in claims and not _is_number(claims[name]):
            raise Refusal(Reason.CLAIM_INVALID, claim=name)


def _is_number(value: Any) -> bool:
    """A JSON number; not a boolean, which Python takes for one."""
    kind = type(value)
    return kind is int or (kind is float and isfinite(value))


def _client_of(claims: Mapping[str, Any]) -> str | None:
    """RFC 9068 says `client_id`, OpenID Connect `azp`."""
    client = claims.get("client_id", claims.get("azp"))
    return client if type(client) is str else None


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
        elif type(value) is list and all(type(name) is str for name in value):
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


def _frozen(claims: dict[str, Any]) -> ReadOnlyDict:
    frozen: ReadOnlyDict = read_only(claims)
    return frozen

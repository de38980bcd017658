"""From the claims of a token with a right signature to a `Principal`, or a refusal."""

from dataclasses import dataclass, field
from math import inf

from msgspec import UNSET

from jwt_guard.errors import Reason, Refusal
from jwt_guard.principal import Principal
from jwt_guard.tokens.form import Claims, Form, Known
from jwt_guard.tokens.profiles import ClaimPath, Profile

__all__ = ["ClaimRules"]


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
        only_tenant: the tenant of all its tokens, whether they name it or none.
        form: what their claims look like.
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
    only_tenant: str | None = None
    form: Form = field(init=False, repr=False)

    def __post_init__(self) -> None:
        form = Form(
            self.profile,
            roles=self.roles,
            scopes=self.scopes,
            permissions=self.permissions,
            tenant=self.tenant,
        )
        object.__setattr__(self, "form", form)

    def principal(self, known: Known, claims: Claims, payload: bytes, now: float) -> Principal:
        """The caller that these claims describe.

        Args:
            known: the claims whose types are given, as the form reads them.
            claims: all of them, where the form says that more may be asked for.
            payload: the payload.
            now: seconds since 1970 UTC.

        Raises:
            Refusal: the first rule that they break.
        """
        form = self.form
        if not form.marks.isdisjoint(claims):
            self._check_kind(claims)
        self._check_times(known, now)
        self._check_audience(form.audience(known))
        # RFC 9068 says `client_id`, OpenID Connect `azp`.
        client = known.azp if known.client_id is None else known.client_id
        self._check_parties(known, client)
        tenant = form.tenant(known, claims)
        if self.only_tenant is not None:
            tenant = self._own(tenant)
        roles, scopes, permissions = form.grants(known, claims)
        return Principal(
            subject=known.sub,
            issuer=known.iss,
            roles=roles,
            scopes=scopes,
            permissions=permissions,
            tenant=tenant,
            client_id=client,
            token_id=known.jti,
            session_id=known.sid,
            issued_at=known.iat,
            expires_at=known.exp,
            authenticated_at=known.auth_time,
            acr=known.acr,
            is_bound=known.cnf is not UNSET,
            payload=payload,
        )

    def _own(self, tenant: str | None) -> str | None:
        """The issuer's own tenant; no issuer speaks for the tenants of others."""
        if tenant is not None and tenant != self.only_tenant:
            raise Refusal(Reason.CLAIM_INVALID, claim="tenant")
        return self.only_tenant

    def lifetime(self, known: Known) -> tuple[float, float]:
        """The moment from which the times of a verified token are right, and that of their end."""
        ends = known.exp
        if self.max_age is not None:
            ends = min(ends, (known.iat or 0) + self.max_age)
        return (-inf if known.nbf is None else known.nbf - self.leeway), ends + self.leeway

    def recheck(self, principal: Principal, now: float) -> None:
        """Whether a token that once passed is still within its time.

        Raises:
            Refusal: `token_expired` or `token_too_old`.
        """
        self._check_end(principal.expires_at, principal.issued_at, now)

    def _check_kind(self, claims: Claims) -> None:
        for name in self.profile.absent:
            if name in claims:
                raise Refusal(Reason.TOKEN_TYPE_INVALID, claim=name)
        for name, values in self.profile.fixed.items():
            if name in claims and not (type(claims[name]) is str and claims[name] in values):
                raise Refusal(Reason.TOKEN_TYPE_INVALID, claim=name)

    def _check_times(self, known: Known, now: float) -> None:
        """Whether the token is valid at this moment; all bounds are exact (RFC 7519 section 4.1).

        Raises:
            Refusal: `token_expired`, `token_too_old` or `token_not_yet_valid`.
        """
        self._check_end(known.exp, known.iat, now)
        latest = now + self.leeway
        if known.nbf is not None and known.nbf > latest:
            raise Refusal(Reason.TOKEN_NOT_YET_VALID, claim="nbf")
        if known.iat is not None and known.iat > latest:
            raise Refusal(Reason.TOKEN_NOT_YET_VALID, claim="iat")
        if known.auth_time is not None and known.auth_time > latest:
            raise Refusal(Reason.TOKEN_NOT_YET_VALID, claim="auth_time")

    def _check_end(self, expires: float, issued: float | None, now: float) -> None:
        earliest = now - self.leeway
        if earliest >= expires:
            raise Refusal(Reason.TOKEN_EXPIRED, claim="exp")
        if self.max_age is not None and earliest >= (issued or 0) + self.max_age:
            raise Refusal(Reason.TOKEN_TOO_OLD, claim="iat")

    def _check_audience(self, stated: tuple[str, ...] | str | None) -> None:
        if type(stated) is str:
            ours = stated in self.audiences
        else:
            ours = not self.audiences.isdisjoint(stated or ())
        if not ours:
            raise Refusal(Reason.AUDIENCE_MISMATCH, claim=self.profile.audience)

    def _check_parties(self, known: Known, client: str | None) -> None:
        subject = known.sub
        if known.azp is not None and known.azp != client:
            raise Refusal(Reason.CLAIM_INVALID, claim="azp")
        if not subject:
            raise Refusal(Reason.CLAIM_INVALID, claim="sub")
        if client == "":
            raise Refusal(Reason.CLAIM_INVALID, claim="client_id")
        if known.jti == "":
            raise Refusal(Reason.CLAIM_INVALID, claim="jti")
        if not self.client_subjects and subject == client:
            raise Refusal(Reason.CLAIM_INVALID, claim="sub")
        if self.clients is not None and client not in self.clients:
            raise Refusal(Reason.CLIENT_NOT_ALLOWED, claim="client_id")

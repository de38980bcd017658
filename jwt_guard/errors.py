"""Everything that this package raises.

Two families, for two readers. `ConfigurationError` speaks to the developer, at start, and lists
every mistake at once. `Refusal` speaks to a stranger, at run time, and says no more than RFC 6750
allows; its exact `reason` is for the audit log.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

__all__ = ["ConfigurationError", "JWTGuardError", "Problem", "Reason", "Refusal"]


class JWTGuardError(Exception):
    """The root of this package's exceptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a configuration.

    Attributes:
        path: where it stands, as in `issuers[0].algorithms`.
        message: what is wrong with it; never a secret's value.
        remedy: what would be right.
    """

    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}; {self.remedy}"


class ConfigurationError(JWTGuardError, ValueError):
    """A configuration cannot be used. `problems` holds every mistake found, in order."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"jwt_guard configuration has {len(problems)} problem(s):\n{lines}")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all refusals of one kind tell the caller."""

    status: int
    error: str | None


_NO_TOKEN = _Kind(401, None)
_BAD_REQUEST = _Kind(400, "invalid_request")
_BAD_TOKEN = _Kind(401, "invalid_token")
_BAD_PROOF = _Kind(401, "invalid_dpop_proof")
_NEEDS_NONCE = _Kind(401, "use_dpop_nonce")
_NEEDS_STEP_UP = _Kind(401, "insufficient_user_authentication")
_DENIED = _Kind(403, "insufficient_scope")
_FORGED = _Kind(403, None)
_BAD_GRANT = _Kind(400, "invalid_grant")
_BAD_SCOPE = _Kind(400, "invalid_scope")
_THROTTLED = _Kind(429, None)
_OUTAGE = _Kind(503, None)


class Reason(StrEnum):
    """Why a request or a token was refused: stable codes for logs, metrics and `verify`.

    The members are grouped by what the caller learns (`status`, `error`), which is all that
    the caller learns.
    """

    kind: _Kind

    def __new__(cls, code: str, kind: _Kind) -> Self:
        """A member is its code, and knows its kind."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.kind = kind
        return member

    TOKEN_MISSING = "token_missing", _NO_TOKEN

    CREDENTIALS_AMBIGUOUS = "credentials_ambiguous", _BAD_REQUEST
    REQUEST_MALFORMED = "request_malformed", _BAD_REQUEST

    CREDENTIALS_MALFORMED = "credentials_malformed", _BAD_TOKEN
    TOKEN_TOO_LARGE = "token_too_large", _BAD_TOKEN
    TOKEN_MALFORMED = "token_malformed", _BAD_TOKEN
    HEADER_INVALID = "header_invalid", _BAD_TOKEN
    CRITICAL_HEADER_UNSUPPORTED = "critical_header_unsupported", _BAD_TOKEN
    TOKEN_TYPE_INVALID = "token_type_invalid", _BAD_TOKEN
    TOKEN_NOT_ENCRYPTED = "token_not_encrypted", _BAD_TOKEN
    DECRYPTION_FAILED = "decryption_failed", _BAD_TOKEN
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed", _BAD_TOKEN
    ISSUER_UNKNOWN = "issuer_unknown", _BAD_TOKEN
    KEY_UNKNOWN = "key_unknown", _BAD_TOKEN
    KEY_AMBIGUOUS = "key_ambiguous", _BAD_TOKEN
    SIGNATURE_INVALID = "signature_invalid", _BAD_TOKEN
    CLAIM_MISSING = "claim_missing", _BAD_TOKEN
    CLAIM_INVALID = "claim_invalid", _BAD_TOKEN
    TOKEN_EXPIRED = "token_expired", _BAD_TOKEN
    TOKEN_NOT_YET_VALID = "token_not_yet_valid", _BAD_TOKEN
    TOKEN_TOO_OLD = "token_too_old", _BAD_TOKEN
    AUDIENCE_MISMATCH = "audience_mismatch", _BAD_TOKEN
    CLIENT_NOT_ALLOWED = "client_not_allowed", _BAD_TOKEN
    TOKEN_REVOKED = "token_revoked", _BAD_TOKEN
    TOKEN_REPLAYED = "token_replayed", _BAD_TOKEN
    BINDING_MISSING = "binding_missing", _BAD_TOKEN
    BINDING_MISMATCH = "binding_mismatch", _BAD_TOKEN

    PROOF_INVALID = "proof_invalid", _BAD_PROOF
    PROOF_REPLAYED = "proof_replayed", _BAD_PROOF
    PROOF_NONCE_REQUIRED = "proof_nonce_required", _NEEDS_NONCE

    AUTHENTICATION_TOO_OLD = "authentication_too_old", _NEEDS_STEP_UP
    AUTHENTICATION_TOO_WEAK = "authentication_too_weak", _NEEDS_STEP_UP

    ROLE_MISSING = "role_missing", _DENIED
    SCOPE_MISSING = "scope_missing", _DENIED
    PERMISSION_MISSING = "permission_missing", _DENIED
    CLAIM_MISMATCH = "claim_mismatch", _DENIED
    TENANT_MISMATCH = "tenant_mismatch", _DENIED
    REQUIREMENT_FAILED = "requirement_failed", _DENIED

    CSRF_FAILED = "csrf_failed", _FORGED

    CREDENTIALS_WRONG = "credentials_wrong", _BAD_GRANT
    GRANT_INVALID = "grant_invalid", _BAD_GRANT
    GRANT_REUSED = "grant_reused", _BAD_GRANT

    SCOPE_EXCEEDED = "scope_exceeded", _BAD_SCOPE

    THROTTLED = "throttled", _THROTTLED

    KEYS_UNAVAILABLE = "keys_unavailable", _OUTAGE
    STORE_UNAVAILABLE = "store_unavailable", _OUTAGE
    AUDIT_UNAVAILABLE = "audit_unavailable", _OUTAGE


class Refusal(JWTGuardError):
    """A request or a token is refused. The only exception that untrusted input can cause.

    Attributes:
        reason: the stable code, for the log.
        claim: the header parameter or claim at fault, where there is one, by our own name for
            it: never text that came with the request.
        scope: for RFC 6750 section 3.1, the scopes that would do.
        max_age: for RFC 9470 section 3, seconds since authentication that would do.
        acr_values: for RFC 9470 section 3, the authentication contexts that would do.
        retry_after: for an outage or a throttle, seconds until it is worth asking again.
    """

    def __init__(
        self,
        reason: Reason,
        *,
        claim: str | None = None,
        scope: str | None = None,
        max_age: int | None = None,
        acr_values: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(str(reason) if claim is None else f"{reason} ({claim})")
        self.reason = reason
        self.claim = claim
        self.scope = scope
        self.max_age = max_age
        self.acr_values = acr_values
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.reason.kind.status

    @property
    def error(self) -> str | None:
        """The error code that the caller learns (RFC 6750 section 3.1), if any."""
        return self.reason.kind.error

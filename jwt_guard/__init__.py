"""Who is calling, may they, and what to say when not: JSON Web Tokens for web frameworks."""

from jwt_guard.config import Config
from jwt_guard.errors import ConfigurationError, JWTGuardError, Problem, Reason, Refusal
from jwt_guard.guard import Guard, Outcome
from jwt_guard.principal import Principal
from jwt_guard.requirements import (
    Requirement,
    acr,
    authenticated,
    claim,
    fresh,
    permission,
    role,
    scope,
    tenant,
)

__all__ = [
    "Config",
    "ConfigurationError",
    "Guard",
    "JWTGuardError",
    "Outcome",
    "Principal",
    "Problem",
    "Reason",
    "Refusal",
    "Requirement",
    "acr",
    "authenticated",
    "claim",
    "fresh",
    "permission",
    "role",
    "scope",
    "tenant",
]

"""Who is calling, may they, and what to say when not: JSON Web Tokens for web frameworks.

What stands here is loaded when it is first asked for (PEP 562): joserfc and `cryptography` alone
take longer to start than Python itself, and who only handles a `Refusal` needs neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_PLACES = {
    "Config": "config",
    "ConfigurationError": "errors",
    "Guard": "guard",
    "JWTGuardError": "errors",
    "Outcome": "guard",
    "Principal": "principal",
    "Problem": "errors",
    "Reason": "errors",
    "Refusal": "errors",
    "Requirement": "requirements",
    "acr": "requirements",
    "authenticated": "requirements",
    "claim": "requirements",
    "fresh": "requirements",
    "permission": "requirements",
    "role": "requirements",
    "scope": "requirements",
    "tenant": "requirements",
}


def __getattr__(name: str) -> Any:
    """The thing of that name, from the module where it is defined."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

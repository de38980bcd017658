"""The one configuration, the same keys in TOML, in Django's and Flask's settings, and in code.

    config = Config.load("jwt_guard.toml")

What it holds is read and typed, but nothing is opened yet: keys are loaded, and stores connected,
by the guard that is built from it.
"""

from jwt_guard.audit.settings import AuditConfig
from jwt_guard.config.files import ENVIRONMENT_PREFIX
from jwt_guard.config.issuers import IssuerConfig
from jwt_guard.config.sections import (
    CacheConfig,
    CookiesConfig,
    PolicyConfig,
    RolesConfig,
    RoutesConfig,
    StoreConfig,
    TenantsConfig,
    TokensConfig,
)
from jwt_guard.config.whole import Config, Source

__all__ = [
    "ENVIRONMENT_PREFIX",
    "AuditConfig",
    "CacheConfig",
    "Config",
    "CookiesConfig",
    "IssuerConfig",
    "PolicyConfig",
    "RolesConfig",
    "RoutesConfig",
    "Source",
    "StoreConfig",
    "TenantsConfig",
    "TokensConfig",
]

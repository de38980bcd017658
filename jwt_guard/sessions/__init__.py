"""First-party sessions: refresh rotation, reuse detection, revocation, cut-offs."""

from jwt_guard.sessions.grants import Client, Grant, SessionInfo
from jwt_guard.sessions.hooks import StillValid, User, Welcome
from jwt_guard.sessions.manager import Sessions
from jwt_guard.sessions.revocation import Revocations
from jwt_guard.tokens.issuer import Authentication

__all__ = [
    "Authentication",
    "Client",
    "Grant",
    "Revocations",
    "SessionInfo",
    "Sessions",
    "StillValid",
    "User",
    "Welcome",
]

"""`manage.py jwt_guard_sessions`: `jwt-guard sessions` for the guards of the settings."""

from jwt_guard.cli.sessions import sessions
from jwt_guard_django.management.handed_on import HandedOn

__all__ = ["Command"]


class Command(HandedOn):
    """See `HandedOn`."""

    name = "jwt_guard_sessions"
    commands = sessions
    help = "List, revoke and purge sessions, as `jwt-guard sessions` does."

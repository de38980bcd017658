"""`manage.py jwt_guard_audit`: `jwt-guard audit` for the guards of the settings."""

from jwt_guard.cli.audit import audit
from jwt_guard_django.management.handed_on import HandedOn

__all__ = ["Command"]


class Command(HandedOn):
    """See `HandedOn`."""

    name = "jwt_guard_audit"
    commands = audit
    help = "Read, verify, judge and tidy the audit log, as `jwt-guard audit` does."

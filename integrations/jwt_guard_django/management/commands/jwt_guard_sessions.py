"""`manage.py jwt_guard_sessions`: `jwt-guard sessions` for the guards of the settings."""

from argparse import REMAINDER, ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand

from jwt_guard.cli.sessions import sessions
from jwt_guard_django.guards import get_guard

__all__ = ["Command"]


class Command(BaseCommand):
    """Hands its arguments on; ends with the same status."""

    help = "List, revoke and purge sessions, as `jwt-guard sessions` does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See `BaseCommand`."""
        parser.add_argument("--guard", default="default", help="the guard's name in JWT_GUARDS")
        parser.add_argument("what", choices=sorted(sessions.commands))
        parser.add_argument("rest", nargs=REMAINDER, help="as of jwt-guard sessions")

    def handle(
        self, *args: Any, guard: str, what: str, rest: Sequence[str], **options: Any
    ) -> None:
        """See `BaseCommand`."""
        name = "manage.py jwt_guard_sessions"
        sessions.main([what, *rest], prog_name=name, obj=get_guard(guard))

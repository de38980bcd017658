"""Commands of `manage.py` that are those of `jwt-guard`, for the guards of the settings."""

from argparse import REMAINDER, ArgumentParser
from collections.abc import Sequence
from typing import Any, ClassVar

import click
from django.core.management.base import BaseCommand

from jwt_guard_django.guards import get_guard

__all__ = ["HandedOn"]


class HandedOn(BaseCommand):
    """Hands its arguments on; ends with the same status.

    Attributes:
        name: what it is called.
        commands: the group of `jwt-guard` that it stands for.
    """

    name: ClassVar[str]
    commands: ClassVar[click.Group]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See `BaseCommand`."""
        same = f"as of jwt-guard {self.commands.name}"
        parser.add_argument("--guard", default="default", help="the guard's name in JWT_GUARDS")
        parser.add_argument("what", choices=sorted(self.commands.commands))
        parser.add_argument("rest", nargs=REMAINDER, help=same)

    def handle(
        self, *args: Any, guard: str, what: str, rest: Sequence[str], **options: Any
    ) -> None:
        """See `BaseCommand`."""
        name = f"manage.py {self.name}"
        self.commands.main([what, *rest], prog_name=name, obj=get_guard(guard))

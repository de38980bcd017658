"""`manage.py jwt_guard_purge`: remove expired sessions, cut-offs and counts."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jwt_guard.flow import run
from jwt_guard_django.guards import guards

__all__ = ["Command"]


class Command(BaseCommand):
    """Purges the store of every guard of the project, in bounded batches."""

    help = "Remove expired sessions, cut-offs and counts, in batches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See `BaseCommand`."""
        parser.add_argument("--batch", type=int, default=1000, help="how many at a time")

    def handle(self, *args: Any, batch: int, **options: Any) -> None:
        """See `BaseCommand`."""
        now, purged = int(time.time() * 1000), 0
        for guard in guards().values():
            while gone := run(guard.store.purge(now=now, limit=batch)):
                purged += gone
        self.stdout.write(f"{purged} purged")

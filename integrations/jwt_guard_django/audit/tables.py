"""The tables of the audit log, by Django's ORM."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from django.db import IntegrityError, connections, transaction
from django.db.models import F, QuerySet

from jwt_guard.audit.rows import Row

if TYPE_CHECKING:
    from jwt_guard_django.audit.models import Record

__all__ = ["DjangoTables"]

_AT_ONCE = 5000


class DjangoTables:
    """See `jwt_guard.audit.rows.RowTables`.

    Args:
        using: the database's alias. Give the log one of its own where `ATOMIC_REQUESTS` is set
            only if you like: its records are written by a thread of their own, in transactions of
            their own, and survive a view that is rolled back.
    """

    def __init__(self, using: str = "default") -> None:
        self._using = using

    @contextmanager
    def writing(self) -> Generator["_Writer"]:
        """See `RowTables`: the head's row is updated first, which every database locks."""
        from jwt_guard_django.audit.models import Head

        connections[self._using].close_if_unusable_or_obsolete()
        heads = Head.objects.using(self._using)
        with transaction.atomic(using=self._using):
            if not heads.filter(id=1).update(head=F("head")):
                self._begin()
                heads.filter(id=1).update(head=F("head"))
            yield _Writer(self._using)

    def page(self, after: int | None, since: float | None) -> Sequence[tuple[int, str]]:
        """See `RowTables`."""
        records = _records(self._using).order_by("sequence")
        if after is not None:
            records = records.filter(sequence__gt=after)
        if since is not None:
            records = records.filter(time__gte=since)
        return list(records.values_list("sequence", "record")[:_AT_ONCE])

    def bounds(self) -> tuple[int, int] | None:
        """See `RowTables`."""
        numbers = _records(self._using).values_list("sequence", flat=True)
        oldest, newest = numbers.order_by("sequence").first(), numbers.order_by("-sequence").first()
        return None if oldest is None or newest is None else (oldest, newest)

    def delete(self, through: int) -> None:
        """See `RowTables`."""
        _records(self._using).filter(sequence__lte=through).delete()

    def head(self) -> str | None:
        """See `RowTables`."""
        return _Writer(self._using).head()

    def close(self) -> None:
        """See `RowTables`: this thread's connection."""
        connections[self._using].close()

    def _begin(self) -> None:
        from jwt_guard_django.audit.models import Head

        try:
            with transaction.atomic(using=self._using):
                Head.objects.using(self._using).create(id=1, head="")
        except IntegrityError:
            return  # another process was quicker


def _records(using: str) -> "QuerySet[Record]":
    """Models are there once the apps are ready, which is after this module was imported."""
    from jwt_guard_django.audit.models import Record

    return Record.objects.using(using)


class _Writer:
    def __init__(self, using: str) -> None:
        self._using = using

    def head(self) -> str | None:
        from jwt_guard_django.audit.models import Head

        kept = Head.objects.using(self._using).filter(id=1).values_list("head", flat=True).first()
        return kept or None

    def newest(self) -> tuple[int, str] | None:
        records = _records(self._using).order_by("-sequence")
        return records.values_list("sequence", "record").first()

    def append(self, rows: Sequence[Row], head: str) -> None:
        from jwt_guard_django.audit.models import Head, Record

        made = [Record(**asdict(row)) for row in rows]
        _records(self._using).bulk_create(made, batch_size=500)
        Head.objects.using(self._using).filter(id=1).update(head=head)

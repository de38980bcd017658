"""The tables of the audit log, by Django's ORM."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from django.db import IntegrityError, connections, transaction
from django.db.models import F

from jwt_guard.audit.rows import Row

__all__ = ["DjangoTables"]


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

    def records(self, since: float | None = None) -> Generator[str]:
        """See `RowTables`."""
        from jwt_guard_django.audit.models import Record

        records = Record.objects.using(self._using).order_by("sequence")
        if since is not None:
            records = records.filter(time__gte=since)
        yield from records.values_list("record", flat=True).iterator(chunk_size=5000)

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


class _Writer:
    def __init__(self, using: str) -> None:
        self._using = using

    def head(self) -> str | None:
        from jwt_guard_django.audit.models import Head

        kept = Head.objects.using(self._using).filter(id=1).values_list("head", flat=True).first()
        return kept or None

    def newest(self) -> tuple[int, str] | None:
        from jwt_guard_django.audit.models import Record

        records = Record.objects.using(self._using).order_by("-sequence")
        return records.values_list("sequence", "record").first()

    def append(self, rows: Sequence[Row], head: str) -> None:
        from jwt_guard_django.audit.models import Head, Record

        records = Record.objects.using(self._using)
        records.bulk_create([Record(**asdict(row)) for row in rows], batch_size=500)
        Head.objects.using(self._using).filter(id=1).update(head=head)

"""What the audit log keeps in Django's database. See `jwt_guard.audit.rows`."""

from __future__ import annotations

from django.db import models

__all__ = ["Head", "Record"]


class Record(models.Model):
    """One record: what one searches by, and the record itself, which the chain is made of."""

    sequence: models.BigIntegerField[int, int] = models.BigIntegerField(primary_key=True)
    time: models.FloatField[float, float] = models.FloatField(db_index=True)
    name: models.CharField[str, str] = models.CharField(max_length=64, db_index=True)
    reason: models.CharField[str | None, str | None] = models.CharField(max_length=64, null=True)
    subject: models.CharField[str | None, str | None] = models.CharField(
        max_length=256, null=True, db_index=True
    )
    address: models.CharField[str | None, str | None] = models.CharField(max_length=64, null=True)
    record: models.TextField[str, str] = models.TextField()

    class Meta:
        """See `django.db.models.Model`."""

        verbose_name = "audit record"
        ordering = ("-sequence",)

    def __str__(self) -> str:
        return f"{self.sequence} {self.name}"


class Head(models.Model):
    """Where the log ends, signed: one row."""

    id: models.IntegerField[int, int] = models.IntegerField(primary_key=True)
    head: models.TextField[str, str] = models.TextField()

    class Meta:
        """See `django.db.models.Model`."""

        verbose_name = "audit head"

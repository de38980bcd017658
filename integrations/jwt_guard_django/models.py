"""What the ORM store keeps. See `jwt_guard.stores.protocol.Session` for what the fields mean.

Times are whole milliseconds since 1970 UTC, as in every store.
"""

from __future__ import annotations

from django.db import models

__all__ = ["CutOff", "Session", "Tally"]


class Session(models.Model):
    """One login, from which access tokens are drawn. Nothing in it can be presented as a token."""

    sid: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True)
    subject: models.CharField[str, str] = models.CharField(max_length=255, db_index=True)
    client_id: models.CharField[str, str] = models.CharField(max_length=255)
    tenant: models.CharField[str | None, str | None] = models.CharField(max_length=255, null=True)
    roles = models.JSONField()
    scopes = models.JSONField()
    auth_time: models.BigIntegerField[int, int] = models.BigIntegerField()
    acr: models.CharField[str | None, str | None] = models.CharField(max_length=255, null=True)
    amr = models.JSONField()
    claims = models.JSONField()
    device: models.CharField[str | None, str | None] = models.CharField(max_length=255, null=True)
    thumbprint: models.CharField[str | None, str | None] = models.CharField(
        max_length=255, null=True
    )
    salt: models.CharField[str, str] = models.CharField(max_length=64)
    created_at: models.BigIntegerField[int, int] = models.BigIntegerField()
    expires_at: models.BigIntegerField[int, int] = models.BigIntegerField()
    generation: models.BigIntegerField[int, int] = models.BigIntegerField()
    branch: models.BigIntegerField[int, int] = models.BigIntegerField()
    presented_at: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)
    used_at: models.BigIntegerField[int, int] = models.BigIntegerField()
    idle_expires_at: models.BigIntegerField[int, int] = models.BigIntegerField(db_index=True)
    agent: models.CharField[str | None, str | None] = models.CharField(max_length=255, null=True)
    place: models.CharField[str | None, str | None] = models.CharField(max_length=255, null=True)
    ended_at: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)
    end_reason: models.CharField[str | None, str | None] = models.CharField(
        max_length=64, null=True
    )
    version: models.IntegerField[int, int] = models.IntegerField()

    class Meta:
        """See `django.db.models.Model`."""

        verbose_name = "session"

    def __str__(self) -> str:
        return f"{self.sid} of {self.subject}"


class CutOff(models.Model):
    """What was born until a moment is refused."""

    key: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True)
    at: models.BigIntegerField[int, int] = models.BigIntegerField()
    until: models.BigIntegerField[int, int] = models.BigIntegerField(db_index=True)

    class Meta:
        """See `django.db.models.Model`."""

        verbose_name = "cut-off"

    def __str__(self) -> str:
        return self.key


class Tally(models.Model):
    """Something that is counted until a moment."""

    key: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True)
    count: models.BigIntegerField[int, int] = models.BigIntegerField()
    until: models.BigIntegerField[int, int] = models.BigIntegerField(db_index=True)

    class Meta:
        """See `django.db.models.Model`."""

        verbose_name = "tally"
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return self.key

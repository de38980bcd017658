"""The audit log in Django's admin, to be looked at and nothing else."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from jwt_guard_django.audit.models import Record

__all__ = ["RecordAdmin"]


@admin.register(Record)
class RecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the checker only
    """Shows records. What would change one would break the chain, and be found."""

    list_display = ("sequence", "when", "name", "reason", "subject", "address")
    list_filter = ("name", "reason")
    search_fields = ("subject", "address")

    @admin.display(description="when", ordering="time")
    def when(self, record: Record) -> datetime:
        """When it happened."""
        return datetime.fromtimestamp(record.time, UTC)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a record."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a record."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes a record."""
        return False

"""Sessions in Django's admin, to be looked at: they are ended by the application's own routes."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from jwt_guard_django.models import Session

__all__ = ["SessionAdmin"]


@admin.register(Session)
class SessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the checker only
    """Shows sessions, and changes nothing. The salt is not for looking at."""

    list_display = (
        *("sid", "subject", "tenant", "client_id", "device", "place"),
        *("begun", "used", "ends", "ended", "end_reason"),
    )
    list_filter = ("client_id", "end_reason")
    search_fields = ("sid", "subject", "tenant")
    exclude = ("salt",)

    @admin.display(description="begun", ordering="created_at")
    def begun(self, session: Session) -> datetime | None:
        """When it began."""
        return _time(session.created_at)

    @admin.display(description="used", ordering="used_at")
    def used(self, session: Session) -> datetime | None:
        """When it was used last."""
        return _time(session.used_at)

    @admin.display(description="ends", ordering="idle_expires_at")
    def ends(self, session: Session) -> datetime | None:
        """When it ends without further use."""
        return _time(session.idle_expires_at)

    @admin.display(description="ended", ordering="ended_at")
    def ended(self, session: Session) -> datetime | None:
        """When it was ended, if it was."""
        return _time(session.ended_at)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a session."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a session."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes a session: its access tokens would live on."""
        return False


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)

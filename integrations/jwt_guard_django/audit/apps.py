"""The app."""

from django.apps import AppConfig

__all__ = ["AuditConfig"]


class AuditConfig(AppConfig):
    """Two tables: the records, and where they end."""

    name = "jwt_guard_django.audit"
    label = "jwt_guard_audit"
    verbose_name = "JWT Guard audit"
    default_auto_field = "django.db.models.BigAutoField"

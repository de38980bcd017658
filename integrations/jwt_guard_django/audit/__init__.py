"""The audit log in Django's database: an app of its own, for those who want it there.

INSTALLED_APPS = [..., "jwt_guard_django", "jwt_guard_django.audit"]
JWT_GUARD = {
    "audit": {
        "sink": "python:jwt_guard_django.audit:tables",
        "privacy": {"keys": "audit-subjects.sqlite3"},  # or "subjects": "plain"
    },
    ...
}
"""

from jwt_guard_django.audit.tables import DjangoTables

__all__ = ["DjangoTables", "tables"]

tables = DjangoTables()
"""The default database."""

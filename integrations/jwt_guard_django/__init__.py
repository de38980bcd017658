"""The Django app of jwt_guard."""

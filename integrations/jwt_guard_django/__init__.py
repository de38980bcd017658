"""The Django app of jwt_guard."""

__all__: list[str] = []

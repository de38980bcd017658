"""The Flask extension of jwt_guard."""

__all__: list[str] = []

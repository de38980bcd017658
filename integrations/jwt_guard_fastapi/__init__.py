"""The FastAPI dependencies of jwt_guard."""

__all__: list[str] = []

"""The ASGI middleware of jwt_guard."""

__all__: list[str] = []

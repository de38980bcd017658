"""The ASGI middleware of jwt_guard."""

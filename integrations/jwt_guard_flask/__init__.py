"""The Flask extension of jwt_guard."""

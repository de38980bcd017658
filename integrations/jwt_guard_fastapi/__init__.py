"""The FastAPI dependencies of jwt_guard."""

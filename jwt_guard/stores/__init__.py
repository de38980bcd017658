"""Where sessions and revocations are kept: one behaviour, several places."""

from jwt_guard.stores.memory import MemoryStore
from jwt_guard.stores.protocol import Session, Store

__all__ = ["MemoryStore", "Session", "Store"]

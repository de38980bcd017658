"""For the tests of those who use this library: tokens of any kind, and a clock that one moves."""

from jwt_guard.testing.clock import Clock
from jwt_guard.testing.factory import TokenFactory

__all__ = ["Clock", "TokenFactory"]

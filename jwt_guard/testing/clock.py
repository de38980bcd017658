"""A clock that a test moves."""

import time

__all__ = ["Clock"]


class Clock:
    """Seconds since 1970 UTC, at a standstill: `Guard.from_config(source, clock=Clock())`.

    Attributes:
        now: the time; begins with the real one.
    """

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now

    def __call__(self) -> float:
        """The time."""
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.now += seconds

"""What events are written to: the seam between the queue and the places behind it."""

from collections.abc import Sequence
from typing import Literal, Protocol

from jwt_guard.audit.chain import Encoded
from jwt_guard.audit.shown import Shown

__all__ = ["Encoder", "Format", "Sink", "SinkFailed"]

Format = Literal["ocsf", "ecs"]


class SinkFailed(Exception):
    """A batch could not be written; it is worth trying again.

    Attributes:
        written: how many of its records were all the same, the first ones, by a place that keeps
            no chain and cannot take them back.
    """

    def __init__(self, message: str, *, written: int = 0) -> None:
        super().__init__(message)
        self.written = written


class Encoder(Protocol):
    """Writes events in one format."""

    @property
    def openings(self) -> tuple[bytes, ...]:
        """How its records begin, up to the sequence number."""
        ...

    def encode(self, shown: Shown) -> Encoded:
        """A record that waits for its sequence number."""
        ...


class Sink(Protocol):
    """A place that records are written to. Used by one thread; several processes may share it.

    Attributes:
        name: what it is called in reports.
        format: the format in which it wants its records.
        durable: whether what it has written is safe; strict mode waits for those that are.
    """

    name: str
    format: Format
    durable: bool

    def write(self, records: Sequence[Encoded]) -> None:
        """Write a batch; what is durable writes all of it or nothing.

        Raises:
            SinkFailed: not all of it was written.
        """
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...

"""What events are written to: the seam between the queue and the places behind it."""

from collections.abc import Sequence
from typing import Literal, Protocol

from jwt_guard.audit.chain import Encoded
from jwt_guard.audit.shown import Shown

__all__ = ["Encoder", "Format", "Sink", "SinkFailed"]

Format = Literal["ocsf", "ecs"]


class SinkFailed(Exception):
    """Nothing of a batch could be written; it is worth trying again."""


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
        """Write a batch, all or nothing.

        Raises:
            SinkFailed: nothing was written.
        """
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...

"""Records about the log itself."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from jwt_guard.audit.chain import Encoded, Link
from jwt_guard.audit.seal import Checkpoint, SealKey
from jwt_guard.audit.shown import own_record
from jwt_guard.audit.sinks import Encoder
from jwt_guard.audit.verifying import Purge

__all__ = ["OwnRecords"]


class OwnRecords:
    """Writes what befalls a log in its own format.

    Args:
        encoder: the log's format.
        clock: seconds since 1970 UTC.
    """

    def __init__(self, encoder: Encoder, clock: Callable[[], float]) -> None:
        self._encoder = encoder
        self._clock = clock

    def note(self, name: str, detail: Mapping[str, Any]) -> Encoded:
        """Something happened to the log."""
        return self._encoder.encode(own_record(name, self._clock(), detail))

    def purged(self, purge: Purge) -> Encoded:
        """The log's beginning is deleted."""
        return self.note("purged", msgspec.to_builtins(purge))

    def checkpoint(self, key: SealKey, chain: str, at: Link) -> Encoded:
        """A signed statement that the chain stands at a link."""
        statement = Checkpoint(
            chain=chain,
            sequence=at.sequence,
            fingerprint=at.fingerprint.decode(),
            time=self._clock(),
            kid="",
        )
        return self.note("checkpoint", msgspec.structs.asdict(key.sign(statement)))

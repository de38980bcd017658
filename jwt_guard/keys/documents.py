"""What a load of keys from elsewhere gives, or why it gives nothing."""

from dataclasses import dataclass
from typing import Protocol

from jwt_guard.errors import JWTGuardError
from jwt_guard.flow import Flow
from jwt_guard.keys.keyset import KeySet

__all__ = ["Document", "KeysNotLoaded", "LoadKeys"]


class KeysNotLoaded(JWTGuardError):
    """A load of keys has failed, for a reason that holds nothing of what the other side sent."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A key set as it was loaded.

    Attributes:
        digest: of what was published; what is equal is not built again, and stays the same set.
        keys: the keys that can be used.
        skipped: why each of the others cannot.
    """

    digest: bytes
    keys: KeySet
    skipped: tuple[str, ...] = ()


class LoadKeys(Protocol):
    """How a load is done."""

    def __call__(self, known: Document | None, timeout: float, /) -> Flow[Document]:
        """The document as it is now, or the very one that is known if it is unchanged.

        Raises:
            KeysNotLoaded: there is none that can be used.
        """
        ...

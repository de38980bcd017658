"""What a forked child must not take over: locks that others held, and work that others did.

Servers load the application first and fork then. Of the parent's threads only the one that forks
goes on in the child; a lock that another one held at that moment would never be released there.
"""

import os
import weakref
from typing import Protocol

__all__ = ["Forked", "call_after_fork"]


class Forked(Protocol):
    """Who must know of a fork."""

    def after_fork(self) -> None:
        """Begin anew in the child, before anything else runs there."""
        ...


_known: "weakref.WeakSet[Forked]" = weakref.WeakSet()


def call_after_fork(forked: Forked) -> None:
    """Have it called in every child that is forked while it lives."""
    _known.add(forked)


def _in_child() -> None:
    for forked in list(_known):
        forked.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

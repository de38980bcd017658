"""Threads, where there are any to be had."""

import threading
from collections.abc import Callable

__all__ = ["started"]


def started(work: Callable[[], object], name: str) -> threading.Thread | None:
    """A daemon thread that does some work, begun; None where none can be.

    From Python 3.12 on that is so once the interpreter has begun to end, and at any time where
    the system has no thread to spare.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread

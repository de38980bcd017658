"""For the tests of those who use this library: tokens of any kind, and a clock that one moves.

What stands here is loaded when it is first asked for: pytest loads the plugin beside it at every
start, wherever this library is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jwt_guard.testing.clock import Clock
    from jwt_guard.testing.factory import TokenFactory

__all__ = ["Clock", "TokenFactory"]

_PLACES = {"Clock": "clock", "TokenFactory": "factory"}


def __getattr__(name: str) -> Any:
    """The thing of that name, from the module where it is defined."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    return found

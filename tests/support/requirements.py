"""What a test needs of the machine: a reason to skip here, a reason to fail where it is owed."""

from __future__ import annotations

import os

import pytest

__all__ = ["require_or_skip"]

_OWED = "JWT_GUARD_REQUIRE"


def require_or_skip(name: str, available: bool, reason: str) -> None:
    """Let the test go on if ``name`` is available, else skip it or fail it.

    It fails where the environment variable ``JWT_GUARD_REQUIRE`` (names joined by commas, or
    ``all``) says that this machine owes it, as the continuous integration does.
    """
    if available:
        return
    if _owed().intersection({name, "all"}):
        pytest.fail(f"{name} is owed by {_OWED}, but: {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")


def _owed() -> set[str]:
    return {name.strip() for name in os.environ.get(_OWED, "").split(",")}

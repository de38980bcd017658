"""The pytest plugin: tokens for one's tests, and attacks on one's application.

pytest finds it by itself (the entry point `pytest11`). Fixtures: `jwt_guard_tokens`, a
`TokenFactory` for the whole session, and `jwt_guard_attacks`, which makes one test of each attack
(see `jwt_guard.testing.attack_tests`).
"""

from typing import TYPE_CHECKING

import pytest

from jwt_guard.testing.attack_tests import (
    _jwt_guard_attack_grounds,  # pyright: ignore[reportPrivateUsage]
    jwt_guard_attacks,
    pytest_configure,
    pytest_generate_tests,
)

if TYPE_CHECKING:
    from jwt_guard.testing.factory import TokenFactory

__all__ = [
    "_jwt_guard_attack_grounds",
    "jwt_guard_attacks",
    "jwt_guard_tokens",
    "pytest_configure",
    "pytest_generate_tests",
]


@pytest.fixture(scope="session")
def jwt_guard_tokens() -> "TokenFactory":
    """An issuer of tokens for tests, with a key made just now."""
    from jwt_guard.testing.factory import TokenFactory

    return TokenFactory()

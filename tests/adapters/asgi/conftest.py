"""A guard with a clock that a test may move."""

import pytest

from jwt_guard import Guard
from tests.support import tokens


@pytest.fixture
def clock() -> tokens.Clock:
    """The guard's clock."""
    return tokens.Clock()


@pytest.fixture
def guard(clock: tokens.Clock) -> Guard:
    """A guard that trusts the forging kit's issuer and protects all routes."""
    roles = {"hierarchy": {"admin": ["analyst"]}}
    return Guard.from_config(tokens.configuration(roles=roles), clock=clock)

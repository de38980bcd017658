"""A guard that protects all routes."""

import pytest

from jwt_guard import Guard
from tests.support import tokens


@pytest.fixture
def guard() -> Guard:
    """A guard that trusts the forging kit's issuer."""
    return Guard.from_config(tokens.configuration())

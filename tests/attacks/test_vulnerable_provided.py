"""Holes in how keys are fetched, and in what may cost time and memory."""

from __future__ import annotations

import pytest

from tests.attacks.holes import each_hole_of, is_found
from tests.attacks.vulnerable import provided, resources
from tests.attacks.vulnerable.base import SoundServer

# Attacks take their time where a machine is busy with other tests.
pytestmark = pytest.mark.timeout(400)


@each_hole_of(provided, resources)
def test_exactly_the_expected_attacks_fire(server: type[SoundServer]) -> None:
    """No hole is overlooked, and none is found where there is none."""
    is_found(server)

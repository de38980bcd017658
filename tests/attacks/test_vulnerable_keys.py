"""Holes in where keys come from, who may bear a token, and how it travels."""

from __future__ import annotations

import pytest

from tests.attacks.holes import each_hole_of, is_found
from tests.attacks.vulnerable import key_source, proofs, transport
from tests.attacks.vulnerable.base import SoundServer

# Attacks take their time where a machine is busy with other tests.
pytestmark = pytest.mark.timeout(400)


@each_hole_of(key_source, proofs, transport)
def test_exactly_the_expected_attacks_fire(server: type[SoundServer]) -> None:
    """No hole is overlooked, and none is found where there is none."""
    is_found(server)

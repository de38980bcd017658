"""The Flask application, attacked with the whole catalogue."""

from __future__ import annotations

from tests.attacks.samples import SampleAttacks


class TestFlask(SampleAttacks):
    """The cache on and off, over every store."""

    name = "flask"

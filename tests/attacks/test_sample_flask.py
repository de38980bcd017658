"""The Flask application, attacked with the whole catalogue."""

from __future__ import annotations

from tests.attacks.samples import SampleAttacks


class TestFlask(SampleAttacks):
    """Over every store."""

    name = "flask"
    cached = frozenset({"memory", "valkey"})

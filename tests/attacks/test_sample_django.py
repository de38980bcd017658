"""The Django application, attacked with the whole catalogue."""

from __future__ import annotations

from tests.attacks.samples import SampleAttacks


class TestDjango(SampleAttacks):
    """Over every store."""

    name = "django"
    cached = frozenset({"sqlite", "postgresql"})

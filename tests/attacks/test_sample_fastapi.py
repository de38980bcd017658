"""The FastAPI application, attacked with the whole catalogue."""

from __future__ import annotations

from tests.attacks.samples import SampleAttacks


class TestFastAPI(SampleAttacks):
    """Over every store."""

    name = "fastapi"
    cached = frozenset({"sqlite", "valkey"})

"""The Flask application, attacked with the whole catalogue (see samples.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.samples import (
    EVERY_SETTING,
    nothing_is_found,
    postgresql_server,
    postgresql_url,
    valkey_server,
    valkey_url,
)

__all__ = ["postgresql_server", "postgresql_url", "valkey_server", "valkey_url"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("kind", "cache"), EVERY_SETTING)
def test_nothing_is_found(
    kind: str, cache: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """With the signing key and the application's own logins lent to the attacks."""
    nothing_is_found("flask", kind, cache, request, tmp_path)

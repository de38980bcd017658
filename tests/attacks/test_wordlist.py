"""The generated words hold what people use, and no word twice."""

from __future__ import annotations

import pytest

from jwt_guard.attacks.wordlist import weak_secrets

SECRETS = list(weak_secrets())


def test_no_word_comes_twice() -> None:
    """Each guess is made once, and there are enough of them."""
    assert len(SECRETS) == len(set(SECRETS)) > 50_000


@pytest.mark.parametrize(
    "secret",
    [
        "secret",
        "your-256-bit-secret",
        "your_jwt_secret",
        "supersecretkey",
        "SuperSecretKey123",
        "changeme",
        "Password123!",
        "django-insecure",
        "a" * 32,
        "12345678901234567890123456789012",
        "Summer2026",
        "my-super-secret-key",
    ],
)
def test_what_people_write_into_their_configuration(secret: str) -> None:
    """Typical weak secrets follow from the rules."""
    assert secret in SECRETS

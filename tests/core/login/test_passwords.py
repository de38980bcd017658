"""Passwords hashed and compared."""

from hypothesis import given, settings
from hypothesis import strategies as st

from jwt_guard.sessions.passwords import hash_password, verify_password


@settings(max_examples=10)
@given(st.text(max_size=40))
def test_a_password_fits_its_hash_alone(password: str) -> None:
    """Any text can be a password; another one does not fit."""
    stored = hash_password(password)
    assert verify_password(password, stored)
    assert not verify_password(password + "x", stored)


def test_two_hashes_of_one_password_differ() -> None:
    """Each hash has its own salt, and holds nothing of the password."""
    first, second = hash_password("secret"), hash_password("secret")
    assert first != second
    assert "secret" not in first


def test_an_unknown_user_never_fits() -> None:
    """No password fits nobody."""
    assert not verify_password("", None)
    assert not verify_password("secret", None)

"""What all tests share: how hard hypothesis tries, and the OpenID provider."""

import os

import django
from hypothesis import HealthCheck, settings

from tests.support.oidc import fresh_oidc_provider, oidc_provider

__all__ = ["fresh_oidc_provider", "oidc_provider"]

settings.register_profile(
    "ci", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=3000)
settings.load_profile(os.environ.get("JWT_GUARD_HYPOTHESIS", "ci"))


def pytest_configure() -> None:
    """Set up the Django project that the tests are, where pytest-django looks for one."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
    django.setup()

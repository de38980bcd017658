"""What `check` says of the settings of sessions and stores."""

import pytest

from jwt_guard.assurance.checks import findings
from jwt_guard.errors import ConfigurationError
from tests.core.sessions.conftest import App, application


def said(app: App) -> dict[str, str]:
    """The level of each finding, by its path."""
    return {finding.path: finding.level for finding in findings(app.guard.config)}


def test_failing_open_is_reported(app: App) -> None:
    """A warning, so that the check fails."""
    assert "store.fail_open" not in said(app)
    assert said(application(store={"fail_open": True}))["store.fail_open"] == "warning"


def test_a_secret_in_the_configuration_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of several is enough."""
    monkeypatch.setenv("REFRESH_SECRET", "s" * 32)
    good = application(tokens_table={"refresh_secret": "env:REFRESH_SECRET"})
    bad = application(tokens_table={"refresh_secret": ["env:REFRESH_SECRET", "t" * 32]})
    assert "tokens.refresh_secret" not in said(good)
    assert said(bad)["tokens.refresh_secret"] == "warning"


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"refresh_window": 61}, r"tokens\.refresh_window"),
        ({"policies": [{"access_lifetime": 60}]}, r"tokens\.policies\[0\]\.clients"),
        ({"policies": [{"clients": ["a"], "access_lifetime": 1}]}, r"policies\[0\]\.access_life"),
        ({"policies": [{"client": "a"}]}, r"policies\[0\]\.client: is not a setting"),
    ],
)
def test_unsafe_values_are_refused_at_start(table: dict[str, object], path: str) -> None:
    """With the setting's path."""
    with pytest.raises(ConfigurationError, match=path):
        application(tokens_table=table)

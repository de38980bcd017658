"""The fixture turns the catalogue into tests, one for each attack."""

from __future__ import annotations

import pytest

# Attacks take their time where a machine is busy with other tests.
pytestmark = pytest.mark.timeout(400)
pytest_plugins = ["pytester"]

TEST = """
import pytest
from tests.attacks.vulnerable.base import SoundServer
from tests.attacks.vulnerable.signature import NoneAccepted

SOUND, BROKEN = SoundServer(), NoneAccepted()

{marker}
def test_attacks(jwt_guard_attacks):
    jwt_guard_attacks({app}, token={app}.issue(), path="/me", leeway=0)
"""


def _run(pytester: pytest.Pytester, app: str, marker: str = "") -> pytest.RunResult:
    pytester.makepyfile(TEST.format(app=app, marker=marker))
    options = ("-p", "no:django", "-p", "no:cacheprovider", "-v")
    return pytester.runpytest_inprocess(*options)


def test_one_test_for_each_attack(pytester: pytest.Pytester) -> None:
    """A sound application passes or skips each of the 131, under the playbook's ids."""
    result = _run(pytester, "SOUND")
    counts = result.parseoutcomes()
    assert counts["passed"] + counts["skipped"] == 131
    assert counts.keys() <= {"passed", "skipped", "warnings"}
    result.stdout.fnmatch_lines(["*test_attacks[[]A1[]] PASSED*"])


def test_a_hole_fails_its_own_test(pytester: pytest.Pytester) -> None:
    """Only the attack that finds the hole fails, and says what to do."""
    marker = "@pytest.mark.jwt_guard_attacks(only=['A', 'B1'], skip=['A16'])"
    result = _run(pytester, "BROKEN", marker)
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(["critical: A6 *", "Fix: *allow-list*"])
    result.stdout.no_fnmatch_line("*A16*")


def test_an_untestable_target_fails(pytester: pytest.Pytester) -> None:
    """A token that does not pass is no reason to be green."""
    pytester.makepyfile(
        "from tests.attacks.vulnerable.base import SoundServer\n"
        "import pytest\n"
        "@pytest.mark.jwt_guard_attacks(only=['A6'])\n"
        "def test_attacks(jwt_guard_attacks):\n"
        "    jwt_guard_attacks(SoundServer(), token=SoundServer().issue(exp=1), path='/me')\n"
    )
    result = pytester.runpytest_inprocess("-p", "no:django", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*could not test: the given token expired*"])


OBJECTS = {
    "Starlette": "from sample_apps.starlette_app import create_app\nAPP = create_app(CONFIG)",
    "Flask": "from sample_apps.flask_app import create_app\nAPP = create_app(CONFIG)",
    "Django WSGI": """
from django.conf import settings
from sample_apps.django_app import configure, get_wsgi_application
configure(CONFIG)
settings.ALLOWED_HOSTS.append("testserver")
APP = get_wsgi_application()
""",
    "Django ASGI": """
from django.conf import settings
from sample_apps.django_app import configure, get_asgi_application
configure(CONFIG)
settings.ALLOWED_HOSTS.append("testserver")
APP = get_asgi_application()
""",
}
OWN = """
import json
import time
from jwt_guard.attacks import route
from jwt_guard.config import Config
from jwt_guard.testing import TokenFactory
from sample_apps.shared import default_config

TOKENS = TokenFactory()
CONFIG = Config.load(TOKENS.config(), defaults=default_config())
{make}


def test_attacks(jwt_guard_attacks):
    login = route(
        "/auth/login", method="POST", body='{{"username": "grace", "password": "grace-demo"}}'
    )
    jwt_guard_attacks(APP, token=TOKENS.token(), path="/me", login=login, leeway=0)
"""


@pytest.mark.parametrize("make", OBJECTS.values(), ids=OBJECTS)
def test_application_objects_are_attacked_without_a_server(
    make: str, pytester: pytest.Pytester
) -> None:
    """ASGI, WSGI and Django's handlers: one test of each attack, and no hole."""
    pytester.makepyfile(OWN.format(make=make))
    # A process of its own, for Django is configured once.
    result = pytester.runpytest_subprocess(*("-p", "no:django", "-p", "no:cacheprovider", "-v"))
    counts = result.parseoutcomes()
    assert counts["passed"] + counts["skipped"] == 131
    assert counts.keys() <= {"passed", "skipped", "warnings"}
    assert counts["passed"] >= 60
    result.stdout.fnmatch_lines(["*test_attacks[[]A1[]] PASSED*", "*test_attacks[[]J3[]] PASSED*"])

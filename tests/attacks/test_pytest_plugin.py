"""The fixture turns the catalogue into tests, one for each attack."""

from __future__ import annotations

import pytest

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
    plugin = "jwt_guard.attacks.pytest_plugin"
    options = ("-p", plugin, "-p", "no:django", "-p", "no:cacheprovider", "-v")
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
    result = pytester.runpytest_inprocess(
        "-p", "jwt_guard.attacks.pytest_plugin", "-p", "no:django", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*could not test: the given token expired*"])

"""The command demo: all sample applications as processes, on their tour."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jwt_guard.cli import main
from jwt_guard.keys.signing import SigningKeys, generate_key
from sample_apps.servers import FRAMEWORKS

ONLY_VERIFIES = """\
audience = "https://api.example.test"

[[issuers]]
issuer = "https://issuer.example.test"
keys = "keys.json"
algorithms = ["ES256"]
"""


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """What the demo prints for programs, with a configuration that trusts an outside issuer."""
    folder: Path = tmp_path_factory.mktemp("demo")
    keys = SigningKeys.from_jwks({"keys": [generate_key("ES256")]}).public_jwks()
    (folder / "keys.json").write_text(json.dumps(keys))
    (folder / "jwt_guard.toml").write_text(ONLY_VERIFIES)
    return CliRunner().invoke(main, ["demo", "--json", "--config", str(folder / "jwt_guard.toml")])


def test_every_framework_answers_as_expected(toured: Result) -> None:
    """All four, the same to each request; a file without [tokens] is no hindrance."""
    steps = json.loads(toured.stdout)
    assert FRAMEWORKS == ("starlette", "fastapi", "flask", "django")
    assert [step["title"] for step in steps if not step["ok"]] == []
    assert {tuple(step["answers"]) for step in steps} == {FRAMEWORKS}
    assert toured.exit_code == 0


def test_leaves_nothing_in_the_environment(toured: Result) -> None:
    """What it lent to the applications is taken back."""
    assert toured.exit_code == 0
    assert not [name for name in os.environ if name.startswith("JWT_GUARD__")]

"""`jwt-guard keys`."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jwt_guard import Guard
from jwt_guard.cli import main

SECRETS = {"d", "p", "q", "dp", "dq", "qi", "k"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration that names keys which are not made yet."""
    (tmp_path / "jwt_guard.toml").write_text(
        'audience = "https://api.example.test"\n'
        '[tokens]\nissuer = "https://app.example.test"\nsigning_keys = "signing-keys.json"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments])


def _json(*arguments: str) -> Any:
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_keys_are_made_where_the_configuration_wants_them(folder: Path) -> None:
    """And the application starts on them."""
    listed = _json("generate")["keys"]
    assert [key["status"] for key in listed] == ["current", "next"]
    guard = Guard.from_config(folder / "jwt_guard.toml")
    assert guard.signing_keys is not None
    assert guard.signing_keys.current.kid == listed[0]["kid"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES384", "Ed25519", "HS256"])
def test_keys_of_any_algorithm_are_made_and_rotated(folder: Path, algorithm: str) -> None:
    """And no command ever prints a private part."""
    made = _run("generate", "--algorithm", algorithm)
    rotated = _run("rotate", "--overlap", "600")
    kid = _json("list")["keys"][0]["kid"]
    outputs = [made, rotated, _run("list"), _run("publish"), _run("retire", kid)]
    assert [result.exit_code for result in outputs] == [0] * 5
    stored = json.loads((folder / "signing-keys.json").read_text())["keys"]
    assert [key["alg"] for key in stored] == [algorithm] * 3
    printed = "".join(result.output for result in outputs)
    assert not [
        key[name] for key in stored for name in SECRETS & key.keys() if key[name] in printed
    ]


def test_a_rotation_is_told(folder: Path) -> None:
    """Machines read the new statuses and times, people read them a key a line."""
    _run("generate")
    rotated = _json("rotate", "--overlap", "600", "--algorithm", "ES384")["keys"]
    assert [(key["status"], key["alg"]) for key in rotated] == [
        ("current", "ES256"),
        ("next", "ES384"),
        ("retired", "ES256"),
    ]
    assert rotated[2]["remove_after"] == rotated[2]["retired"] + 600
    lines = _run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["current", "next", "retired"]


def test_tokens_outlive_no_overlap(folder: Path) -> None:
    """A good token is refused by no rotation: the longest life is known from the configuration."""
    _run("generate")
    with (folder / "jwt_guard.toml").open("a") as config:
        config.write('[[tokens.policies]]\nclients = ["batch"]\naccess_lifetime = 900\n')
    assert _run("rotate", "--overlap", "899").exit_code == 2
    assert len(_json("list")["keys"]) == 2
    assert _run("rotate", "--overlap", "900").exit_code == 0
    assert _run("rotate", "--overlap", "1", "--file", "signing-keys.json").exit_code == 0


def test_the_published_set_is_public(folder: Path) -> None:
    """What it prints is what the application serves."""
    _run("generate")
    published = json.loads(_run("publish").stdout)
    guard = Guard.from_config(folder / "jwt_guard.toml")
    assert guard.signing_keys is not None
    assert published == guard.signing_keys.public_jwks()


def test_a_file_may_be_named(tmp_path: Path) -> None:
    """No configuration is needed then."""
    file = str(tmp_path / "own.json")
    assert _run("generate", "--file", file).exit_code == 0
    assert len(_json("list", "--file", file)["keys"]) == 2


def test_wrong_use_is_2(folder: Path) -> None:
    """Making keys twice, retiring what is not there, naming nothing."""
    _run("generate")
    assert _run("generate").exit_code == 2
    assert _run("retire", "nobody").exit_code == 2
    assert _run("generate", "--algorithm", "none").exit_code == 2
    assert _run("generate", "--file", "missing-folder/keys.json").exit_code == 2
    assert _run("list", "--config", "missing.toml").exit_code == 2
    (folder / "other.toml").write_text('audience = "x"\n[tokens]\nissuer = "y"\n')
    assert _run("list", "--config", "other.toml").exit_code == 2
    (folder / "env.toml").write_text(
        'audience = "x"\n[tokens]\nissuer = "y"\nsigning_keys = "env:KEYS"\n'
    )
    assert _run("list", "--config", "env.toml").exit_code == 2


@pytest.mark.parametrize(
    "arguments", [["list"], ["rotate", "--overlap", "600"], ["publish"], ["retire", "x"]]
)
def test_a_file_that_is_not_there_is_wrong_use(folder: Path, arguments: list[str]) -> None:
    """As it is for every command, with the file's name and how to make it."""
    result = _run(*arguments, "--file", "nope.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == ("there is no file nope.json: make it with `jwt-guard keys generate`\n")


def test_a_file_that_cannot_be_made_is_told_by_its_path(folder: Path) -> None:
    """Else nobody would know which file it is that the system has not."""
    result = _run("generate", "--file", "missing-folder/keys.json")
    assert result.stderr == "missing-folder/keys.json: No such file or directory\n"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"keys": [{"kty": "EC"}]}', "\0"])
def test_bad_keys_are_1(folder: Path, text: str) -> None:
    """Whatever is asked of them, in one line without a traceback."""
    (folder / "signing-keys.json").write_text(text)
    for arguments in (["list"], ["rotate"], ["publish"], ["retire", "x"]):
        result = _run(*arguments)
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1

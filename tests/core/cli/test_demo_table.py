"""The command demo, as a shell sees it: real applications on real servers."""

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jwt_guard.keys.signing import SigningKeys, generate_key

COMMAND = [sys.executable, "-c", "from jwt_guard.cli import main; main()", "demo"]
FRAMEWORKS = ["starlette", "fastapi", "flask", "django"]


def _run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, *map(str, arguments)]
    environ = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ)


def _configuration(folder: Path, more: str) -> Path:
    (folder / "keys.json").write_text(json.dumps({"keys": [generate_key("ES256")]}))
    file = folder / "jwt_guard.toml"
    file.write_text(
        'audience = "https://api.example.test"\n'
        '[tokens]\nissuer = "https://app.example.test"\nsigning_keys = "keys.json"\n' + more
    )
    return file


def test_an_answer_that_differs_is_marked_and_fails(tmp_path: Path) -> None:
    """A hierarchy in which an admin is no analyst changes one; the table says so, in ASCII too."""
    more = '[roles]\nhierarchy = { admin = ["viewer"], analyst = ["viewer"] }\n'
    done = _run("--config", _configuration(tmp_path, more), PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["request", "what", "it", "shows", "expected", *FRAMEWORKS]
    (wrong,) = [line for line in lines if " x " in line]
    assert wrong.startswith("GET /reports")
    assert wrong.count("x 403") == len(FRAMEWORKS)
    assert re.fullmatch(r"(\d+) of \d+ as expected, on 4 frameworks", lines[-1])


def test_a_file_that_only_verifies_is_lent_tokens(tmp_path: Path) -> None:
    """A configuration of an outside issuer alone is no hindrance."""
    keys = SigningKeys.from_jwks({"keys": [generate_key("ES256")]}).public_jwks()
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    file = tmp_path / "jwt_guard.toml"
    file.write_text(
        'audience = "https://api.example.test"\n[[issuers]]\n'
        'issuer = "https://issuer.example.test"\nkeys = "keys.json"\nalgorithms = ["ES256"]\n'
    )
    done = _run("--json", "--config", file)
    assert done.returncode == 0, done.stderr
    _is_whole_tour(json.loads(done.stdout))


@pytest.mark.parametrize("more", ['[tokens]\nissuer = ""\n', "audience = 5\n"])
def test_a_wrong_configuration_is_wrong_use(tmp_path: Path, more: str) -> None:
    """Status 2, with every mistake, before anything is started."""
    file = tmp_path / "jwt_guard.toml"
    file.write_text(more)
    done = _run("--config", file)
    assert done.returncode == 2
    assert "audience" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_keeps_them_up_with_lines_that_work() -> None:
    """The JSON of a whole tour, then curl lines that answer as they should, until Ctrl-C."""
    command = [*COMMAND, "--json", "--serve"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        _is_whole_tour(json.loads(demo.stdout.readline()))
        lines: list[str] = []
        while len(lines) < 3 * len(FRAMEWORKS):
            line = demo.stderr.readline().strip()
            lines += [line] if line.startswith("curl") else []
        assert [_status(line) for line in lines] == [200, 401, 200] * len(FRAMEWORKS)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0


def _is_whole_tour(steps: list[dict[str, Any]]) -> None:
    assert len(steps) > 30
    for step in steps:
        assert step["ok"]
        assert list(step["answers"]) == FRAMEWORKS
        assert all(answer == step["expected"] for answer in step["answers"].values())
    assert {200, 201, 400, 401, 403, 404} == {step["expected"]["status"] for step in steps}


def _status(line: str) -> int:
    words = shlex.split(line, comments=True)
    (url,) = [word for word in words if word.startswith("http")]
    headers = dict([words[words.index("-H") + 1].split(": ", 1)]) if "-H" in words else {}
    return httpx2.get(url, headers=headers, trust_env=False).status_code


def test_rows_come_one_by_one_on_a_terminal() -> None:
    """Whoever watches sees each answer as it comes, and no line is longer than the terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        COMMAND, stdout=theirs, stderr=theirs, env={**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    ) as demo:
        os.close(theirs)
        pieces = list(_pieces(ours))
        assert demo.wait(30) == 0
    shown = b"".join(pieces).decode()
    rows = [line for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines() if line]
    assert len([piece for piece in pieces if "✓".encode() in piece]) > 5
    assert max(len(row.rstrip()) for row in rows) <= 80
    assert re.match(r"(\d+) of \1 as expected", rows[-1])


def _pieces(terminal: int) -> Any:
    """What is written, in the portions in which it comes."""
    while select.select([terminal], [], [], 60)[0]:
        try:
            yield os.read(terminal, 65536)
        except OSError:  # so Linux says that the other side is closed
            return

"""Runs the documentation: every `{code-block}` of a page, in order, as a newcomer would.

A page has a folder of its own and one terminal. What a block is for, its language and caption say:

- a caption that is a file's name: the block is written there; `NAME, at the end` appends it;
- `console`: lines that begin with `$ ` are typed (`> ` continues one), each must succeed, and what
  is shown below it must stand in what it prints, `...` being anything;
- `console` with the caption `a terminal of its own`: a server, which runs until the page ends;
- `python` without a caption: run here, in the page's namespace.

Port 8000 of the pages is a free one here. A plain fence, without `{code-block}`, is only shown.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst.lexers import DirectiveLexer

from tests.support.requirements import require_or_skip

_SERVER = "a terminal of its own"
_AT_THE_END = ", at the end"
_PORT = "8000"
_PATIENCE = 30.0
_PROGRAMS = ("bash", "curl")

_python = PythonEvaluator()


class Terminal:
    """A shell with variables that last, in a folder that does not."""

    def __init__(self) -> None:
        self._temporary = TemporaryDirectory()
        self.folder = Path(self._temporary.name, "project")
        self.port = _free_port()
        self._home = Path(self._temporary.name, "home")
        self._servers: list[subprocess.Popen[str]] = []
        self.folder.mkdir()
        self._home.mkdir()
        # In a terminal curl shows no progress either.
        self._home.joinpath(".curlrc").write_text("silent\nshow-error\n", encoding="ascii")
        self._shell = self._started("exec bash --noprofile --norc", subprocess.PIPE)

    def _started(self, command: str, output: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - what our own pages say
            ["bash", "-c", command],  # noqa: S607 - the PATH is the point
            cwd=self.folder,
            env={
                "HOME": str(self._home),
                "LANG": "C.UTF-8",
                "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
                "PYTHONUNBUFFERED": "1",  # what is printed comes in the order of a terminal
            },
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def type(self, command: str) -> tuple[str, int]:
        """Run a command; what it printed, and its exit status."""
        stdin, stdout = self._shell.stdin, self._shell.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n--status %d\\n' $?\n")
        stdin.flush()
        lines: list[str] = []
        for line in stdout:
            if line.startswith("--status "):
                return "".join(lines), int(line.split()[1])
            lines.append(line)
        raise AssertionError(f"the shell ended: {''.join(lines)}")

    def serve(self, command: str) -> None:
        """Start a server and wait until it listens."""
        log = self._home / "server.log"
        with log.open("w") as output:
            server = self._started(command, output)
        self._servers.append(server)
        deadline = time.monotonic() + _PATIENCE
        while not _listens(self.port):
            late = time.monotonic() > deadline
            assert server.poll() is None and not late, log.read_text()  # noqa: PT018 - one reason
            time.sleep(0.05)

    def close(self) -> None:
        """Stop what runs, and remove the folder."""
        for process in (*self._servers, self._shell):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self._temporary.cleanup()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def _blocks(document: Document) -> Iterator[Region]:
    for region in DirectiveLexer("code-block")(document):
        caption = region.lexemes["options"].get("caption")
        language = region.lexemes["arguments"]
        if caption == _SERVER:
            region.evaluator = _serve
        elif caption is not None:
            region.evaluator = _write
        elif language == "console":
            region.evaluator = _type
        elif language == "python":
            region.evaluator = _run
        else:
            continue
        region.parsed = region.lexemes["source"]
        yield region


def _terminal(example: Example) -> Terminal:
    if "terminal" not in example.namespace:
        found = all(map(shutil.which, _PROGRAMS))
        require_or_skip("curl", found, f"these pages need {' and '.join(_PROGRAMS)}")
        example.namespace["terminal"] = Terminal()
    terminal: Terminal = example.namespace["terminal"]
    return terminal


def _write(example: Example) -> None:
    caption: str = example.region.lexemes["options"]["caption"]
    file = _terminal(example).folder / caption.removesuffix(_AT_THE_END)
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text(encoding="utf-8") if caption.endswith(_AT_THE_END) else ""
    file.write_text(before + example.parsed, encoding="utf-8")


def _run(example: Example) -> None:
    with chdir(_terminal(example).folder):
        _python(example)


def _type(example: Example) -> None:
    for command, shown in _commands(example):
        printed, status = _terminal(example).type(command)
        assert status == 0, f"$ {command}\nended with {status}:\n{printed}"
        pattern = ".*?".join(map(re.escape, shown.split("...")))
        assert re.search(pattern, printed, re.DOTALL), f"$ {command}\nprinted:\n{printed}"


def _serve(example: Example) -> None:
    ((command, _),) = _commands(example)
    _terminal(example).serve(command)


def _commands(example: Example) -> Iterator[tuple[str, str]]:
    """The commands of a block, each with what is shown below it."""
    source = example.parsed.replace(_PORT, str(_terminal(example).port))
    for part in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
        typed, *rest = part.rstrip().split("\n")
        while rest and rest[0].startswith("> "):
            typed += "\n" + rest.pop(0)[2:]
        yield typed, "\n".join(rest)


def _close(namespace: dict[str, Any]) -> None:
    if "terminal" in namespace:
        namespace["terminal"].close()


pytest_collect_file = Sybil(parsers=[_blocks], pattern="*.md", teardown=_close).pytest()


def pytest_itemcollected(item: pytest.Item) -> None:
    """The examples of a page need each other, so one worker runs them all."""
    item.add_marker(pytest.mark.xdist_group(item.path.name))

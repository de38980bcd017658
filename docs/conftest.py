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

from sybil import Document, Example, Region, Sybil
from sybil.parsers.myst.lexers import DirectiveLexer

from tests.support.requirements import require_or_skip

_SERVER = "a terminal of its own"
_AT_THE_END = ", at the end"
_PORT = "8000"
_PATIENCE = 30.0
_PROGRAMS = ("bash", "curl")


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


class Page:
    """The blocks of a page, followed one after the other."""

    def __init__(self, example: Example) -> None:
        self._path = example.path
        self._namespace = example.namespace
        self._terminal = Terminal()

    def follow(self, block: Region, line: int) -> None:
        """Do what a block shows.

        Args:
            block: the block.
            line: its first one in the page.
        """
        caption: str | None = block.lexemes["options"].get("caption")
        source = str(block.lexemes["source"])
        if caption == _SERVER:
            ((command, _),) = self._commands(source)
            self._terminal.serve(command)
        elif caption is not None:
            self._write(caption, source)
        elif block.lexemes["arguments"] == "console":
            self._type(source)
        elif block.lexemes["arguments"] == "python":
            self._run("\n" * (line + 1) + source)

    def close(self) -> None:
        """Stop and remove everything."""
        self._terminal.close()

    def _write(self, caption: str, source: str) -> None:
        file = self._terminal.folder / caption.removesuffix(_AT_THE_END)
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text(encoding="utf-8") if caption.endswith(_AT_THE_END) else ""
        file.write_text(before + source, encoding="utf-8")

    def _run(self, source: str) -> None:
        with chdir(self._terminal.folder):
            exec(compile(source, self._path, "exec"), self._namespace)  # noqa: S102 - our own page

    def _type(self, source: str) -> None:
        for command, shown in self._commands(source):
            printed, status = self._terminal.type(command)
            assert status == 0, f"$ {command}\nended with {status}:\n{printed}"
            pattern = ".*?".join(map(re.escape, shown.split("...")))
            found = re.search(pattern, printed, re.DOTALL)
            assert found, f"$ {command}\nshould print:\n{shown}\nprinted:\n{printed}"

    def _commands(self, source: str) -> Iterator[tuple[str, str]]:
        """The commands of a block, each with what is shown below it."""
        source = source.replace(_PORT, str(self._terminal.port))
        for part in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
            typed, *rest = part.rstrip().split("\n")
            while rest and rest[0].startswith("> "):
                typed += "\n" + rest.pop(0)[2:]
            yield typed, "\n".join(rest)


def _page(document: Document) -> Iterator[Region]:
    """A page is one test: its blocks need each other, and wherever they run, they run together."""
    blocks = list(DirectiveLexer("code-block")(document))
    if blocks:
        yield Region(blocks[0].start, blocks[-1].end, parsed=blocks, evaluator=_followed)


def _followed(example: Example) -> None:
    found = all(map(shutil.which, _PROGRAMS))
    require_or_skip("curl", found, f"these pages need {' and '.join(_PROGRAMS)}")
    page = Page(example)
    try:
        for block in example.parsed:
            line = example.document.text.count("\n", 0, block.start) + 1
            try:
                page.follow(block, line)
            except Exception as error:
                error.add_note(f"{example.path}, line {line}")
                raise
    finally:
        page.close()


pytest_collect_file = Sybil(parsers=[_page], pattern="*.md").pytest()

"""Programs on Node.js that tests talk to: installing their packages, running them, giving orders.

A program here serves HTTP on loopback and takes orders as JSON lines on its standard input, one
answer a line on its standard output. It ends when its standard input closes, so it never outlives
the process that started it, however that process ends.
"""

import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

_PATIENCE = 30.0
_MINIMUM = (20, 12)


class NodeError(Exception):
    """A Node.js program did not install, start, answer or do as told."""


class InstallationError(NodeError):
    """The packages of a program could not be installed."""


def missing_node() -> str | None:
    """Why no Node.js program can run here, or None when one can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Node.js and npm are not installed"
    shown = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    version = tuple(int(part) for part in shown.stdout.strip().lstrip("v").split(".")[:2])
    if version < _MINIMUM:
        return f"Node.js {'.'.join(map(str, _MINIMUM))} or later is needed"
    return None


def install_packages(folder: Path) -> None:
    """Install what ``folder/package.json`` names, once for all test processes.

    Raises InstallationError when npm fails.
    """
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _installed(folder):
            _npm_install(folder)


def _installed(folder: Path) -> bool:
    # npm writes this record last, so that a broken-off installation has none.
    record = folder / "node_modules" / ".package-lock.json"
    return record.exists() and record.stat().st_mtime >= (folder / "package.json").stat().st_mtime


def _npm_install(folder: Path) -> None:
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InstallationError(f"npm install failed: {done.stderr.strip()}")
    (folder / "node_modules" / ".package-lock.json").touch()


class NodeProgram:
    """A running program and the pipe through which it takes orders, one at a time."""

    def __init__(self, script: Path, *arguments: str) -> None:
        """Start the script. Raises NodeError unless it reports that it is ready."""
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            ["node", str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "NODE_ENV": "production"},
        )
        try:
            self.ready: Mapping[str, Any] = self._answer()
        except NodeError:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The program's process number."""
        return self._process.pid

    def order(self, command: str, **arguments: Any) -> Any:
        """Give one order and return its result. Raises NodeError when it is not carried out."""
        with self._lock:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
                self._process.stdin.flush()
            except OSError as error:
                raise NodeError(f"the program has ended: {self._complaints()}") from error
            return self._answer()

    def stop(self) -> None:
        """End the program and wait until it is gone. Stopping twice is harmless."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        # One answer an order, so nothing can wait unseen in the reader's own buffer.
        readable, _, _ = select.select([self._process.stdout], [], [], _PATIENCE)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            raise NodeError(f"no answer from the program: {self._complaints()}")
        answer = json.loads(line)
        if not answer["ok"]:
            raise NodeError(answer["error"])
        return answer["result"]

    def _complaints(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2000:]

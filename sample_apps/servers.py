"""The sample applications as processes: started on free ports, awaited, stopped."""

import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import httpx2

__all__ = ["EVERYWHERE", "FRAMEWORKS", "RunningApp", "free_port", "running_apps"]

FRAMEWORKS = ("starlette", "fastapi", "flask", "django")
"""The frameworks that the tour compares."""

EVERYWHERE = ("starlette", "fastapi", "flask", "django", "django-asgi")
"""Every way in which the sample applications can be served."""

_PATIENCE = 60.0
_GRACE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningApp:
    """A sample application that answers.

    Attributes:
        framework: its framework's name.
        url: where it listens, without a slash at the end.
    """

    framework: str
    url: str


@contextmanager
def running_apps(
    config: Path, frameworks: Sequence[str] = FRAMEWORKS
) -> Generator[tuple[RunningApp, ...]]:
    """Start one application a framework, all with the same configuration; stop them at the end.

    Raises:
        RuntimeError: one of them ends, or does not answer within a minute.
    """
    with ExitStack() as stack:
        started = [stack.enter_context(_started(name, config)) for name in frameworks]
        for each in started:
            each.await_answer()
        yield tuple(RunningApp(framework=each.name, url=each.url) for each in started)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    """An application that has been started, and the file that it complains to."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    complaints: IO[bytes]

    def await_answer(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the {self.name} application ended:\n{self._last_words()}")
            try:
                httpx2.get(f"{self.url}/public", timeout=2)
            except httpx2.TransportError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"the {self.name} application did not answer in {_PATIENCE:g} seconds")

    def _last_words(self) -> str:
        self.complaints.seek(0)
        return self.complaints.read().decode("utf-8", "replace")[-2000:]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def _started(name: str, config: Path) -> Generator[_Started]:
    port = free_port()
    framework, _, mode = name.partition("-")
    command = [sys.executable, "-m", f"sample_apps.{framework}_app"]
    command += ["--port", str(port), "--config", str(config), *([f"--{mode}"] if mode else [])]
    root = Path(__file__).resolve().parent.parent
    # Not a pipe, which nobody would empty: once full, it would hold the application up.
    with TemporaryFile() as complaints:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            command, cwd=root, stdout=subprocess.DEVNULL, stderr=complaints
        )
        url = f"http://127.0.0.1:{port}"
        started = _Started(name=name, url=url, process=process, complaints=complaints)
        try:
            yield started
        finally:
            started.stop()


def free_port() -> int:
    """A port of this machine that nobody listens on, just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

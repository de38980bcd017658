"""The sample applications as processes: started on free ports, awaited, stopped."""

import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

__all__ = ["EVERYWHERE", "FRAMEWORKS", "RunningApp", "running_apps"]

FRAMEWORKS = ("starlette", "fastapi", "flask", "django")
"""The frameworks that the tour compares."""

EVERYWHERE = ("starlette", "fastapi", "flask", "django", "django-asgi")
"""Every way in which the sample applications can be served."""

_PATIENCE = 30.0
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
        RuntimeError: one of them ends, or does not answer within 30 seconds.
    """
    with ExitStack() as stack:
        started = [(name, *stack.enter_context(_process(name, config))) for name in frameworks]
        for name, process, url in started:
            _await_answer(name, process, url)
        yield tuple(RunningApp(framework=name, url=url) for name, _, url in started)


@contextmanager
def _process(name: str, config: Path) -> Generator[tuple[subprocess.Popen[bytes], str]]:
    port = _free_port()
    framework, _, mode = name.partition("-")
    command = [sys.executable, "-m", f"sample_apps.{framework}_app"]
    command += ["--port", str(port), "--config", str(config), *([f"--{mode}"] if mode else [])]
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(  # noqa: S603 - our own module, no shell
        command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _await_answer(name: str, process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the {name} application ended at start:\n{_last_words(process)}")
        try:
            httpx2.get(f"{url}/public", timeout=2)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the {name} application did not answer within {_PATIENCE:g} seconds")


def _last_words(process: subprocess.Popen[bytes]) -> str:
    said = process.stderr.read() if process.stderr else b""
    return said.decode("utf-8", "replace")[-2000:]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr:
        process.stderr.close()

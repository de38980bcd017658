"""Somebody who forgot the extra is told which one, by its name."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("framework", ["django", "flask"])
def test_adapter_names_its_extra(framework: str) -> None:
    """Importing an adapter without its framework fails with the line that helps."""
    done = _import_without(framework, f"jwt_guard_{framework}")
    assert done.returncode == 1
    last_line = done.stderr.strip().splitlines()[-1]
    assert last_line.startswith("ImportError: ")
    assert f"jwt-guard-web[{framework}]" in last_line


def test_asgi_middleware_needs_no_framework() -> None:
    """The ASGI adapter speaks the protocol itself, so that it serves any ASGI application."""
    done = _import_without("starlette", "jwt_guard_asgi")
    assert done.returncode == 0, done.stderr


def _import_without(framework: str, package: str) -> subprocess.CompletedProcess[str]:
    # None in sys.modules makes Python behave as if the module were not installed.
    program = f"import sys; sys.modules[{framework!r}] = None; import {package}"
    command = [sys.executable, "-P", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False)

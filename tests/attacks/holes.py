"""What is asked of every server with a hole; some files ask it of some each, to be run at once."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.attacks.vulnerable.base import SoundServer
from tests.attacks.vulnerable.declared import EXPECTED
from tests.attacks.vulnerable.setting import attacked

__all__ = ["each_hole_of", "is_found"]


def each_hole_of(*modules: ModuleType) -> pytest.MarkDecorator:
    """The test's `server` is each server that is broken in one of these files."""
    names = {module.__name__ for module in modules}
    servers = [server for server in EXPECTED if server.__module__ in names]
    return pytest.mark.parametrize("server", servers, ids=lambda server: server.__name__)


def is_found(server: type[SoundServer]) -> None:
    """A server broken in one place is found by the declared attacks and nothing else."""
    report = attacked(server())
    assert {result.attack.id for result in report.findings} == EXPECTED[server]

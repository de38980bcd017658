"""The page about auditing says what the code does."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from jwt_guard.audit.detect.suite import RULES
from jwt_guard.audit.settings import DetectorsConfig, FileConfig, PrivacyConfig
from jwt_guard.cli.audit import audit

PAGE = (Path(__file__).parents[3] / "docs" / "audit.md").read_text()


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained(rule: str) -> None:
    """By its name."""
    assert f"| `{rule}` |" in PAGE


@pytest.mark.parametrize("command", sorted(audit.commands))
def test_every_command_is_named(command: str) -> None:
    """In the table of commands."""
    assert f"`audit {command}" in PAGE


@pytest.mark.parametrize("section", [FileConfig, PrivacyConfig, DetectorsConfig])
def test_every_setting_of_the_inner_tables_is_explained(section: type) -> None:
    """With its default."""
    for each in fields(section):
        default: Any = each.default
        shown = {None: "not set", (): "not set", True: "`true`", False: "`false`"}
        expected = shown.get(
            default, f"`{default}`" if not isinstance(default, str) else f'`"{default}"`'
        )
        assert f"| `{each.name}` | {expected} |" in PAGE, each.name

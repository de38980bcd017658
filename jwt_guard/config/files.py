"""TOML files, and the environment that overrules them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jwt_guard.errors import ConfigurationError, Problem

__all__ = ["ENVIRONMENT_PREFIX", "overruled", "parsed"]

ENVIRONMENT_PREFIX = "JWT_GUARD__"
"""Environment variables that overrule a file: `JWT_GUARD__CACHE__SIZE=0`."""


def parsed(file: Path) -> dict[str, Any]:
    """The raw tables of a file.

    Raises:
        ConfigurationError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(file, error.strerror or "cannot be read") from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, f"is not TOML: {error}") from None


def _unreadable(file: Path, message: str) -> ConfigurationError:
    return ConfigurationError(
        Problem(path=str(file), message=message, remedy="give the path of a TOML file")
    )


def overruled(raw: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The raw tables with the environment's values in place of the file's."""
    for name in sorted(environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            steps = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            table = _table_at(raw, steps[:-1])
            if table is None:
                raw[name] = environ[name]  # reported as what is no setting
            else:
                table[steps[-1]] = _typed(environ[name])
    return raw


def _table_at(tables: dict[str, Any], steps: list[str]) -> dict[str, Any] | None:
    """The table that these steps lead to; None where something else stands in the way."""
    for step in steps:
        tables = tables.setdefault(step, {})
        if not isinstance(tables, dict):
            return None
    return tables


def _typed(raw: str) -> Any:
    """A TOML value where the text is one, else the text."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except (ValueError, RecursionError):
        return raw

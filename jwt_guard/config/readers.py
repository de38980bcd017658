"""Values that several sections hold, and how their mistakes are told."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jwt_guard.errors import Problem
from jwt_guard.settings import Mistake, text

__all__ = ["DAY", "issuer_name", "key_material", "problem_at"]

DAY = 86_400
"""In seconds."""


def issuer_name(value: Any) -> str:
    """The exact value of `iss`."""
    name = text(value)
    if name != name.strip() or "#" in name:
        raise Mistake("holds a space or a fragment", "write the exact value of `iss`")
    return name


def key_material(value: Any) -> str | dict[str, Any]:
    """Where keys are, or a JWKS."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, os.PathLike):
        return str(Path(value))
    return text(value)


def problem_at(at: str, name: str, message: str, remedy: str) -> Problem:
    """A mistake of the setting of that name in the section that stands there."""
    return Problem(path=f"{at}.{name}" if at else name, message=message, remedy=remedy)

"""Writes `configuration.md` from the declarations that the configuration is read by.

    python docs/configuration_reference.py

The tests hold the committed page to what this prints.
"""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from jwt_guard.config import Config

PAGE = Path(__file__).with_name("configuration.md")

_INTRODUCTION = """\
# Configuration

One configuration for every framework: a TOML file, or the same keys as a mapping: `JWT_GUARD` in
Django's settings and in Flask's `app.config`, or `Guard.from_config({...})` in code. Relative paths
start from the file's folder.

Variables of the environment overrule a file, and no mapping: `JWT_GUARD__CACHE__SIZE=0` sets `size`
of `[cache]`. What is a TOML value counts as that, all else as text. So a list is as in TOML:

| variable | is |
| --- | --- |
| `JWT_GUARD__AUDIENCE='["a", "b"]'` | two audiences |
| `JWT_GUARD__AUDIENCE=a,b` | one audience, `a,b` |
| `JWT_GUARD__ROUTES__PUBLIC='["/health"]'` | the public paths, in place of the file's |

No variable reaches into one of the `[[issuers]]`; `JWT_GUARD__ISSUERS` replaces them all. Where
staging and production trust different issuers, give each a file of its own, which `--config`, or
the variable `JWT_GUARD_CONFIG`, names to the commands. Where only keys or a secret differ,
`env:NAME` refers to a variable.

All mistakes are reported at once, each with its path and what would be right; nothing unknown is
ignored.

<!-- Written by `python docs/configuration_reference.py` from the code. -->
"""


def page() -> str:
    """The whole page, Markdown."""
    return "\n".join([_INTRODUCTION, _heading("Top level"), _rows(Config), *_tables(Config, "")])


def _tables(section: type[Any], above: str) -> Iterator[str]:
    """The tables below a section, each with those below it."""
    for f in fields(section):
        nested = f.metadata.get("nested")
        if nested is not None:
            path = f"{above}{f.name}"
            yield _heading(f"`[[{path}]]`" if nested.many else f"`[{path}]`")
            yield _summary(nested.section)
            yield _rows(nested.section)
            yield from _tables(nested.section, f"{path}.")


def _heading(text: str) -> str:
    return f"## {text}\n"


def _summary(section: type[Any]) -> str:
    text = (section.__doc__ or "").strip().split("\n")[0]
    return text.partition(": ")[2].capitalize() + "\n"


def _rows(section: type[Any]) -> str:
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    rows += [_row(f) for f in fields(section) if "read" in f.metadata]
    return "\n".join(rows) + "\n"


def _row(f: Field[Any]) -> str:
    doc = f.metadata["doc"].replace("|", "\\|")
    return f"| `{f.name}` | {_default(f)} | {doc} |"


def _default(f: Field[Any]) -> str:
    value = f.default if f.default_factory is MISSING else f.default_factory()
    if value is MISSING:
        return "required"
    if value in (None, (), {}) or is_dataclass(value):
        return "not set"
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:.12g}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

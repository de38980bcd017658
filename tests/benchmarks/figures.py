"""What a benchmark found: printed as a table, written as JSON, Markdown and a plot."""

import json
import os
import platform
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["DOCS", "Figures", "Table", "machine", "publish"]

DOCS = Path(__file__).parents[2] / "docs" / "speed"
"""Where the documentation takes tables and plots from."""

_NAMED = (
    "cryptography",
    "joserfc",
    "msgspec",
    "PyJWT",
    "oxyjwt",
    "starlette",
    "fastapi",
    "Flask",
    "Django",
    "djangorestframework",
    "flask-jwt-extended",
    "djangorestframework-simplejwt",
    "authx",
    "axioms-fastapi",
    "auth0-fastapi-api",
    "uvicorn",
    "gunicorn",
)

Cell = str | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; the first column says what was measured."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def text(self) -> str:
        """For a terminal."""
        lines = [list(self.head), *([_shown(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.head))]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in lines
        )

    def markdown(self) -> str:
        """For the documentation."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        lines = [self.head, rule, *([_shown(cell) for cell in row] for row in self.rows)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    return f"{cell:,.0f}" if cell >= 100 else f"{cell:.1f}" if cell >= 10 else f"{cell:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one benchmark found.

    Attributes:
        name: of the files.
        title: what was measured, and in which unit.
        table: for readers.
        measured: the raw figures, for programs.
        plots: SVG by the name of its file.
    """

    name: str
    title: str
    table: Table
    measured: Mapping[Any, object]
    plots: Mapping[str, str] = field(default_factory=dict[str, str])


def publish(figures: Figures, folder: Path | None = DOCS) -> None:
    """Print the table; write everything into a folder, unless it is None."""
    print(f"\n{figures.title}\n{machine()['text']}\n\n{figures.table.text()}\n")
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"title": figures.title, "machine": machine(), "measured": figures.measured}
    (folder / f"{figures.name}.json").write_text(json.dumps(whole, indent=1) + "\n")
    caption = f"\n{figures.title} {machine()['text']}.\n"
    (folder / f"{figures.name}.inc").write_text(figures.table.markdown() + caption)
    for name, plot in figures.plots.items():
        (folder / f"{name}.svg").write_text(plot)


def machine() -> dict[str, object]:
    """What it was measured on."""
    python = f"{platform.python_implementation()} {platform.python_version()}{_build()}"
    cores = os.cpu_count() or 1
    today = datetime.now(UTC).date().isoformat()
    return {
        "text": f"{python}, {sys.platform}, {cores} cores of {_processor()}, {today}",
        "packages": {name: found for name in _NAMED if (found := _version(name))},
    }


def _build() -> str:
    """Whether the interpreter was built to be as fast as it can be, as distributions do."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return " (optimised build)" if "--enable-optimizations" in arguments else " (plain build)"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

"""Two kinds of plot, drawn by hand: bars for comparisons, lines for growth.

Readable in print, on a light and on a dark page.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["bars", "lines"]

_COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#64748b", "#0891b2")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2937}.t{font-size:14px;font-weight:600}"
    ".a{stroke:#9ca3af;stroke-width:1}"
    "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}}"
)


def bars(title: str, values: Mapping[str, float], *, unit: str, goal: float | None = None) -> str:
    """Horizontal bars on a linear scale, one a name; a dashed line where the goal is."""
    left, width, step = 230, 400, 24
    height = 50 + step * len(values) + 10
    top = max([*values.values(), goal or 0]) or 1
    parts = [_text(10, 24, title, "t")]
    for place, (name, value) in enumerate(values.items()):
        y = 44 + step * place
        length = max(1.0, width * value / top)
        colour = _COLOURS[0] if name.startswith("jwt_guard") else _COLOURS[5]
        parts.append(_text(left - 8, y + 14, name, anchor="end"))
        parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="17" fill="{colour}"/>')
        parts.append(_text(left + length + 6, y + 14, f"{value:,.2f} {unit}"))
    if goal is not None:
        x = left + width * goal / top
        parts.append(_line(x, 38, x, height - 12, dashed=True))
    return _document(left + width + 110, height, parts)


def lines(
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    across: str,
    up: str,
) -> str:
    """Lines over a logarithmic horizontal axis; the vertical one is linear and starts at 0."""
    left, top, width, height = 60, 50, 480, 240
    points = [point for line in series.values() for point in line]
    low, high = (math.log10(pick(x for x, _ in points)) for pick in (min, max))
    peak = max(y for _, y in points) * 1.1 or 1

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(x) - low) / ((high - low) or 1)
        return left + width * share, top + height * (1 - y / peak)

    parts = [_text(10, 24, title, "t"), _text(10, 42, up)]
    parts.append(_line(left, top + height, left + width, top + height))
    parts.append(_line(left, top, left, top + height))
    parts += [
        _text(place(x, 0)[0], top + height + 18, f"{x:,.0f}", anchor="middle")
        for x in sorted({x for x, _ in points})
    ]
    parts.append(_text(left + width / 2, top + height + 38, across, anchor="middle"))
    for share in (0.5, 1.0):
        y = peak / 1.1 * share
        parts.append(_text(left - 6, place(1, y)[1] + 4, f"{y:,.3g}", anchor="end"))
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{at:.1f},{over:.1f}" for at, over in (place(x, y) for x, y in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [_dot(*place(x, y), colour) for x, y in line]
        y = top + 8 + 20 * number
        parts.append(_square(left + width + 16, y, colour))
        parts.append(_text(left + width + 34, y + 11, name))
    return _document(left + width + 230, top + height + 50, parts)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _square(x: float, y: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, *, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}" class="a"{dashes}/>'


def _document(width: float, height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>\n"])

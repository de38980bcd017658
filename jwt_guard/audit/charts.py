"""Charts as SVG, drawn here: no script, nothing to load, readable by a screen reader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Series", "bar_list", "stacked_columns"]

_WIDTH, _HEIGHT = 960, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 12, 28
_ROW = 26


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of column.

    Attributes:
        name: what the legend calls it.
        css: the class that gives it its colour.
        values: one number an interval.
    """

    name: str
    css: str
    values: Sequence[int]


def stacked_columns(title: str, series: Sequence[Series], labels: Sequence[str]) -> str:
    """Columns over time, each made of the series, the first at the bottom.

    Args:
        title: what a screen reader says of it.
        series: what is stacked; all of one length.
        labels: what to say of each interval.
    """
    totals = [sum(values) for values in zip(*(each.values for each in series), strict=True)]
    top = _round_up(max(totals, default=0))
    parts = [_grid(top), _time_axis(labels)]
    for place, label in enumerate(labels):
        parts.append(_column(place, len(labels), series, top, label))
    return (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f"{''.join(parts)}</svg>"
    )


def _round_up(value: int) -> int:
    """The next number whose quarters are round."""
    scale = 1
    while True:
        for nice in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8):
            quarter = nice * scale
            if quarter == int(quarter) and 4 * quarter >= value:
                return int(4 * quarter)
        scale *= 10


def _y(value: float, top: int) -> float:
    return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)


def _grid(top: int) -> str:
    lines = []
    for quarter in range(5):
        value = top * quarter // 4
        y = _y(value, top)
        lines.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,}</text>'
        )
    return "".join(lines)


def _time_axis(labels: Sequence[str]) -> str:
    step = max(1, len(labels) // 6)
    width = (_WIDTH - _LEFT - _RIGHT) / max(1, len(labels))
    return "".join(
        f'<text class="tick" x="{_LEFT + place * width:.1f}" y="{_HEIGHT - 8}">'
        f"{escape(labels[place])}</text>"
        for place in range(0, len(labels) - step // 2, step)
    )


def _column(place: int, places: int, series: Sequence[Series], top: int, label: str) -> str:
    width = (_WIDTH - _LEFT - _RIGHT) / places
    x, below, boxes = _LEFT + place * width + 1, 0, []
    for each in series:
        value = each.values[place]
        if value:
            y, bottom = _y(below + value, top), _y(below, top)
            boxes.append(
                f'<rect class="{each.css}" x="{x:.1f}" y="{y:.1f}" width="{width - 2:.1f}" '
                f'height="{max(1.0, bottom - y):.1f}"/>'
            )
        below += value
    told = ", ".join(f"{each.name} {each.values[place]:,}" for each in series)
    return f"<g><title>{escape(label)}: {escape(told)}</title>{''.join(boxes)}</g>"


def bar_list(title: str, values: Mapping[str, int], css: str, *, most: int = 8) -> str:
    """Horizontal bars with their names and numbers, the longest first."""
    shown = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:most]
    if not shown:
        return '<p class="none">None.</p>'
    longest = shown[0][1]
    rows = "".join(
        _bar(place, name, value, longest, css) for place, (name, value) in enumerate(shown)
    )
    height = len(shown) * _ROW
    return f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 460 {height}">{rows}</svg>'


def _bar(place: int, name: str, value: int, longest: int, css: str) -> str:
    y = place * _ROW
    width = max(2.0, value / max(1, longest) * 180)
    shown = name if len(name) <= 28 else f"{name[:27]}…"
    return (
        f"<g><title>{escape(name)}: {value:,}</title>"
        f'<text class="name" x="0" y="{y + 17}">{escape(shown)}</text>'
        f'<rect class="{css}" x="214" y="{y + 5}" width="{width:.1f}" height="16" rx="3"/>'
        f'<text class="value" x="{214 + width + 6:.1f}" y="{y + 17}">{value:,}</text></g>'
    )

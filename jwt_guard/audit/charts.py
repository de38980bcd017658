"""Charts drawn here: no script, nothing to load, sharp and readable at any width.

Columns and bars are SVG, measured in percent so that they fill whatever room there is; names and
numbers keep their size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Series", "Tick", "bar_list", "stacked_columns"]

_LAST_TICK = 96.0


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


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the time axis.

    Attributes:
        at: where, in percent of the width.
        label: what it says.
    """

    at: float
    label: str


def stacked_columns(
    title: str,
    series: Sequence[Series],
    labels: Sequence[str],
    ticks: Sequence[Tick] = (),
    *,
    steps: int = 4,
) -> str:
    """Columns over time, each made of the series, the first at the bottom.

    Args:
        title: what a screen reader says of it.
        series: what is stacked; all of one length.
        labels: what to say of each interval.
        ticks: the marks on the time axis.
        steps: into how many parts the scale is divided.
    """
    totals = [sum(values) for values in zip(*(each.values for each in series), strict=True)]
    top = _round_up(max(totals, default=0), steps)
    columns = "".join(
        _column(place, len(labels), series, top, label) for place, label in enumerate(labels)
    )
    told = ", ".join(f"{each.name} {sum(each.values):,}" for each in series)
    scale = "".join(f"<span>{top * step // steps:,}</span>" for step in range(steps, -1, -1))
    return (
        f'<div class="chart" role="img" aria-label="{escape(title)}: {escape(told)}">'
        f'<div class="scale">{scale}</div>'
        f'<svg class="plot">{_grid(steps, ticks)}{columns}</svg>'
        f'<svg class="axis">{"".join(map(_label, ticks))}</svg></div>'
    )


def _round_up(value: int, steps: int) -> int:
    """The next number that is divided into round steps."""
    scale = 1
    while True:
        for nice in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8):
            step = nice * scale
            if step == int(step) and steps * step >= value:
                return int(steps * step)
        scale *= 10


def _grid(steps: int, ticks: Sequence[Tick]) -> str:
    across = "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{y:.2f}%" y2="{y:.2f}%"/>'
        for y in (100 * step / steps for step in range(steps + 1))
    )
    down = "".join(
        f'<line class="grid" x1="{tick.at:.2f}%" x2="{tick.at:.2f}%" y1="0" y2="100%"/>'
        for tick in ticks
    )
    return across + down


def _label(tick: Tick) -> str:
    if tick.at > _LAST_TICK:
        return ""
    return f'<text x="{tick.at:.2f}%" y="15">{escape(tick.label)}</text>'


def _column(place: int, places: int, series: Sequence[Series], top: int, label: str) -> str:
    width = 100 / places
    below, boxes = 0, []
    for each in series:
        value = each.values[place]
        if value:
            boxes.append(
                f'<rect class="{each.css}" x="{(place + 0.1) * width:.2f}%" '
                f'y="{100 - (below + value) / top * 100:.2f}%" width="{0.8 * width:.2f}%" '
                f'height="{value / top * 100:.2f}%"/>'
            )
        below += value
    told = ", ".join(f"{each.name} {each.values[place]:,}" for each in series)
    whole = f'<rect class="hover" x="{place * width:.2f}%" width="{width:.2f}%" height="100%"/>'
    return f"<g><title>{escape(label)}: {escape(told)}</title>{whole}{''.join(boxes)}</g>"


def bar_list(title: str, values: Mapping[str, int], css: str, *, most: int = 8) -> str:
    """Horizontal bars with their names and numbers, the longest first."""
    shown = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:most]
    if not shown:
        return '<p class="none">None.</p>'
    longest = max(1, shown[0][1])
    rows = "".join(_bar(name, value, value / longest, css) for name, value in shown)
    return f'<ol class="bars" aria-label="{escape(title)}">{rows}</ol>'


def _bar(name: str, value: int, share: float, css: str) -> str:
    told = escape(name)
    return (
        f'<li><span class="name" title="{told}">{told}</span>'
        f'<svg aria-hidden="true"><rect class="{css}" width="{max(0.5, 100 * share):.1f}%" '
        f'height="100%" rx="3"/></svg><span class="value">{value:,}</span></li>'
    )

"""What a guard adds to a bare request, in process, by framework: we with a warm cache, and peers.

`python -m tests.benchmarks.per_request`
"""

import asyncio
from collections.abc import Callable, Mapping

from tests.benchmarks import asgi_apps, wsgi_apps
from tests.benchmarks.figures import Figures, Table, publish
from tests.benchmarks.measure import Timer, fastest
from tests.benchmarks.svg import bars

__all__ = ["GOALS", "figures", "measured"]

GOALS = {"ASGI": 4, "Starlette": 7, "Flask": 17, "Django": 13, "FastAPI": 28, "DRF": 42}
"""Microseconds that a cached token may add, on a machine where PyJWT's decorator adds 160."""

REFERENCE = 160
"""Microseconds that the decorator with PyJWT adds to a Django view, where the goals were set."""


def _groups(loop: asyncio.AbstractEventLoop) -> dict[str, Callable[[], dict[str, Timer]]]:
    return {
        "ASGI": lambda: asgi_apps.asgi(loop),
        "Starlette": lambda: asgi_apps.starlette(loop),
        "Flask": wsgi_apps.flask,
        "Django": wsgi_apps.django_views,
        "FastAPI": lambda: asgi_apps.fastapi(loop),
        "DRF": wsgi_apps.rest_framework,
    }


def measured(*, rounds: int = 250) -> dict[str, dict[str, float]]:
    """Microseconds of whole requests, by framework and by who guards them."""
    loop = asyncio.new_event_loop()
    try:
        groups = _groups(loop)
        return {name: fastest(make(), rounds=rounds) for name, make in groups.items()}
    finally:
        loop.close()


def figures() -> Figures:
    """The table of all frameworks."""
    found = measured()
    added = {
        f"{framework}: {by}": taken - times["bare"]
        for framework, times in found.items()
        for by, taken in times.items()
        if by != "bare"
    }
    scale = added["Django: decorator + PyJWT"] / REFERENCE
    ours = {
        name.replace(": jwt_guard", " (jwt_guard)"): taken
        for name, taken in added.items()
        if name.endswith(": jwt_guard")
    }
    return Figures(
        name="per_request",
        title=f"Added to a bare request, cached token: microseconds; goals scaled by {scale:.2f}.",
        table=Table(
            ("framework, by whom", "bare us", "added us", "goal"), _rows(found, added, scale)
        ),
        measured=found,
        plots={"per_request": bars("Added to a bare request", ours, unit="us")},
    )


def _rows(
    found: Mapping[str, Mapping[str, float]], added: Mapping[str, float], scale: float
) -> list[tuple[str, float, float, float | None]]:
    rows = []
    for name, taken in added.items():
        framework, _, by = name.partition(": ")
        goal = GOALS[framework] * scale if by == "jwt_guard" else None
        rows.append((name, found[framework]["bare"], taken, goal))
    return rows


if __name__ == "__main__":
    publish(figures())

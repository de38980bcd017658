"""How long `import jwt_guard` takes over bare Python, and what it must not load.

`python -m tests.benchmarks.imports`
"""

import json
import resource
import subprocess
import sys

from tests.benchmarks.figures import Figures, Table, publish

__all__ = ["FORBIDDEN", "GOAL", "figures", "loaded", "measured"]

GOAL = 60.0
"""Milliseconds over bare Python."""

FORBIDDEN = (
    "django", "fastapi", "flask", "httpcore2", "httpx", "httpx2", "psycopg", "sqlalchemy",
    "starlette", "valkey", "werkzeug",
)  # fmt: skip
"""Web frameworks, HTTP clients, databases."""

_CASES = {
    "bare Python": "pass",
    "import jwt_guard": "import jwt_guard",
    "from jwt_guard import Guard, with all that a guard needs": "from jwt_guard import Guard",
    "import joserfc": "import joserfc.jwt",
    "import jwt (PyJWT) with its algorithms": "import jwt; jwt.PyJWKClient; "
    "import cryptography.hazmat.primitives.asymmetric.rsa",
}


def measured(*, rounds: int = 15) -> dict[str, float]:
    """Milliseconds of processor time of a whole process, the fastest of several, in turn."""
    best = dict.fromkeys(_CASES, float("inf"))
    for _ in range(rounds):
        for name, code in _CASES.items():
            before = _of_children()
            subprocess.run([sys.executable, "-c", code], check=True)
            best[name] = min(best[name], (_of_children() - before) * 1000)
    return best


def _of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def loaded() -> set[str]:
    """Which of the forbidden packages all names of `jwt_guard` together load."""
    code = "import json, sys; from jwt_guard import *; print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    return {name.partition(".")[0] for name in json.loads(told)} & set(FORBIDDEN)


def figures() -> Figures:
    """The table."""
    found = measured()
    bare = found["bare Python"]
    rows = [
        (name, taken, taken - bare, f"{GOAL:.0f}" if name == "import jwt_guard" else None)
        for name, taken in found.items()
    ]
    return Figures(
        name="imports",
        title="Starting Python and importing: milliseconds of processor time.",
        table=Table(("what", "ms", "over bare Python", "goal"), rows),
        measured={**found, "forbidden packages loaded": sorted(loaded())},
    )


if __name__ == "__main__":
    publish(figures())

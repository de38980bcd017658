"""Prints what the catalogue finds at each broken server: `python -m tests.attacks.detection_table`.

The exit status is 1 when anything is found that is not expected, or not found that is.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from tests.attacks.test_vulnerable import SOUND
from tests.attacks.vulnerable.base import SoundServer
from tests.attacks.vulnerable.declared import EXPECTED
from tests.attacks.vulnerable.setting import attacked


def main() -> int:
    """Attack every server and print the table."""
    table = Table("server", "broken in", "expected", "found", "requests", "as expected")
    wrong = 0
    servers: list[type[SoundServer]] = [*SOUND, *EXPECTED]
    for server in servers:
        row, right = _row(server)
        table.add_row(*row)
        wrong += not right
    Console(width=160 if not sys.stdout.isatty() else None).print(table)
    print(f"{len(SOUND)} sound and {len(EXPECTED)} broken servers, {wrong} not as expected")
    return 1 if wrong else 0


def _row(server: type[SoundServer]) -> tuple[tuple[str, ...], bool]:
    report = attacked(server())
    found = {result.attack.id for result in report.findings}
    expected = EXPECTED.get(server, frozenset())
    about = (server.__doc__ or "").partition("\n")[0] if expected else "nothing"
    right = found == expected
    ids = (" ".join(sorted(names, key=_order)) for names in (expected, found))
    return (server.__name__, about, *ids, str(report.requests), "yes" if right else "NO"), right


def _order(name: str) -> tuple[str, int]:
    return name[0], int(name[1:])


if __name__ == "__main__":
    sys.exit(main())

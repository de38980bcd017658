"""All benchmarks: prints the tables and writes them, with plots, where the documentation is.

`python -m tests.benchmarks [NAME ...]`
"""

import sys
from collections.abc import Callable, Iterable, Iterator

from tests.benchmarks import growth, imports, issue, per_request, throughput, verdicts, verify
from tests.benchmarks.figures import Figures, publish

_ALL: dict[str, Callable[[], Iterable[Figures]]] = {
    "verify": lambda: [verify.figures()],
    "verdicts": lambda: [verdicts.figures()],
    "issue": lambda: [issue.figures()],
    "imports": lambda: [imports.figures()],
    "per_request": lambda: [per_request.figures()],
    "growth": growth.figures,
    "throughput": lambda: [throughput.figures()],
}


def _chosen(names: Iterable[str]) -> Iterator[Figures]:
    for name in names:
        yield from _ALL[name]()


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(_ALL)
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(_ALL)}")
    for each in _chosen(sys.argv[1:] or _ALL):
        publish(each)

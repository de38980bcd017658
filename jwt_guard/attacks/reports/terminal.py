"""The report for a terminal, and the progress that is shown while it grows."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from jwt_guard.attacks.model import NOT_REACHED, Attack, Evidence, Report, Result, Severity, Verdict

COLOURS = {
    Severity.INFO: "cyan",
    Severity.LOW: "blue",
    Severity.MEDIUM: "yellow",
    Severity.HIGH: "red",
    Severity.CRITICAL: "bold red",
}
SHOWN = 3


class Progress:
    """A live line with the attack at hand, on a terminal; nothing at all in a pipe."""

    def __init__(self, console: Console) -> None:
        self._bar = Bar(
            TextColumn("[bold]{task.fields[attack]:<4}[/]"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[holes]} found"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, attack="", holes=0)
        self._holes = 0

    def begins(self, attacks: Sequence[Attack]) -> None:
        """Show how many there are."""
        self._bar.update(self._task, total=len(attacks))

    def tries(self, attack: Attack) -> None:
        """Show which one it is."""
        self._bar.update(self._task, description=escape(attack.title), attack=attack.id)

    def ends(self, result: Result) -> None:
        """Count it; a hole is shown at once."""
        self._bar.advance(self._task)
        if result.verdict is Verdict.VULNERABLE:
            self._holes += 1
            self._bar.update(self._task, holes=self._holes)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._bar.stop()


def print_report(report: Report, console: Console) -> None:
    """Findings worst first, then what was not tested, then the sums."""
    for result in report.findings:
        _print_finding(result, console)
    _print_open(report, console)
    _print_sums(report, console)


def _print_finding(result: Result, console: Console) -> None:
    attack, colour = result.attack, COLOURS[result.severity]
    badge = f"[{colour}]{result.severity.label.upper():<8}[/]"
    console.print(f"{badge} [bold]{attack.id}[/] {escape(attack.title)}")
    holes = result.holes
    for evidence in holes[:SHOWN]:
        _print_evidence(evidence, console)
    if len(holes) > SHOWN:
        console.print(
            Padding(f"and {len(holes) - SHOWN} more of the kind", (0, 0, 0, 9), expand=False)
        )
    lines = {
        "Proves": attack.proves,
        "Fix": attack.remedy,
        "Right": attack.expected,
        "See": "; ".join(attack.references),
    }
    for name, text in lines.items():
        console.print(Padding(f"[dim]{name:<7}[/]{escape(text)}", (0, 0, 0, 9), expand=False))
    console.print()


def _print_evidence(evidence: Evidence, console: Console) -> None:
    console.print(
        Padding(f"{escape(evidence.label)}: {escape(evidence.says)}", (0, 0, 0, 9), expand=False)
    )
    for mark, text in (("\u2192", evidence.sent), ("\u2190", evidence.received)):
        for line in text.splitlines()[:6]:
            shown = f"[dim]{mark} {escape(line)}[/]"
            console.print(Padding(shown, (0, 0, 0, 11), expand=False), highlight=False)


def _print_open(report: Report, console: Console) -> None:
    """What was not judged, by reason: it is not passed."""
    reasons: dict[str, list[str]] = {}
    for result in report.results:
        if result.verdict in {Verdict.SKIPPED, Verdict.INCONCLUSIVE}:
            reasons.setdefault(_open_reason(result), []).append(result.attack.id)
    if not reasons:
        return
    console.print("[bold]Not tested[/]")
    for reason, ids in sorted(reasons.items(), reverse=True):
        console.print(
            Padding(f"{' '.join(ids)}  [dim]{escape(reason)}[/]", (0, 0, 0, 2), expand=False)
        )
    console.print()


def _open_reason(result: Result) -> str:
    """Why it is open; what ended the run is said once, below."""
    if result.reason.startswith(NOT_REACHED):
        return NOT_REACHED
    return f"{result.verdict}: {result.reason}"


def _print_sums(report: Report, console: Console) -> None:
    if report.hindrance is not None:
        name = "Interrupted" if report.interrupted else "Could not test"
        console.print(f"[bold red]{name}[/]: {escape(report.hindrance)}")
    sums = ", ".join(f"{report.counted(v)} {v}" for v in Verdict)
    console.print(
        f"{escape(report.target)}: {len(report.results)} attacks: {sums} "
        f"({report.requests} requests, {report.seconds:.1f} s)",
        highlight=False,
    )
    if report.discovered:
        console.print(f"[dim]The token: {escape(', '.join(report.discovered))}.[/]")

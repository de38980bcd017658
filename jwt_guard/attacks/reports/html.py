"""The report as one page that needs nothing beside itself."""

from __future__ import annotations

from html import escape
from itertools import groupby

from jwt_guard.attacks.catalogue import GROUPS
from jwt_guard.attacks.model import Evidence, Report, Result, Severity, Verdict
from jwt_guard.attacks.reports.style import STYLE

SHOWN = 10
MARKS = {
    Verdict.SAFE: "held",
    Verdict.VULNERABLE: "found",
    Verdict.INCONCLUSIVE: "unclear",
    Verdict.SKIPPED: "skipped",
}


def as_html(report: Report) -> str:
    """A complete HTML document; no script, no other file, no network."""
    title = f"Attack report: {escape(report.target)}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{_head(report)}{_trouble(report)}{_findings(report)}{_matrix(report)}{_table(report)}"
        f"<footer>jwt-guard attack {escape(report.version)}. What was skipped or is unclear "
        "has not been passed.</footer>\n</main>\n</body>\n</html>\n"
    )


def _head(report: Report) -> str:
    counts = "".join(
        _count(verdict, report.counted(verdict))
        for verdict in (Verdict.VULNERABLE, Verdict.SAFE, Verdict.INCONCLUSIVE, Verdict.SKIPPED)
    )
    return (
        f"<header>\n<p class=kicker>Attack report</p>\n<h1>{escape(report.target)}</h1>\n"
        f"<p class=meta>{escape(report.started)} &middot; {len(report.results)} attacks &middot; "
        f"{report.requests} requests &middot; {report.seconds:.1f} s</p>\n"
        f"<p class=meta>{escape(_told(report))}</p>\n"
        f"<ul class=counts>{counts}</ul>\n</header>\n"
    )


def _count(verdict: Verdict, count: int) -> str:
    """A number; only those that are not zero bear the colour of what they count."""
    return f'<li class="{verdict if count else ""}"><b>{count}</b> {MARKS[verdict]}</li>'


def _told(report: Report) -> str:
    return f"The token: {', '.join(report.discovered)}." if report.discovered else ""


def _trouble(report: Report) -> str:
    if report.hindrance is None:
        return ""
    name = "Interrupted" if report.interrupted else "Could not test"
    return f"<p class=trouble><b>{name}.</b> {escape(report.hindrance)}</p>\n"


def _findings(report: Report) -> str:
    if not report.findings:
        return "<section><h2>Findings</h2>\n<p>None.</p></section>\n"
    items = "".join(_finding(result) for result in report.findings)
    return f"<section><h2>Findings, worst first</h2>\n{items}</section>\n"


def _finding(result: Result) -> str:
    attack = result.attack
    shown = "".join(_evidence(evidence) for evidence in result.holes[:SHOWN])
    more = len(result.holes) - SHOWN
    rest = f"<p class=meta>and {more} more of the kind</p>" if more > 0 else ""
    return (
        f'<details class="finding {result.severity.label}" id="{attack.id}"'
        f"{' open' if result.severity >= Severity.HIGH else ''}>\n"
        f"<summary><span class=badge>{result.severity.label}</span> <b>{attack.id}</b> "
        f"{escape(attack.title)}</summary>\n<p class=proves>{escape(attack.proves)}</p>\n<dl>"
        f"<dt>How to fix</dt><dd>{escape(attack.remedy)}</dd>"
        f"<dt>Right answer</dt><dd>{escape(attack.expected)}</dd>"
        f"<dt>See</dt><dd>{escape('; '.join(attack.references))}</dd></dl>\n"
        f"{shown}{rest}</details>\n"
    )


def _evidence(evidence: Evidence) -> str:
    boxes = "".join(
        f"<div><h4>{name}</h4><pre>{escape(text)}</pre></div>"
        for name, text in (("Sent", evidence.sent), ("Came back", evidence.received))
        if text
    )
    says = f"<p class=label>{escape(evidence.label)}: <b>{escape(evidence.says)}</b></p>"
    return f"<div class=evidence>{says}<div class=pair>{boxes}</div></div>\n"


def _matrix(report: Report) -> str:
    """A square for each attack: the whole catalogue at a glance."""
    rows = ""
    for group, results in groupby(report.results, key=lambda result: result.attack.group):
        cells = "".join(_cell(result) for result in results)
        rows += f"<tr><th>{group} {GROUPS[group]}</th><td>{cells}</td></tr>\n"
    return f"<section><h2>The whole catalogue</h2>\n<table class=matrix>{rows}</table></section>\n"


def _cell(result: Result) -> str:
    tip = escape(f"{result.attack.title}: {MARKS[result.verdict]}. {result.reason}", quote=True)
    severity = result.severity.label if result.verdict is Verdict.VULNERABLE else ""
    return f'<span class="cell {result.verdict} {severity}" title="{tip}">{result.attack.id}</span>'


def _table(report: Report) -> str:
    rows = "".join(
        f"<tr class={r.verdict}><td>{r.attack.id}<td>{escape(r.attack.title)}"
        f"<td>{MARKS[r.verdict]}<td>{escape(r.reason)}</tr>\n"
        for r in report.results
    )
    return (
        "<details class=all><summary>Every attack and its outcome</summary>\n<table>"
        f"<thead><tr><th>Id<th>Attack<th>Outcome<th>Reason</thead>\n<tbody>{rows}</tbody></table>"
        "</details>\n"
    )

"""The report as JUnit XML: a suite for each group, a case for each attack."""

from __future__ import annotations

import re
from itertools import groupby
from xml.etree import ElementTree as ET

from jwt_guard.attacks.catalogue import GROUPS
from jwt_guard.attacks.model import Report, Result, Verdict

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(report: Report) -> str:
    """One XML document; a hole is a failure, what could not be judged is skipped."""
    root = ET.Element("testsuites", name="jwt-guard attack", time=f"{report.seconds:.3f}")
    for group, results in groupby(report.results, key=lambda result: result.attack.group):
        _suite(root, group, tuple(results))
    if report.hindrance is not None:
        suite = ET.SubElement(root, "testsuite", name="run", tests="1", errors="1")
        case = ET.SubElement(suite, "testcase", name="the target can be tested", classname="run")
        ET.SubElement(case, "error", message=_clean(report.hindrance))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, group: str, results: tuple[Result, ...]) -> None:
    failures = sum(result.verdict is Verdict.VULNERABLE for result in results)
    skipped = sum(result.verdict in {Verdict.SKIPPED, Verdict.INCONCLUSIVE} for result in results)
    suite = ET.SubElement(
        root,
        "testsuite",
        name=f"{group} {GROUPS[group]}",
        tests=str(len(results)),
        failures=str(failures),
        skipped=str(skipped),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        _case(suite, result)


def _case(suite: ET.Element, result: Result) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=f"{result.attack.id} {result.attack.title}",
        classname=f"jwt_guard.attacks.{result.attack.group}",
        time=f"{result.seconds:.3f}",
    )
    if result.verdict is Verdict.VULNERABLE:
        kind = result.severity.label
        failure = ET.SubElement(case, "failure", type=kind, message=_clean(result.reason))
        failure.text = _clean(_story(result))
    elif result.verdict is not Verdict.SAFE:
        ET.SubElement(case, "skipped", message=_clean(f"{result.verdict}: {result.reason}"))


def _story(result: Result) -> str:
    parts = [f"{e.label}\n{e.sent}\n\n{e.received}\n{e.says}" for e in result.holes[:5]]
    return "\n\n".join([*parts, f"Proves: {result.attack.proves}", f"Fix: {result.attack.remedy}"])


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)

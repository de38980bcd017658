"""The report as SARIF 2.1.0, which code hosts show beside the code."""

from __future__ import annotations

import json

from jwt_guard.attacks.model import Attack, Report, Result, Severity, Verdict

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {
    Severity.INFO: "note",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
# The scale that code hosts sort security findings by (0 to 10, as in CVSS).
SCORES = {
    Severity.INFO: "0.0",
    Severity.LOW: "3.0",
    Severity.MEDIUM: "5.5",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}


def as_sarif(report: Report) -> str:
    """One run: a rule for each attack, a result for each hole."""
    rules = [_rule(result.attack) for result in report.results]
    driver = {
        "name": "jwt-guard attack",
        "semanticVersion": report.version,
        "rules": rules,
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(report)],
        "results": [_result(result, number, report) for number, result in _holes(report)],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _holes(report: Report) -> list[tuple[int, Result]]:
    numbered = enumerate(report.results)
    return [(number, r) for number, r in numbered if r.verdict is Verdict.VULNERABLE]


def _rule(attack: Attack) -> dict[str, object]:
    return {
        "id": attack.id,
        "name": "".join(word.capitalize() for word in attack.title.split() if word.isalnum()),
        "shortDescription": {"text": attack.title},
        "fullDescription": {"text": attack.proves},
        "help": {"text": f"{attack.remedy} ({'; '.join(attack.references)})"},
        "defaultConfiguration": {"level": LEVELS[attack.severity]},
        "properties": {
            "tags": ["security", f"group-{attack.group}"],
            "security-severity": SCORES[attack.severity],
        },
    }


def _result(result: Result, rule: int, report: Report) -> dict[str, object]:
    location = {"physicalLocation": {"artifactLocation": {"uri": _uri(report.target)}}}
    evidence = [f"{e.label}: {e.says}" for e in result.holes[:10]]
    text = f"{result.attack.title}: {result.reason}. {result.attack.proves}"
    return {
        "ruleId": result.attack.id,
        "ruleIndex": rule,
        "level": LEVELS[result.severity],
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"attack/v1": f"{report.target}#{result.attack.id}"},
        "properties": {"severity": result.severity.label, "evidence": evidence},
    }


def _uri(target: str) -> str:
    return target if "://" in target else target.replace(" ", "%20")


def _invocation(report: Report) -> dict[str, object]:
    invocation: dict[str, object] = {
        "executionSuccessful": report.hindrance is None,
        "startTimeUtc": report.started.replace("+00:00", "Z"),
    }
    if report.hindrance is not None:
        notice = {"level": "error", "message": {"text": report.hindrance}}
        invocation["toolExecutionNotifications"] = [notice]
    return invocation

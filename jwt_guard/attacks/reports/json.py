"""The report as one JSON document."""

from __future__ import annotations

import json

from jwt_guard.attacks.model import Attack, Evidence, Report, Result, Verdict


def as_json(report: Report) -> str:
    """Everything that a report holds; the names are stable."""
    return json.dumps(document(report), indent=2)


def document(report: Report) -> dict[str, object]:
    """The report as plain values."""
    return {
        "target": report.target,
        "started": report.started,
        "seconds": round(report.seconds, 3),
        "requests": report.requests,
        "version": report.version,
        "discovered": list(report.discovered),
        "trouble": report.hindrance,
        "interrupted": report.interrupted,
        "counts": {verdict.value: report.counted(verdict) for verdict in Verdict},
        "results": [_result(result) for result in report.results],
    }


def _result(result: Result) -> dict[str, object]:
    return {
        **_attack(result.attack),
        "verdict": result.verdict.value,
        "severity": result.severity.label,
        "reason": result.reason,
        "requests": result.requests,
        "seconds": round(result.seconds, 3),
        "evidence": [_evidence(evidence) for evidence in result.holes],
    }


def _attack(attack: Attack) -> dict[str, object]:
    return {
        "id": attack.id,
        "title": attack.title,
        "expected": attack.expected,
        "proves": attack.proves,
        "remedy": attack.remedy,
        "references": list(attack.references),
    }


def _evidence(evidence: Evidence) -> dict[str, object]:
    return {
        "label": evidence.label,
        "severity": evidence.severity.label,
        "sent": evidence.sent,
        "received": evidence.received,
        "says": evidence.says,
    }

"""`jwt-guard check`: a configuration's mistakes, and what it gives away."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from jwt_guard.assembly import opened_store
from jwt_guard.assurance.checks import Finding, findings
from jwt_guard.cli.options import BAD, as_json, config_option, json_option, say
from jwt_guard.config import Config
from jwt_guard.errors import ConfigurationError
from jwt_guard.guard import Guard
from jwt_guard.stores.memory import MemoryStore
from jwt_guard.stores.opening import is_djangos
from jwt_guard.stores.protocol import Store

__all__ = ["check"]


@click.command()
@config_option
@json_option
def check(config: Path, as_json_: bool) -> None:
    """Check a configuration: every mistake, and every setting that weakens it.

    Keys in files and variables are loaded as the application would load them. Nothing is fetched
    from URLs or providers: `jwt-guard verify` with one of their tokens tries that. Exit status: 0
    when there is at most a note, 1 for a mistake or a warning, 2 when there is no such file.
    """
    if not config.exists():
        raise click.UsageError(f"there is no file {config}")
    report = _report(config)
    if as_json_:
        say(as_json(report))
    else:
        for entry in report["problems"] + report["findings"]:
            say(_line(entry))
        say("good" if report["ok"] else "not good")
    raise click.exceptions.Exit(0 if report["ok"] else BAD)


def _report(config: Path) -> dict[str, Any]:
    try:
        guard = Guard.from_config(config, open_store=_store)
    except ConfigurationError as error:
        problems = [{"level": "error", **asdict(problem)} for problem in error.problems]
        return {"ok": False, "problems": problems, "findings": []}
    found = (*findings(guard.config), *_unseen(guard.config))
    return {
        "ok": all(finding.level == "note" for finding in found),
        "problems": [],
        "findings": [asdict(finding) for finding in found],
    }


def _store(config: Config) -> Store:
    """The store; an empty one in place of what only a Django project can open."""
    return MemoryStore() if is_djangos(config.store.url) else opened_store(config)


def _unseen(config: Config) -> tuple[Finding, ...]:
    """What was not looked at."""
    if not is_djangos(config.store.url):
        return ()
    return (
        Finding(
            level="note",
            path="store.url",
            message="is a database of a Django project, and not looked at here",
            remedy="run `manage.py check` there",
            reference="OWASP ASVS V7.4.1",
        ),
    )


def _line(entry: dict[str, str]) -> str:
    reference = f" ({entry['reference']})" if "reference" in entry else ""
    return f"{entry['level']:8} {entry['path']}: {entry['message']}; {entry['remedy']}{reference}"

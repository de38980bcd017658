"""The peers' servers, started and attacked: `python -m tests.attacks.sound.peers > docs/peers.md`.

Prints what the catalogue finds in each library's documented first set-up and in a careful one:
facts, dated, with versions.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jwt_guard.attacks import (
    Limits,
    Listener,
    NetworkTarget,
    Plan,
    Report,
    Runner,
    Verdict,
    route,
    select,
)
from jwt_guard.attacks.material import attacker_jwks
from jwt_guard.attacks.plan import REFRESH_BODY

ROOT = Path(__file__).parents[3]
EXPRESS = Path(__file__).parent / "express"
POST = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One library, and the command that starts its server."""

    name: str
    command: tuple[str, ...]


def _python(module: str) -> tuple[str, ...]:
    return sys.executable, "-m", f"tests.attacks.sound.{module}"


PEERS = (
    Peer(name="PyJWT", command=_python("pyjwt_server")),
    Peer(name="Flask-JWT-Extended", command=_python("flask_server")),
    Peer(name="simplejwt", command=_python("simplejwt_server")),
    Peer(name="express with jose", command=("node", str(EXPRESS / "server.mjs"))),
)


def express_ready() -> bool:
    """Whether Node is here and the packages are, or could be, installed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return False
    if (EXPRESS / "node_modules" / "jose").is_dir():
        return True
    options = ("--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
    command = ["npm", "install", *options, "--prefix", str(EXPRESS)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextmanager
def serving(peer: Peer, *setup: str) -> Generator[dict[str, Any]]:
    """The running server's announcement; `default` as set-up is the documented first one."""
    process = subprocess.Popen(
        [*peer.command, *setup],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def plan_for(said: dict[str, Any]) -> Plan:
    """The plan that the announcement means."""
    plan = Plan(
        token=said["token"],
        request=route("/me"),
        signing_key=said["signing_key"],
        leeway=0,
        public_path="/public",
        refresh_body=said.get("refresh_body", REFRESH_BODY),
        refresh_as_bearer=said.get("refresh_as_bearer", False),
    )
    body = said.get("login_body")
    routes = {
        name: route(said[name], method=POST, body=body if name == "login" else None)
        for name in ("login", "refresh", "logout")
        if name in said
    }
    return replace(plan, **routes)  # type: ignore[arg-type]


def attacked(said: dict[str, Any], *, skip: Sequence[str] = ()) -> Report:
    """What the catalogue finds at a running server."""
    with (
        Listener(keys=attacker_jwks()) as listener,
        NetworkTarget(f"http://127.0.0.1:{said['port']}/me") as target,
    ):
        runner = Runner(target, plan_for(said), limits=Limits(rate=0), listener=listener)
        return runner.run(select(skip=skip))


HEAD = """# What the attacks find in other libraries

Every library below was set up twice: as the first example of its documentation has it, and
carefully, with everything that it offers. Then the whole catalogue of [attacks](attacks.md) was
run, with the server's own signing key lent to it. A finding says what the server answered, not
that the library is bad: many are a matter of set-up, and most need a token that the issuer signed.

Measured on {date} with `python -m tests.attacks.sound.peers`.
"""


def main() -> None:
    """Attack every peer, in both set-ups, and print the page."""
    print(HEAD.format(date=datetime.now(UTC).date()), end="")
    for peer in PEERS:
        if peer.name.startswith("express") and not express_ready():
            print(f"\n## {peer.name}\n\nNot measured: Node or its packages are missing.")
            continue
        for setup, title in (("default", "as first documented"), ("careful", "careful")):
            with serving(peer, setup) as said:
                _print(f"{peer.name}, {title}", said, attacked(said))


def _print(title: str, said: dict[str, Any], report: Report) -> None:
    counts = f"{len(report.findings)} findings, {report.counted(Verdict.SAFE)} attacks held"
    print(f"\n## {title}\n\n{said['versions']}: {counts}.\n")
    print("| Attack | Severity | What was found |\n|---|---|---|")
    for result in report.findings:
        worst = result.holes[0]
        name = f"{result.attack.id} {result.attack.title}"
        says = f"{worst.label}: {worst.says}".replace("|", "\\|")
        print(f"| {name} | {result.severity.label} | {says} |")
    if report.trouble:
        print(f"\nStopped early: {report.trouble}.")


if __name__ == "__main__":
    main()

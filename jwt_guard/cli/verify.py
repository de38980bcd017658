"""`jwt-guard verify`: a verdict a line, in input order."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from jwt_guard.cli.options import BAD, as_json, config_option, guard_from, json_option, say
from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard

__all__ = ["verify"]

Verdict = dict[str, Any]


@click.command()
@config_option
@json_option
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
def verify(config: Path, as_json_: bool, tokens: tuple[str, ...]) -> None:
    """Verify each TOKEN; with `-`, one token a line from standard input.

    Exit status: 0 when every token is good, 1 when one is not, 2 for a wrong configuration.
    """
    guard = guard_from(config)
    bad = False
    for token in _each(tokens):
        verdict = _verdict(guard, token)
        bad = bad or not verdict["ok"]
        say(as_json(verdict) if as_json_ else _line(verdict))
    raise click.exceptions.Exit(BAD if bad else 0)


def _each(tokens: Iterable[str]) -> Iterator[bytes]:
    for token in tokens:
        if token == "-":
            yield from (line.rstrip(b"\r\n") for line in sys.stdin.buffer)
        else:
            yield token.encode("utf-8", "surrogateescape")


def _verdict(guard: Guard, token: bytes) -> Verdict:
    try:
        verified = run(guard.judge(token))
    except Refusal as refusal:
        return {"ok": False, "reason": refusal.reason.value, "claim": refusal.claim}
    return {"ok": True, "header": verified.header.members, "claims": verified.principal.claims}


def _line(verdict: Verdict) -> str:
    if verdict["ok"]:
        claims = verdict["claims"]
        return f"good     {_safe(claims['sub'])} of {claims['iss']}"
    claim = f" ({verdict['claim']})" if verdict["claim"] else ""
    return f"refused  {verdict['reason']}{claim}"


def _safe(text: str) -> str:
    """Text that cannot move the cursor of the terminal that it is printed on."""
    return "".join(character if character.isprintable() else "?" for character in text)

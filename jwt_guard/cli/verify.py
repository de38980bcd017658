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
from jwt_guard.principal import Principal

__all__ = ["verify"]

Verdict = dict[str, Any]

_TOLD = tuple(name for name in Principal.__struct_fields__ if name != "payload")
"""What is told of a principal beside its claims."""


@click.command()
@config_option
@json_option
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
def verify(config: Path, as_json_: bool, tokens: tuple[str, ...]) -> None:
    """Verify each TOKEN; with `-`, one token a line from standard input.

    Of a good one it tells what the guard made of the claims: the roles, scopes and tenant that
    handlers see. Roles that your hierarchy implies are not among them.

    Exit status: 0 when every token is good, 1 when one is not, 2 for a wrong configuration.
    """
    guard = guard_from(config)
    bad = False
    for token in _each(tokens):
        verdict = _verdict(guard, token)
        bad = bad or not verdict["ok"]
        say(as_json(verdict) if as_json_ else _line(verdict))
        if token.partition(b" ")[0].lower() == b"bearer":
            click.echo("`Bearer` is no part of the token: give what follows it", err=True)
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
    principal = verified.principal
    return {
        "ok": True,
        "header": verified.header.members,
        "claims": principal.claims,
        "principal": {name: _ordered(getattr(principal, name)) for name in _TOLD},
    }


def _ordered(value: Any) -> Any:
    """Sets in an order that is the same each time."""
    return sorted(value) if isinstance(value, frozenset) else value


def _line(verdict: Verdict) -> str:
    if verdict["ok"]:
        return _safe(_good(verdict["principal"]))
    claim = f" ({verdict['claim']})" if verdict["claim"] else ""
    return f"refused  {verdict['reason']}{claim}"


def _good(principal: dict[str, Any]) -> str:
    parts = [f"good     {principal['subject']} of {principal['issuer']}"]
    parts += [
        f"{name} {', '.join(principal[name])}" for name in ("roles", "scopes") if principal[name]
    ]
    parts += [f"tenant {principal['tenant']}"] if principal["tenant"] else []
    return "  ".join(parts)


def _safe(text: str) -> str:
    """Text that cannot move the cursor of the terminal that it is printed on."""
    return "".join(character if character.isprintable() else "?" for character in text)

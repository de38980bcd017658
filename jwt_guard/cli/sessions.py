"""`jwt-guard sessions`: list, revoke and purge what is in the configuration's store."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from jwt_guard.cli.options import (
    BAD,
    WRONG_USE,
    as_json,
    config_option,
    guard_from,
    json_option,
    say,
)
from jwt_guard.errors import Refusal
from jwt_guard.flow import Flow, run
from jwt_guard.guard import Guard
from jwt_guard.sessions.grants import SessionInfo
from jwt_guard.sessions.manager import Sessions

__all__ = ["sessions"]


@click.group()
def sessions() -> None:
    """List, revoke and purge sessions in the store that the configuration names.

    Exit status: 0 when it was done, 1 when the store does not answer or there was nothing to end.
    """


@sessions.command("list")
@config_option
@json_option
@click.argument("subject")
def list_(config: Path, as_json_: bool, subject: str) -> None:
    """The living sessions of SUBJECT, the youngest first."""
    with _opened(config) as (_, manager):
        listed = run(manager.list(subject))
    for info in listed:
        say(as_json(asdict(info)) if as_json_ else _line(info))


def _line(info: SessionInfo) -> str:
    used = datetime.fromtimestamp(info.used_at, UTC).isoformat(timespec="seconds")
    where = [info.client_id, info.tenant, info.device, info.place]
    return f"{info.session_id}  used {used}  {'  '.join(word for word in where if word)}"


@sessions.command()
@config_option
@json_option
@click.option("--session", "sid", help="One session, by its `sid`.")
@click.option("--subject", help="All sessions and tokens of a subject.")
@click.option("--tenant", help="All sessions and tokens of a tenant.")
@click.option("--everything", is_flag=True, help="All sessions and tokens of everybody.")
def revoke(config: Path, as_json_: bool, **asked: Any) -> None:
    """End sessions at once, with their access tokens: name one thing to end."""
    given = [name for name, value in asked.items() if value]
    if len(given) != 1:
        raise click.UsageError("name one of --session, --subject, --tenant, --everything")
    with _opened(config) as (_, manager):
        ended = run(_revocation(manager, given[0], str(asked[given[0]])))
    done = ended is not False
    say(as_json({"ok": done}) if as_json_ else ("revoked" if done else "no such living session"))
    raise click.exceptions.Exit(0 if done else BAD)


def _revocation(manager: Sessions, what: str, name: str) -> Flow[Any]:
    named: dict[str, Callable[[str], Flow[Any]]] = {
        "sid": manager.revoke_session,
        "subject": manager.revoke_subject,
        "tenant": manager.revoke_tenant,
    }
    return manager.revoke_everything() if what == "everything" else named[what](name)


@sessions.command()
@config_option
@json_option
@click.option(
    "--batch", type=click.IntRange(1), default=1000, show_default=True, help="How many at a time."
)
def purge(config: Path, as_json_: bool, batch: int) -> None:
    """Remove what has expired, in batches, so that nobody waits for long."""
    now, purged = int(time.time() * 1000), 0
    with _opened(config) as (guard, _):
        while gone := run(guard.store.purge(now=now, limit=batch)):
            purged += gone
    say(as_json({"purged": purged}) if as_json_ else f"{purged} purged")


@contextmanager
def _opened(config: Path) -> Generator[tuple[Guard, Sessions]]:
    guard = guard_from(config)
    if guard.sessions is None:
        click.echo("this configuration has no sessions: add [tokens] to it", err=True)
        raise click.exceptions.Exit(WRONG_USE)
    if guard.config.store.url.startswith("memory:"):
        click.echo("a store in memory lives in its own process: nothing to see here", err=True)
        raise click.exceptions.Exit(WRONG_USE)
    try:
        yield guard, guard.sessions
    except Refusal as refusal:
        click.echo(f"the store does not answer: {refusal}", err=True)
        raise click.exceptions.Exit(BAD) from None
    finally:
        guard.store.close()

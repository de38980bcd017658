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
    as_json,
    bad_end,
    config_option,
    guard_from,
    json_option,
    say,
    wrong_use,
)
from jwt_guard.errors import Refusal
from jwt_guard.flow import Flow, run
from jwt_guard.guard import Guard
from jwt_guard.sessions.grants import SessionInfo
from jwt_guard.sessions.revocation import Revocations

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
    with _opened(config) as guard:
        if guard.sessions is None:
            raise wrong_use("this configuration has no sessions: add [tokens] to it")
        listed = run(guard.sessions.list(subject))
    for info in listed:
        say(as_json(asdict(info)) if as_json_ else _line(info))


def _line(info: SessionInfo) -> str:
    times = {"begun": info.created_at, "used": info.used_at, "ends": info.expires_at}
    when = [f"{name} {_time(seconds)}" for name, seconds in times.items()]
    where = [info.client_id, info.tenant, info.device, info.place]
    return "  ".join([info.session_id, *when, *(word for word in where if word)])


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


@sessions.command()
@config_option
@json_option
@click.option("--session", help="One session, by its `sid`.")
@click.option("--token", help="One access token, by its `jti`.")
@click.option("--subject", help="All sessions and tokens of a subject.")
@click.option("--tenant", help="All sessions and tokens of a tenant.")
@click.option("--everything", is_flag=True, help="All sessions and tokens of everybody.")
@click.option("--issuer", help="Whose session, token or subject that is, if not our own.")
def revoke(config: Path, as_json_: bool, issuer: str | None, **asked: Any) -> None:
    """End sessions at once, with their access tokens: name one thing to end."""
    given = [(name, str(value)) for name, value in asked.items() if value]
    if len(given) != 1:
        raise click.UsageError(f"name one of {', '.join(f'--{name}' for name in asked)}")
    with _opened(config) as guard:
        done = run(_revocation(guard, *given[0], issuer)) is not False
    say(as_json({"ok": done}) if as_json_ else ("revoked" if done else "no such living session"))
    raise click.exceptions.Exit(0 if done else BAD)


def _revocation(guard: Guard, what: str, name: str, issuer: str | None) -> Flow[Any]:
    """Answers False where there was nothing to end."""
    cut_off = guard.revocations
    if what in _OF_NOBODY:
        return cut_off.revoke_tenant(name) if what == "tenant" else cut_off.revoke_everything()
    if issuer is not None:
        return _foreign(cut_off, what, name, issuer)
    if guard.sessions is None:
        raise wrong_use("name the --issuer: this configuration issues no tokens of its own")
    own: dict[str, Callable[[str], Flow[Any]]] = {
        "session": guard.sessions.revoke_session,
        "subject": guard.sessions.revoke_subject,
        "token": cut_off.revoke_token,
    }
    return own[what](name)


_OF_NOBODY = ("tenant", "everything")
"""What is cut off whoever issued it."""


def _foreign(cut_off: Revocations, what: str, name: str, issuer: str) -> Flow[None]:
    """Cut off what another issuer gave; whether it lives is not known here."""
    if what == "session":
        yield from cut_off.revoke_session(name, issuer=issuer)
    elif what == "subject":
        yield from cut_off.revoke_subject(name, issuer=issuer)
    else:
        yield from cut_off.revoke_token(name, issuer=issuer)


@sessions.command()
@config_option
@json_option
@click.option(
    "--batch", type=click.IntRange(1), default=1000, show_default=True, help="How many at a time."
)
def purge(config: Path, as_json_: bool, batch: int) -> None:
    """Remove what has expired, in batches, so that nobody waits for long."""
    now, purged = int(time.time() * 1000), 0
    with _opened(config) as guard:
        while gone := run(guard.store.purge(now=now, limit=batch)):
            purged += gone
    say(as_json({"purged": purged}) if as_json_ else f"{purged} purged")


@contextmanager
def _opened(config: Path) -> Generator[Guard]:
    """The guard that was handed to the command, or else that of the configuration."""
    given: Guard | None = click.get_current_context().obj
    guard = guard_from(config) if given is None else given
    if guard.config.store.url.startswith("memory:"):
        raise wrong_use(
            "a store in memory lives in its own process, and cannot be seen from here: "
            "set `url` of `[store]` to a database, such as sqlite:///sessions.db"
        )
    try:
        yield guard
    except Refusal as refusal:
        raise bad_end(f"the store does not answer: {refusal}") from None
    finally:
        if given is None:
            guard.store.close()

"""`jwt-guard audit`: read, verify, judge and tidy the audit log."""

import csv
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import update_wrapper
from pathlib import Path
from threading import Event
from typing import Any

import click

from jwt_guard.audit.chain import Link
from jwt_guard.audit.detect.base import Alert
from jwt_guard.audit.detect.suite import RULES
from jwt_guard.audit.facts import AUTHENTICATED, DENIED, REFUSED
from jwt_guard.audit.file import FileSink
from jwt_guard.audit.observer import EventName
from jwt_guard.audit.privacy import SubjectKeysUnavailable
from jwt_guard.audit.reading import Entry, Query
from jwt_guard.audit.rows import RowSink
from jwt_guard.audit.seal import Seals, UnusableSealKey
from jwt_guard.audit.shown import OWN
from jwt_guard.audit.sinks import SinkFailed
from jwt_guard.audit.text import printable
from jwt_guard.audit.verifying import Place, Purge, Report
from jwt_guard.cli.audit_log import Log
from jwt_guard.cli.options import (
    BAD,
    as_json,
    bad_end,
    config_option,
    json_option,
    say,
    wrong_use,
)
from jwt_guard.config import Config
from jwt_guard.errors import ConfigurationError
from jwt_guard.guard import Guard

__all__ = ["audit"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_EVENTS = sorted({AUTHENTICATED, REFUSED, DENIED, *(each.value for each in EventName), *OWN})


@click.group()
def audit() -> None:
    """Read, verify, judge and tidy the audit log."""


def _with_log(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the log that the configuration, or `--log`, names."""

    def command(config: Path, log: str | None, **rest: Any) -> Any:
        try:
            return function(Log(_config(config), log), **rest)
        except ConfigurationError as error:
            raise wrong_use(str(error)) from None
        except (OSError, SinkFailed, SubjectKeysUnavailable, UnusableSealKey) as error:
            raise bad_end(str(error)) from None

    which = click.option(
        "--log",
        help="The log's current file, or a database as the configuration writes it, where that"
        " names several.",
    )
    return config_option(which(update_wrapper(command, function)))


def _config(file: Path) -> Config:
    """The configuration of the guard that was handed to the command, or else that of a file."""
    given: Guard | None = click.get_current_context().obj
    return Config.load(file) if given is None else given.config


def _moment(ctx: click.Context, option: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    ago = _AGO.fullmatch(value)
    if ago:
        return time.time() - int(ago[1]) * _UNITS[ago[2]]
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            "write 2026-11-24T10:00:00, or how long ago: 15m, 2h, 3d"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_FILTERS = (
    click.option("--since", callback=_moment, help="Not before: ISO 8601 (UTC), or 15m, 2h, 3d."),
    click.option("--until", callback=_moment, help="Before: as --since."),
    click.option(
        "--event",
        "events",
        multiple=True,
        type=click.Choice(_EVENTS),
        metavar="NAME",
        help="An event's name; may be repeated.",
    ),
    click.option("--reason", help="The exact reason, as in token_expired."),
    click.option("--subject", help="A person, by `sub`; looked up in the subjects' keys."),
    click.option("--issuer", help="The person's issuer, where there are several."),
    click.option("--user", help="A person, as the log names them."),
    click.option("--session", help="A session's `sid`; with --subject where there are pseudonyms."),
    click.option("--address", help="An address, as the log has it."),
    click.option("--path", help="How the path begins."),
)


def _filtered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the `Query` that its options make, and a log that is there."""

    def command(log: Log, **rest: Any) -> Any:
        log.must_exist()
        return function(log, query=_query(log, rest), **rest)

    wrapped = update_wrapper(command, function)
    for option in reversed(_FILTERS):
        wrapped = option(wrapped)
    return wrapped


def _query(log: Log, options: dict[str, Any]) -> Query:
    taken = {name: options.pop(name) for name in ("since", "until", "reason", "address", "path")}
    subject, issuer, user = (options.pop(name) for name in ("subject", "issuer", "user"))
    session = options.pop("session")
    if subject is not None:
        user = log.user(subject, issuer)
        session = session and _digested(log, subject, issuer, session)
    events = frozenset(options.pop("events"))
    return Query(**taken, user=user, session=session, events=events)


def _digested(log: Log, subject: str, issuer: str | None, value: str) -> str:
    if log.config.audit.privacy.subjects == "plain":
        return value
    names = [issuer] if issuer else log.issuers()
    found = (log.keys().digest(name, subject, value) for name in names)
    return next((each for each in found if each), value)


@audit.command()
@_with_log
@_filtered
@json_option
@click.option("-n", "--lines", default=20, show_default=True, type=click.IntRange(1, 100_000))
@click.option("-f", "--follow", is_flag=True, help="Go on as records come; Ctrl-C ends it.")
def tail(log: Log, query: Query, as_json_: bool, lines: int, follow: bool) -> None:
    """Show the newest records."""
    bad: list[Place] = []
    interrupted = _interrupted() if follow else None
    for entry in log.kept.newest(query, lines, bad):
        _show(entry, as_json_)
    _complain(bad)
    if interrupted is not None:
        for entry in log.kept.follow(interrupted):
            if query.wants(entry.fact):
                _show(entry, as_json_)


def _interrupted() -> Event:
    """Set by the first Ctrl-C, so that it breaks off no query; the second one does as usual."""
    event = Event()
    usual = signal.getsignal(signal.SIGINT)

    def interrupt(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, interrupt)
    return event


@audit.command()
@_with_log
@_filtered
@json_option
@click.option("--limit", type=click.IntRange(1), help="How many at most.")
@click.option("--reveal", is_flag=True, help="Name the people behind the pseudonyms.")
def search(log: Log, query: Query, as_json_: bool, limit: int | None, reveal: bool) -> None:
    """Show all records that match.

    Exit status: 0 when there are some, 1 when there is none, 2 when there is no such file.
    """
    bad: list[Place] = []
    found = 0
    name = _revealer(log) if reveal else None
    for entry in log.wanted(query, bad):
        _show(entry, as_json_, name)
        found += 1
        if limit is not None and found >= limit:
            break
    _complain(bad)
    if not found:
        raise bad_end("nothing was found")


def _revealer(log: Log) -> Callable[[str], str]:
    keys = log.keys()

    def name(user: str) -> str:
        person = keys.reveal(user)
        return user if person is None else printable(person)

    return name


@audit.command()
@_with_log
@json_option
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The keys that you trust, a JWK or a JWK set; those beside the log, when not given.",
)
@click.option("--expect", metavar="NUMBER:FINGERPRINT", help="A record that you noted elsewhere.")
def verify(log: Log, as_json_: bool, public_key: Path | None, expect: str | None) -> None:
    """Verify that no record was changed, removed, inserted, reordered or cut off.

    Exit status: 0 when all is as it was written, 1 when not, 2 when there is no such file.
    """
    log.must_exist()
    seals = _seals(public_key or log.kept.public_keys)
    began = time.perf_counter()
    report = log.kept.verified(seals, _expected(expect))
    took = time.perf_counter() - began
    say(as_json(_report(report)) if as_json_ else _readable(report, took))
    raise click.exceptions.Exit(0 if report.good else BAD)


def _expected(written: str | None) -> Link | None:
    if written is None:
        return None
    number, _, fingerprint = written.partition(":")
    if not number.isdigit() or len(fingerprint) != 64:
        raise click.BadParameter("write NUMBER:FINGERPRINT", param_hint="--expect")
    return Link(int(number), fingerprint.encode())


def _report(report: Report) -> dict[str, Any]:
    return {
        "ok": report.good,
        "records": report.records,
        "parts": report.parts,
        "checkpoints": report.checkpoints,
        "purged_through": report.purged_through,
        "last": {
            "sequence": report.last.sequence,
            "fingerprint": report.last.fingerprint.decode("ascii", "replace"),
        },
        "problems": [_place(each) for each in report.problems],
        "notes": [_place(each) for each in report.notes],
    }


def _place(place: Place) -> dict[str, Any]:
    return {"part": place.part, "line": place.line, "message": place.message}


def _seals(file: Path) -> Seals:
    try:
        return Seals.read(file)
    except UnusableSealKey as error:
        raise bad_end(
            f"cannot verify without the log's public keys (--public-key): {error}"
        ) from None


def _readable(report: Report, took: float) -> str:
    lines = [f"problem  {printable(str(place))}" for place in report.problems]
    lines += [f"note     {printable(str(place))}" for place in report.notes]
    verdict = "good" if report.good else "BAD "
    lines.append(
        f"{verdict}     {report.records} records in {report.parts} parts, "
        f"{report.checkpoints} signed checkpoints, {took:.1f} s"
    )
    last = report.last.fingerprint.decode("ascii", "replace")
    lines.append(f"last     {report.last.sequence}:{printable(last)}")
    return "\n".join(lines)


@audit.command()
@_with_log
@_filtered
@json_option
@click.option("--disable", multiple=True, type=click.Choice(RULES), help="A rule to leave out.")
def scan(log: Log, query: Query, as_json_: bool, disable: tuple[str, ...]) -> None:
    """Judge the log afterwards, by the rules that also run in the application.

    Exit status: 0 when nothing looks wrong, 1 when something does, 2 when there is no such file.
    """
    suite = log.builder.suite(disable)
    bad: list[Place] = []
    found = 0
    for entry in log.wanted(query, bad):
        for alert in suite.judge(entry.fact):
            found += 1
            say(as_json(_alert(alert)) if as_json_ else _alert_line(alert))
    _complain(bad)
    raise click.exceptions.Exit(BAD if found else 0)


def _alert(alert: Alert) -> dict[str, Any]:
    fact = alert.fact
    return {
        "time": _instant(fact.time),
        "rule": alert.rule,
        "title": alert.title,
        "severity": alert.severity,
        "user": fact.subject,
        "session": fact.session,
        "address": fact.address,
        "detail": dict(alert.detail),
    }


def _alert_line(alert: Alert) -> str:
    told = _alert(alert)
    who = [told["user"] or "-", told["address"] or "-"]
    detail = [f"{name}={value}" for name, value in alert.detail.items()]
    parts = (told["time"], f"{alert.rule:<20}", *who, alert.title, *detail)
    return printable("  ".join(parts))


@audit.command()
@_with_log
@json_option
@click.option("--issuer", help="The person's issuer; all that are known, when not given.")
@click.argument("subject")
def forget(log: Log, as_json_: bool, issuer: str | None, subject: str) -> None:
    """Destroy the key of SUBJECT: no record can be traced to them any more.

    Exit status: 1 when the subject is not known.
    """
    keys, sink = log.keys(), log.kept.sink
    forgotten = []
    for name in [issuer] if issuer else log.issuers():
        user = keys.forget(name, subject)
        if user is not None:
            forgotten.append(user)
            sink.note("erased", {"user": user})
    sink.close()
    if as_json_:
        say(as_json({"forgotten": forgotten}))
    else:
        say("\n".join(f"forgotten {user}" for user in forgotten) or "nobody of that name is known")
    raise click.exceptions.Exit(0 if forgotten else BAD)


@audit.command()
@_with_log
@json_option
@click.option("--before", callback=_moment, help="ISO 8601 (UTC) or an age; else as configured.")
@click.option("--rotate", is_flag=True, help="Begin a new file first, so that all may go.")
def purge(log: Log, as_json_: bool, before: float | None, rotate: bool) -> None:
    """Delete what is too old, in files whole parts of it; the rest stays verifiable.

    Exit status: 0 when all was as it was written, 1 when something was wrong with what is deleted.
    """
    days = log.config.audit.file.retention_days
    if before is None and days is None:
        raise wrong_use("say --before, or set `retention_days` in `[audit.file]`")
    sink = log.kept.sink
    if rotate:
        _rotate(sink)
    gone = sink.purge(time.time() - (days or 0) * 86_400 if before is None else before)
    sink.close()
    say(as_json(_purged(gone)) if as_json_ else _purged_line(gone))
    raise click.exceptions.Exit(BAD if gone and gone.problems else 0)


def _rotate(sink: FileSink | RowSink) -> None:
    if not isinstance(sink, FileSink):
        raise wrong_use("--rotate is for logs in files")
    sink.rotate()


def _purged(gone: Purge | None) -> dict[str, Any]:
    if gone is None:
        return {"records": 0, "through": None, "problems": []}
    problems = [_place(each) for each in gone.problems]
    return {"records": gone.records, "through": gone.through, "problems": problems}


def _purged_line(gone: Purge | None) -> str:
    if gone is None:
        return "nothing more is that old"
    lines = [f"problem  {printable(str(place))}" for place in gone.problems]
    lines.append(f"purged   {gone.records} records, up to {gone.through}")
    return "\n".join(lines)


@audit.command()
@_with_log
@_filtered
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv"]),
    default="json",
    show_default=True,
    help="The records as they stand, or a table.",
)
def export(log: Log, query: Query, form: str) -> None:
    """Write all records that match to standard output, and the fact of it into the log."""
    bad: list[Place] = []
    found = log.wanted(query, bad)
    count = _csv(found) if form == "csv" else _lines(found)
    _complain(bad)
    sink = log.kept.sink
    sink.note("exported", {"records": count, "format": form})
    sink.close()


@audit.command()
@_with_log
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65_535))
@click.option("--role", "role_", default="auditor", show_default=True, help="Who may look.")
def serve(log: Log, host: str, port: int, role_: str) -> None:
    """Show the log in a browser: read-only, to holders of a token with the role.

    The guard of the configuration decides, and whoever looks is on record like everybody else.
    """
    log.must_exist()
    from jwt_guard.cli.audit_dashboard import Dashboard, Server
    from jwt_guard.requirements import role

    given: Guard | None = click.get_current_context().obj
    with given or Guard(log.config) as guard:
        app = Dashboard(guard, log.kept.lines, role(role_), {host, "localhost", "127.0.0.1"})
        with Server.at(host, port, app) as server:
            say(f"http://{host}:{server.server_port}/ until Ctrl-C")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                say("stopping")


def _lines(found: Iterable[Entry]) -> int:
    count = 0
    for entry in found:
        click.echo(entry.line.rstrip(b"\n"))
        count += 1
    return count


_COLUMNS = (
    "name", "reason", "issuer", "subject", "tenant", "client_id", "session", "token",
    "address", "agent", "method", "path", "count",
)  # fmt: skip


def _csv(found: Iterable[Entry]) -> int:
    table, count = csv.writer(sys.stdout), 0
    table.writerow(("time", *_COLUMNS))
    for entry in found:
        count += 1
        values = (getattr(entry.fact, column) for column in _COLUMNS)
        table.writerow((_instant(entry.fact.time), *(_cell(value) for value in values)))
    return count


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = "" if value is None else printable(str(value))
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text


def _show(entry: Entry, as_json_: bool, name: Callable[[str], str] | None = None) -> None:
    if as_json_:
        say(entry.line.decode("utf-8", "replace").rstrip("\n"))
        return
    fact = entry.fact
    user = fact.subject or "-"
    told = [
        _instant(fact.time),
        f"{printable(fact.name):<14}",
        f"{printable(fact.reason or '-'):<20}",
        printable(name(user) if name and fact.subject else user),
        printable(fact.address or "-"),
        printable(f"{fact.method} {fact.path}") if fact.method else "-",
        " ".join(
            f"{printable(str(k))}={printable(str(v))}" for k, v in (fact.detail or {}).items()
        ),
        f"x{fact.count}" if fact.count != 1 else "",
    ]
    say("  ".join(part for part in told if part))


def _instant(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _complain(bad: list[Place]) -> None:
    for place in bad[:10]:
        click.echo(f"{place}: skipped", err=True)
    if len(bad) > 10:
        click.echo(f"{len(bad) - 10} more lines are no records", err=True)

"""`jwt-guard demo`: the sample applications side by side, on a tour of good and bad requests."""

import os
import signal
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

from jwt_guard.cli.options import BAD, WRONG_USE, as_json, guard_from, json_option, say
from jwt_guard.config import ENVIRONMENT_PREFIX
from jwt_guard.keys.signing import generate_key
from jwt_guard.tokens.issuer import TokenIssuer

if TYPE_CHECKING:
    from sample_apps.servers import RunningApp
    from sample_apps.tour import Answer, Step, Stop

__all__ = ["demo"]

_PIPE_WIDTH = 160
_AN_HOUR = 3600
_ISSUER = "https://app.jwt-guard.example"
_EMBEDDED = f"""\
audience = "https://api.jwt-guard.example"

[tokens]
issuer = "{_ISSUER}"
signing_keys = "signing-keys.json"

[roles]
claims = ["roles"]
hierarchy = {{ admin = ["analyst"], analyst = ["viewer"] }}

[tenants]
claim = "tenant"
"""


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The applications' configuration; what it lacks is embedded, with fresh keys.",
)
@click.option("--serve", is_flag=True, help="Keep the applications up, with requests to try.")
@json_option
def demo(config: Path | None, serve: bool, as_json_: bool) -> None:
    """Start the sample applications, send each the same requests, compare the answers.

    Exit status: 0 when every answer is as expected and all frameworks agree, 1 when not.
    """
    _need_sample_apps()
    from sample_apps.servers import running_apps
    from sample_apps.tour import tour

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the applications are stopped too
    with _configuration(config) as file:
        issuer = _issuer(file)
        stops = tour(issuer)
        try:
            with running_apps(file) as apps:
                steps = _json_tour(stops, apps) if as_json_ else _table_tour(stops, apps)
                if serve:
                    _serve(apps, issuer.issue("ada", client_id="demo", lifetime=_AN_HOUR))
        except RuntimeError as error:
            click.echo(str(error), err=True)
            raise click.exceptions.Exit(WRONG_USE) from None
    raise click.exceptions.Exit(0 if all(step.right for step in steps) else BAD)


def _need_sample_apps() -> None:
    try:
        import_module("sample_apps.servers")
    except ImportError as error:
        click.echo(
            "the demo runs from a checkout with its development extra: "
            f"`make demo` there sets it up ({error})",
            err=True,
        )
        raise click.exceptions.Exit(WRONG_USE) from None


@contextmanager
def _configuration(given: Path | None) -> Generator[Path]:
    """The given file, or our own; one that only verifies is lent our tokens."""
    with tempfile.TemporaryDirectory(prefix="jwt-guard-demo-") as folder, ExitStack() as stack:
        embedded, keys = Path(folder, "jwt_guard.toml"), Path(folder, "signing-keys.json")
        embedded.write_text(_EMBEDDED)
        keys.write_bytes(msgspec.json.encode({"keys": [generate_key("ES256")]}))
        file = given or embedded
        if guard_from(file).issuer is None:
            lent = {"TOKENS__ISSUER": _ISSUER, "TOKENS__SIGNING_KEYS": str(keys)}
            stack.enter_context(_environment(lent))
        yield file


@contextmanager
def _environment(settings: Mapping[str, str]) -> Generator[None]:
    """Settings that overrule the file, here and in the applications that are started meanwhile."""
    variables = {ENVIRONMENT_PREFIX + name: value for name, value in settings.items()}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def _issuer(config: Path) -> TokenIssuer:
    issuer = guard_from(config).issuer
    assert issuer is not None  # noqa: S101 - lent, where the file has none
    return issuer


def _json_tour(stops: "Sequence[Stop]", apps: "Sequence[RunningApp]") -> "list[Step]":
    from sample_apps.tour import walk

    steps = list(walk(stops, apps))
    say(as_json([_as_record(step) for step in steps]))
    return steps


def _as_record(step: "Step") -> dict[str, Any]:
    return {
        "title": step.stop.title,
        "method": step.stop.method,
        "path": step.stop.path.partition("?")[0],
        "expected": {"status": step.stop.status, "error": step.stop.error},
        "answers": {
            answer.framework: {"status": answer.status, "error": answer.error}
            for answer in step.answers
        },
        "ok": step.right,
    }


def _table_tour(stops: "Sequence[Stop]", apps: "Sequence[RunningApp]") -> "list[Step]":
    """The table grows on a terminal; in a pipe it comes whole."""
    from sample_apps.tour import walk

    console = Console()
    table = Table(title="the same requests to each framework", title_style="bold")
    for column in ("request", "what it shows", "expected", *(app.framework for app in apps)):
        table.add_column(column, overflow="fold")
    steps: list[Step] = []
    with _live(console, table) as refresh:
        for step in walk(stops, apps):
            steps.append(step)
            table.add_row(*_cells(step))
            refresh()
    wrong = sum(not step.right for step in steps)
    console.print(f"{len(steps) - wrong} of {len(steps)} as expected, on {len(apps)} frameworks")
    return steps


@contextmanager
def _live(console: Console, table: Table) -> Generator[Callable[[], None]]:
    if console.is_terminal:
        with Live(table, console=console, auto_refresh=False) as live:
            yield live.refresh
        return
    yield lambda: None
    Console(width=_PIPE_WIDTH).print(table)


def _cells(step: "Step") -> list[str]:
    stop = step.stop
    return [
        f"{stop.method} {stop.path.partition('?')[0]}",
        stop.title,
        stop.expected,
        *(_cell(answer) for answer in step.answers),
    ]


def _cell(answer: "Answer") -> str:
    return f"[green]✓ {answer.status}[/]" if answer.right else f"[bold red]✗ {answer.text}[/]"


def _serve(apps: "Sequence[RunningApp]", token: str) -> None:
    """Wait for an interrupt, after saying what to try."""
    say(f"\nUp until Ctrl-C. A page to log in with is at {apps[0].url}/ and, for the next hour:\n")
    for app in apps:
        say(f"  curl -i {app.url}/public   # {app.framework}")
        say(f"  curl -i {app.url}/me")
        say(f"  curl -i -H 'Authorization: Bearer {token}' {app.url}/me\n")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("stopping")

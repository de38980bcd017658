"""`jwt-guard demo`: the sample applications side by side, on a tour of good and bad requests."""

import os
import signal
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jwt_guard.cli.options import BAD, as_json, guard_from, json_option, say, wrong_use
from jwt_guard.config import ENVIRONMENT_PREFIX
from jwt_guard.keys.signing import generate_key
from jwt_guard.tokens.issuer import TokenIssuer

if TYPE_CHECKING:
    from sample_apps.servers import RunningApp
    from sample_apps.tour import Answer, Step, Stop

__all__ = ["demo"]

_PIPE_WIDTH = 144
_NARROW = 110
_GAP = 2
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
    with _configuration(config) as file, ExitStack() as stack:
        issuer = _issuer(file)
        stops = tour(issuer)
        try:
            with Console(stderr=True).status("starting the applications"):
                apps = stack.enter_context(running_apps(file))
        except RuntimeError as error:
            raise wrong_use(str(error)) from None
        steps = _json_tour(stops, apps) if as_json_ else _table_tour(stops, apps)
        if serve:
            _serve(apps, issuer.issue("ada", client_id="demo", lifetime=_AN_HOUR), err=as_json_)
    raise click.exceptions.Exit(0 if all(step.right for step in steps) else BAD)


def _need_sample_apps() -> None:
    try:
        import_module("sample_apps.servers")
    except ImportError as error:
        raise wrong_use(
            "the demo runs from a checkout with its development extra: "
            f"`make demo` there sets it up ({error})"
        ) from None


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
    """The table grows by a row a request, on a terminal and in a pipe."""
    from sample_apps.tour import walk

    console = Console() if Console().is_terminal else Console(width=_PIPE_WIDTH)
    layout = _Layout(console, [app.framework for app in apps])
    console.print(layout.heading())
    steps: list[Step] = []
    for step in walk(stops, apps):
        steps.append(step)
        console.print(layout.row(step))
    wrong = sum(not step.right for step in steps)
    console.print(f"\n{len(steps) - wrong} of {len(steps)} as expected, on {len(apps)} frameworks")
    return steps


class _Layout:
    """The columns of the table, whose widths are known before its rows are.

    Args:
        console: where it is printed. Where that is narrow, a request stands below what it shows.
        frameworks: the names of those that answer.
    """

    def __init__(self, console: Console, frameworks: Sequence[str]) -> None:
        self._frameworks = frameworks
        signs = ("-", "+", "x") if console.options.ascii_only else ("─", "✓", "✗")
        self._dash, self._good, self._bad = signs
        self._narrow = console.width < _NARROW
        expected, answers = 18 if self._narrow else 22, [max(len(name), 5) for name in frameworks]
        rest = console.width - expected - sum(answers) - _GAP * (len(answers) + 1)
        if self._narrow:
            opening = [max(rest, 16)]
        else:
            opening = [(rest - _GAP + 5) // 2, (rest - _GAP - 5) // 2]
        self._widths = [*opening, expected, *answers]

    def heading(self) -> Table:
        """The names of the columns."""
        names = ["request", "what it shows", "expected", *self._frameworks]
        line = [Text(self._dash * width) for width in self._widths]
        return self._grid([Text(name, "bold") for name in names], line)

    def row(self, step: "Step") -> Table:
        """What is asked, what must come back, and what did."""
        stop = step.stop
        asked = Text(f"{stop.method} {stop.path.partition('?')[0]}", "cyan")
        answers = map(self._cell, step.answers)
        return self._grid([asked, Text(stop.title), Text(stop.expected), *answers])

    def _cell(self, answer: "Answer") -> Text:
        if answer.right:
            return Text(f"{self._good} {answer.status}", "green")
        return Text(f"{self._bad} {answer.text}", "bold red")

    def _grid(self, cells: list[Text], *more: list[Text]) -> Table:
        if self._narrow:
            cells = [Text("\n").join([cells[1], cells[0]]), *cells[2:]]
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        for width in self._widths:
            grid.add_column(width=width, overflow="fold")
        for row in (cells, *more):
            grid.add_row(*row)
        return grid


def _serve(apps: "Sequence[RunningApp]", token: str, *, err: bool) -> None:
    """Wait for an interrupt, after saying what to try; beside the JSON, if that is asked for."""
    click.echo("\n".join(_to_try(apps, token)), err=err)
    try:
        signal.pause()
    except KeyboardInterrupt:
        click.echo("stopping", err=err)


def _to_try(apps: "Sequence[RunningApp]", token: str) -> Iterable[str]:
    page = apps[0].url
    yield f"\nUp until Ctrl-C. A page to log in with is at {page}/ and, for the next hour:\n"
    for app in apps:
        yield f"  curl -i {app.url}/public   # {app.framework}"
        yield f"  curl -i {app.url}/me"
        yield f"  curl -i -H 'Authorization: Bearer {token}' {app.url}/me\n"

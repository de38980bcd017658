"""What the subcommands share: reading the configuration, printing, exit statuses."""

from pathlib import Path
from typing import Any

import click
import msgspec

from jwt_guard.errors import ConfigurationError
from jwt_guard.guard import Guard

__all__ = [
    "BAD",
    "WRONG_USE",
    "as_json",
    "bad_end",
    "config_option",
    "guard_from",
    "json_option",
    "say",
    "wrong_use",
]

BAD = 1
"""The exit status when the thing asked about is bad."""

WRONG_USE = 2
"""The exit status when the command was used wrongly."""

config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("jwt_guard.toml"),
    show_default=True,
    envvar="JWT_GUARD_CONFIG",
    help="The configuration, a TOML file.",
)
json_option = click.option("--json", "as_json_", is_flag=True, help="Print JSON, for programs.")


def guard_from(config: Path) -> Guard:
    """The guard that a file describes; its mistakes end the command with status 2."""
    try:
        return Guard.from_config(config)
    except ConfigurationError as error:
        raise wrong_use(str(error)) from None


def wrong_use(message: str) -> click.exceptions.Exit:
    """Ends a command that was used wrongly; raise it."""
    return _ended(message, WRONG_USE)


def bad_end(message: str) -> click.exceptions.Exit:
    """Ends a command that could not do what it was asked; raise it."""
    return _ended(message, BAD)


def _ended(message: str, status: int) -> click.exceptions.Exit:
    click.echo(message, err=True)
    return click.exceptions.Exit(status)


def as_json(value: Any) -> str:
    """One line of JSON."""
    return msgspec.json.encode(value).decode()


def say(line: str) -> None:
    """Print a line at once, so that whoever reads the pipe need not wait."""
    click.echo(line)

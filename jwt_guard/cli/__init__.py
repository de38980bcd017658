"""The command `jwt-guard`: each subcommand in a file of its own, loaded when it is called."""

from importlib import import_module

import click

__all__ = ["main"]

_COMMANDS = {
    "attack": "Attack an API that is guarded by JSON Web Tokens.",
    "audit": "Read, verify, judge and tidy the audit log.",
    "check": "Check a configuration: its mistakes, and what it gives away.",
    "demo": "Start the sample applications and send them good and bad requests.",
    "issue": "Issue an access token.",
    "keys": "Make, list and rotate signing keys.",
    "sessions": "List, revoke and purge sessions.",
    "verify": "Verify tokens: a verdict a line.",
}


class _Lazy(click.Group):
    """Imports the module of a subcommand only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"jwt_guard.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jwt-guard-web")
def main() -> None:
    """JSON Web Tokens for Python's web frameworks: verify, issue, demonstrate, attack."""

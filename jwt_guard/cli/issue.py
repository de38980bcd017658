"""`jwt-guard issue`: an access token of our own."""

from pathlib import Path
from typing import Any

import click
import msgspec

from jwt_guard.cli.options import as_json, config_option, guard_from, json_option, say, wrong_use
from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from jwt_guard.tokens.issuer import TokenIssuer

__all__ = ["issue"]


def _claim(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    for value in values:
        name, equals, raw = value.partition("=")
        if not name or not equals:
            raise click.BadParameter("write NAME=VALUE, the value as JSON or plain text")
        claims[name] = _json_or_text(raw)
    return claims


def _json_or_text(raw: str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return raw


def _filled(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value:
        raise click.BadParameter("is empty, and such a token would be refused")
    return value


@click.command()
@config_option
@json_option
@click.option("--subject", required=True, callback=_filled, help="Whom the token is about: `sub`.")
@click.option(
    "--client",
    default="jwt-guard-cli",
    show_default=True,
    callback=_filled,
    help="`client_id`.",
)
@click.option("--role", "roles", multiple=True, help="A role; may be repeated.")
@click.option("--scope", "scopes", multiple=True, help="A scope; may be repeated.")
@click.option("--tenant", help="The tenant that the token is for.")
@click.option("--claim", "claims", multiple=True, callback=_claim, help="Another, NAME=VALUE.")
@click.option("--lifetime", type=click.IntRange(1, 86_400), help="Seconds; else as configured.")
def issue(config: Path, as_json_: bool, subject: str, client: str, **asked: Any) -> None:
    """Issue an access token, signed with the key of [tokens] in the configuration.

    Of one that this very configuration refuses, a line on standard error says why.
    """
    guard = guard_from(config)
    issuer = guard.issuer
    if issuer is None:
        raise wrong_use("this configuration issues no tokens: add [tokens] to it")
    token = _issued(issuer, subject, client, asked)
    lifetime = int(asked["lifetime"] or issuer.lifetime)
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}
    say(as_json(answer) if as_json_ else token)
    try:
        run(guard.judge(token))
    except Refusal as refusal:
        click.echo(f"this token is refused: {refusal}", err=True)


def _issued(issuer: TokenIssuer, subject: str, client: str, asked: dict[str, Any]) -> str:
    try:
        return issuer.issue(subject, client_id=client, **asked)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--claim") from None

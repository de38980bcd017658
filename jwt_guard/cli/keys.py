"""`jwt-guard keys`: the file of our signing keys, and its rotation."""

import datetime as dt
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from jwt_guard.cli.options import as_json, bad_end, config_option, json_option, say, wrong_use
from jwt_guard.config import Config
from jwt_guard.errors import ConfigurationError
from jwt_guard.keys.algorithms import ALGORITHMS
from jwt_guard.keys.loading import UnusableKeys
from jwt_guard.keys.rotation import KeyFile, KeysRefused, new_keys, retired, rotated
from jwt_guard.keys.signing import SigningKeys
from jwt_guard.keys.sources import file_of
from jwt_guard.sessions.building import lifetimes_of

__all__ = ["keys"]

_TIMES = ("created", "activated", "retired", "remove_after")
_DAY = 86_400
_LONGEST_LIFE = "jwt_guard.keys.longest_life"


def _configured(config: Path) -> Path:
    try:
        read = Config.load(config)
    except ConfigurationError as error:
        raise click.UsageError(f"name the file with --file: {error}") from None
    file = file_of(read.tokens.signing_keys, read.base) if read.tokens else None
    if read.tokens is None or file is None:
        raise click.UsageError(f"{config} names no file of signing keys; name it with --file")
    longest = lifetimes_of(read.tokens).longest().access + read.leeway
    click.get_current_context().meta[_LONGEST_LIFE] = longest
    return file


def _on_key_file(command: Callable[..., None]) -> Callable[..., None]:
    """Options that name the file, turned into the command's first argument."""

    @click.option(
        "--file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The file of the keys; by default that of [tokens] in the configuration.",
    )
    @config_option
    @json_option
    @wraps(command)
    def on_file(file: Path | None, config: Path, **options: Any) -> None:
        command(KeyFile(file or _configured(config)), **options)

    return on_file


@contextmanager
def _reported(file: KeyFile) -> Any:
    """What cannot be done, said on standard error: 1 for bad keys, 2 for wrong use."""
    try:
        yield
    except UnusableKeys as error:
        if not file.path.exists():
            remedy = "make it with `jwt-guard keys generate`"
            raise wrong_use(f"there is no file {file.path}: {remedy}") from None
        raise bad_end(str(error)) from None
    except KeysRefused as error:
        raise wrong_use(str(error)) from None
    except OSError as error:
        why = error.strerror or "the file cannot be written"
        raise wrong_use(f"{file.path}: {why}") from None


@click.group()
def keys() -> None:
    """Make, list, rotate, retire and publish signing keys.

    Applications that run on the file follow it within a second, without a restart.
    """


@keys.command()
@_on_key_file
@click.option(
    "--algorithm",
    type=click.Choice(list(ALGORITHMS)),
    default="ES256",
    show_default=True,
    help="The value of `alg`.",
)
def generate(file: KeyFile, as_json_: bool, algorithm: str) -> None:
    """Make a file of a current key and the next one, readable by you only."""
    document = new_keys(algorithm, file.clock())
    with _reported(file):
        file.create(document)
    _show(document, as_json_)


@keys.command("list")
@_on_key_file
def list_(file: KeyFile, as_json_: bool) -> None:
    """List the keys, without their private parts."""
    with _reported(file):
        _show(file.read(), as_json_)


@keys.command()
@_on_key_file
@click.option(
    "--overlap",
    type=click.IntRange(0, 400 * _DAY),
    default=_DAY,
    show_default=True,
    help="For how many seconds the key that signed so far still verifies.",
)
@click.option(
    "--algorithm",
    type=click.Choice(list(ALGORITHMS)),
    help="Of the new next key; as the current one, when not given.",
)
def rotate(file: KeyFile, as_json_: bool, overlap: int, algorithm: str | None) -> None:
    """Let the next key sign, retire the one that signed, and make a new next one.

    The overlap must be longer than any token lives.
    """
    lives = click.get_current_context().meta.get(_LONGEST_LIFE, 0)
    if overlap < lives:
        raise click.UsageError(f"tokens live {lives:g} seconds; --overlap must be as long at least")
    with _reported(file):
        changed = file.change(
            lambda document, now: rotated(document, now, overlap=overlap, algorithm=algorithm)
        )
    _show(changed, as_json_)


@keys.command()
@_on_key_file
@click.argument("kid")
def retire(file: KeyFile, as_json_: bool, kid: str) -> None:
    """Take a key out at once: what it signed is refused from now on.

    Other services learn of it when they next read the published set.
    """
    with _reported(file):
        changed = file.change(lambda document, now: retired(document, kid, now))
    _show(changed, as_json_)


@keys.command()
@_on_key_file
def publish(file: KeyFile, as_json_: bool) -> None:
    """Print the JWK set to publish: public parts only, and no secrets."""
    with _reported(file):
        say(as_json(SigningKeys.from_jwks(file.read()).public_jwks()))


def _show(document: dict[str, Any], as_json_: bool) -> None:
    listed = [_described(key) for key in document["keys"]]
    if as_json_:
        say(as_json({"keys": listed}))
        return
    for key in listed:
        times = " ".join(f"{name} {_utc(key[name])}" for name in _TIMES if name in key)
        say(f"{key['status'] or '-':8} {key['alg']:8} {key['kid']}  {times}".rstrip())


def _described(key: dict[str, Any]) -> dict[str, Any]:
    """What may be told of a key: never a member that is not named here."""
    return {
        "kid": key.get("kid"),
        "alg": key.get("alg"),
        "status": key.get("status"),
        **{name: key[name] for name in _TIMES if name in key},
    }


def _utc(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

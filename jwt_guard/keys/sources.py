"""From what a configuration says of an issuer's keys to the `KeySource` that serves them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from jwt_guard.config import IssuerConfig
from jwt_guard.keys.keyset import KeySource, StaticKeys
from jwt_guard.keys.loading import Loaded, UnusableKeys, load_jwks, load_secret, load_text

__all__ = ["key_source", "referred", "signing_document"]


def key_source(issuer: IssuerConfig, base: Path) -> KeySource:
    """The source of one issuer's keys.

    Args:
        issuer: its table.
        base: the folder from which relative paths start.

    Raises:
        UnusableKeys: nothing can be loaded, or nothing of it can be used.
    """
    return StaticKeys(_loaded(issuer, base).keys)


def _loaded(issuer: IssuerConfig, base: Path) -> Loaded:
    if issuer.secret is not None:
        return load_secret(_bytes(referred(issuer.secret, base)), issuer.algorithms)
    if isinstance(issuer.keys, Mapping):
        return load_jwks(issuer.keys, issuer.algorithms, symmetric=True)
    return load_text(_material(str(issuer.keys), base), issuer.algorithms)


def _bytes(secret: str) -> bytes:
    """A variable's bytes are its bytes, whether or not they are UTF-8 (PEP 383)."""
    return secret.encode("utf-8", "surrogateescape")


def _material(keys: str, base: Path) -> str:
    """The text of the keys, in place or where `keys` points."""
    if keys.lstrip().startswith(("-----BEGIN", "{")):
        return keys
    return referred(keys if ":" in keys[:5] else f"file:{keys}", base)


def referred(value: str, base: Path) -> str:
    """What `env:NAME` or `file:PATH` refers to; any other text itself.

    Raises:
        UnusableKeys: the variable is not set or the file cannot be read.
    """
    kind, _, name = value.partition(":")
    if kind == "env":
        return _variable(name)
    if kind == "file":
        return _content(base / name)
    return value


def _variable(name: str) -> str:
    found = os.environ.get(name)
    if not found:
        raise UnusableKeys(f"the environment variable {name!r} is not set")
    return found


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise UnusableKeys(
            f"{file.name}: {getattr(error, 'strerror', None) or 'not text'}"
        ) from None


def signing_document(keys: str | Mapping[str, Any], base: Path) -> Any:
    """The parsed JWK set of our signing keys."""
    if isinstance(keys, Mapping):
        return keys
    try:
        return msgspec.json.decode(_material(keys, base))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UnusableKeys("not the JSON of a JWK set") from None

"""From what a configuration says of an issuer's keys to the `KeySource` that serves them."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from jwt_guard.audit.observer import Observer
from jwt_guard.keys.keyset import KeySource, StaticKeys
from jwt_guard.keys.loading import Loaded, UnusableKeys, load_jwks, load_secret, load_text
from jwt_guard.keys.reach import Reach
from jwt_guard.keys.remote import RemoteKeys, RemotePolicy

__all__ = ["KeySettings", "key_source", "referred", "signing_document"]


class KeySettings(Protocol):
    """What an issuer's table says of its keys."""

    @property
    def issuer(self) -> str:
        """The exact `iss`."""
        ...

    @property
    def keys(self) -> str | Mapping[str, Any] | None:
        """Where the keys are: a file, a variable, a URL, `discover`, or the keys themselves."""
        ...

    @property
    def secret(self) -> str | None:
        """An HMAC secret instead of keys."""
        ...

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The values of `alg` that they may serve."""
        ...

    @property
    def allow_http(self) -> bool:
        """Whether this very host may be asked, and over http."""
        ...

    @property
    def private_network(self) -> bool:
        """Whether hosts in private networks may be asked."""
        ...

    @property
    def refresh_every(self) -> float:
        """See `RemotePolicy`."""
        ...

    @property
    def outage_limit(self) -> float:
        """See `RemotePolicy`."""
        ...

    @property
    def timeout(self) -> float:
        """See `RemotePolicy`."""
        ...


def key_source(settings: KeySettings, base: Path, observers: Iterable[Observer] = ()) -> KeySource:
    """The source of one issuer's keys. Nothing is fetched yet.

    Args:
        settings: its table.
        base: the folder from which relative paths start.
        observers: who is told of rotations and outages.

    Raises:
        UnusableKeys: nothing can be loaded, or nothing of it can be used.
    """
    if settings.keys == "discover" or _is_url(settings.keys):
        return _remote(settings, observers)
    return StaticKeys(_loaded(settings, base).keys)


def _is_url(keys: object) -> bool:
    return isinstance(keys, str) and keys.lower().startswith(("https://", "http://"))


def _remote(settings: KeySettings, observers: Iterable[Observer]) -> RemoteKeys:
    # imported here, because who fetches nothing needs no HTTP client
    from jwt_guard.keys.jwks import remote_loader

    loader = remote_loader(
        settings.issuer,
        None if settings.keys == "discover" else str(settings.keys),
        settings.algorithms,
        reach=Reach(loopback=settings.allow_http, private=settings.private_network),
    )
    policy = RemotePolicy(
        refresh_every=settings.refresh_every,
        outage_limit=settings.outage_limit,
        timeout=settings.timeout,
    )
    return RemoteKeys(settings.issuer, loader, policy, observers=observers)


def _loaded(settings: KeySettings, base: Path) -> Loaded:
    if settings.secret is not None:
        return load_secret(_bytes(referred(settings.secret, base)), settings.algorithms)
    if isinstance(settings.keys, Mapping):
        return load_jwks(settings.keys, settings.algorithms, symmetric=True)
    return load_text(_material(str(settings.keys), base), settings.algorithms)


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

"""From what a configuration says of an issuer's keys to the `KeySource` that serves them."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from jwt_guard.audit.observer import EventName, Observer, Occurrence, tell_now
from jwt_guard.keys.keyset import KeySource, StaticKeys
from jwt_guard.keys.loading import Loaded, UnusableKeys, load_jwks, load_secret, load_text
from jwt_guard.keys.reach import Reach
from jwt_guard.keys.remote import RemoteKeys, RemotePolicy
from jwt_guard.keys.signing import SigningKeys
from jwt_guard.keys.watching import FileKeys, Watched, read_text

__all__ = [
    "KeySettings",
    "file_of",
    "key_source",
    "own_keys",
    "private_material",
    "referred",
    "signing_document",
]


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
    file = file_of(settings.keys, base)
    if file is not None:
        return _watched(file, settings, observers)
    return StaticKeys(_loaded(settings, base).keys)


def file_of(keys: str | Mapping[str, Any] | None, base: Path) -> Path | None:
    """The file that a setting names, if it names one rather than a variable, or keys in place."""
    if not isinstance(keys, str) or keys.lstrip().startswith(("-----BEGIN", "{")):
        return None
    kind, _, name = keys.partition(":")
    if kind == "env":
        return None
    return base / (name if kind == "file" else keys)


def _watched(file: Path, settings: KeySettings, observers: Iterable[Observer]) -> FileKeys:
    told = Occurrence(name=EventName.KEY_ROTATED, issuer=settings.issuer)
    watched = Watched(
        file,
        lambda text: load_text(text, settings.algorithms).keys,
        changed=lambda keys: tell_now(observers, told),
    )
    return FileKeys(watched, lambda keys: keys)


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
    return load_text(referred(str(settings.keys), base), settings.algorithms)


def _bytes(secret: str) -> bytes:
    """A variable's bytes are its bytes, whether or not they are UTF-8 (PEP 383)."""
    return secret.encode("utf-8", "surrogateescape")


def referred(value: str, base: Path) -> str:
    """What `env:NAME` or `file:PATH` refers to; any other text itself.

    Raises:
        UnusableKeys: the variable is not set or the file cannot be read.
    """
    kind, _, name = value.partition(":")
    if kind == "env":
        return _variable(name)
    if kind == "file":
        return read_text(base / name)
    return value


def _variable(name: str) -> str:
    found = os.environ.get(name)
    if not found:
        remedy = f"set {name} in the environment of this process"
        raise UnusableKeys(f"the environment variable {name!r} is not set", remedy=remedy)
    return found


def signing_document(keys: str | Mapping[str, Any], base: Path) -> Any:
    """The parsed JWK set of our signing keys."""
    material = private_material(keys, base)
    if isinstance(material, Mapping):
        return material
    try:
        return msgspec.json.decode(material)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UnusableKeys("not the JSON of a JWK set") from None


def private_material(keys: str | Mapping[str, Any], base: Path) -> str | Mapping[str, Any]:
    """The text of keys of our own, or the keys themselves.

    Raises:
        UnusableKeys: they cannot be read.
    """
    if isinstance(keys, Mapping):
        return keys
    file = file_of(keys, base)
    return read_text(file) if file else referred(keys, base)


def own_keys(
    issuer: str, keys: str | Mapping[str, Any], base: Path, observers: Iterable[Observer] = ()
) -> SigningKeys:
    """Our own signing keys; those of a file as the file is at any time.

    Args:
        issuer: our `iss`.
        keys: what the configuration says of them.
        base: the folder from which relative paths start.
        observers: who is told when the file has changed.

    Raises:
        UnusableKeys: they cannot be loaded, or are too weak.
    """
    file = file_of(keys, base)
    if file is None:
        return SigningKeys.from_jwks(signing_document(keys, base))

    def changed(kid: str) -> None:
        detail = {"kid": kid}
        tell_now(observers, Occurrence(name=EventName.KEY_ROTATED, issuer=issuer, detail=detail))

    return SigningKeys.from_file(file, changed=changed)

"""From the URL of a configuration to a store. Nothing is connected yet."""

from pathlib import Path

from jwt_guard.stores.memory import MemoryStore
from jwt_guard.stores.protocol import Store, UnusableStore

__all__ = ["is_djangos", "open_store"]


def is_djangos(url: str) -> bool:
    """Whether a store is a database of a Django project, which only the project can open."""
    return url.startswith("django:")


def open_store(url: str, base: Path, *, timeout: float) -> Store:
    """The store of a URL.

    Args:
        url: `memory://`, `sqlite:///file.db`, `postgresql://...`, `valkey://...`.
        base: the folder from which relative paths start.
        timeout: for how many seconds an operation may wait for an answer.

    Raises:
        UnusableStore: the URL is not understood, or the extra that it needs is not installed.
    """
    if is_djangos(url):
        raise UnusableStore(
            "is a database of a Django project, which is at hand there alone",
            "use `manage.py jwt_guard_sessions` and `manage.py jwt_guard_audit`, which serve it",
        )
    kind = url.partition(":")[0].partition("+")[0]
    if kind == "memory":
        return MemoryStore()
    if kind in {"sqlite", "postgresql"}:
        return _sql(url, base, timeout)
    if kind in {"valkey", "valkeys", "redis", "rediss"}:
        return _valkey(url, timeout)
    raise UnusableStore("is not the URL of a store that is known")


def _sql(url: str, base: Path, timeout: float) -> Store:
    try:
        from jwt_guard.stores.sql import SqlStore
    except ImportError as error:
        raise _without("sql", error) from None
    return SqlStore.from_url(url, base, timeout=timeout)


def _valkey(url: str, timeout: float) -> Store:
    try:
        from jwt_guard.stores.valkey import ValkeyStore
    except ImportError as error:
        raise _without("valkey", error) from None
    return ValkeyStore.from_url(url, timeout=timeout)


def _without(extra: str, error: ImportError) -> UnusableStore:
    package = f"jwt-guard-web[{extra}]"
    return UnusableStore(f"needs the extra {package} ({error.name})", f"pip install '{package}'")

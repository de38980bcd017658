"""The log in a database: chained, sealed, verifiable, shared."""

import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine

from jwt_guard import Guard
from jwt_guard.audit.building import Builder
from jwt_guard.audit.ocsf import OcsfEncoder
from jwt_guard.audit.report import report_of, row_lines
from jwt_guard.audit.rows import RowSink, verify_rows
from jwt_guard.audit.seal import SealKey, new_jwk
from jwt_guard.audit.sinks import SinkFailed
from jwt_guard.audit.sql import SqlTables
from jwt_guard.cli import main
from jwt_guard.config import Config
from jwt_guard.flow import run
from jwt_guard.keys.signing import generate_key
from tests.core.audit.conftest import following, patiently, some, view
from tests.support.servers import postgresql_server, postgresql_url

__all__ = ["postgresql_server", "postgresql_url"]

INSERTED = (
    "INSERT INTO jwt_guard_audit SELECT 99, time, name, reason, subject, address, record "
    "FROM jwt_guard_audit WHERE sequence = 3"
)
KEY = SealKey(new_jwk())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/audit.db"
    found = str(request.getfixturevalue("postgresql_url"))
    change(found, "DROP TABLE IF EXISTS jwt_guard_audit, jwt_guard_audit_head")
    return found


def change(url: str, *statements: str) -> None:
    """Do something to the tables behind the log's back."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def sink_at(url: str, **settings: Any) -> RowSink:
    """A sink in a database."""
    encoder = OcsfEncoder(service="api", version="1")
    return RowSink("db", SqlTables(url, Path()), encoder=encoder, key=KEY, **settings)


def verified(url: str) -> Any:
    """What verification finds."""
    tables = SqlTables(url, Path())
    report = verify_rows("db", tables, KEY.seals)
    tables.close()
    return report


def test_what_is_written_verifies(url: str) -> None:
    """With its checkpoints, across restarts."""
    for _ in range(2):
        sink = sink_at(url, checkpoint_every=10)
        sink.write(some(12))
        sink.write(some(12))
        sink.close()
    report = verified(url)
    assert report.good, report.problems
    assert report.records == 48 + report.checkpoints
    assert report.checkpoints >= 2


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM jwt_guard_audit WHERE sequence = 5",
        "DELETE FROM jwt_guard_audit WHERE sequence > 20",
        "DELETE FROM jwt_guard_audit",
        "UPDATE jwt_guard_audit SET record = replace(record, 'user-3', 'user-4') WHERE sequence=4",
        INSERTED,
        "UPDATE jwt_guard_audit_head SET head = replace(head, 'sequence', 'time')",
        "UPDATE jwt_guard_audit_head SET head = ''",
    ],
)
def test_tampering_is_found(url: str, statement: str) -> None:
    """Whatever is done to the rows or to the head."""
    sink = sink_at(url)
    sink.write(some(24))
    sink.close()
    assert verified(url).good
    change(url, statement)
    assert not verified(url).good
    sink = sink_at(url)
    sink.write(some(3))
    sink.close()
    assert not verified(url).good, "what is written afterwards must not excuse it"


def test_several_writers_make_one_chain(url: str) -> None:
    """Their batches follow each other."""

    def write() -> None:
        sink = sink_at(url)
        for _ in range(5):
            patiently(lambda: sink.write(some(4)), tries=20)
        sink.close()

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    report = verified(url)
    assert report.good
    assert report.records == 60


def test_a_dead_database_is_a_failure_that_names_no_password() -> None:
    """The batch is kept for another time."""
    sink = sink_at("postgresql://user:the-password@127.0.0.1:9/none")
    with pytest.raises(SinkFailed) as caught:
        sink.write(some(1))
    assert "the-password" not in str(caught.value)


@pytest.mark.parametrize("url", ["://", "valkey://127.0.0.1", "https://audit.example.test/"])
def test_an_unknown_url_is_refused(url: str) -> None:
    """At start."""
    with pytest.raises(ValueError, match="URL"):
        SqlTables(url, Path())


def configured(folder: Path, audit: str) -> Path:
    """A configuration that issues tokens, with this in its `[audit]`."""
    (folder / "keys.json").write_bytes(msgspec.json.encode({"keys": [generate_key("ES256")]}))
    config = folder / "jwt_guard.toml"
    config.write_text(
        'audience = "https://api.example.test"\n[tokens]\nissuer = "https://app.example.test"\n'
        f'signing_keys = "keys.json"\n[audit]\n{audit}\n'
    )
    return config


def test_guard_and_command_work_with_a_database(tmp_path: Path) -> None:
    """From `[audit]` to `audit tail`, `search`, `verify`, `export` and `forget`."""
    config = configured(tmp_path, 'sink = "sqlite:///audit.db"\nstrict = true')
    with Guard.from_config(config) as guard:
        assert guard.issuer is not None
        run(guard.identify(view(guard.issuer.issue("ada", client_id="web"))))
        run(guard.identify(view("a.b.c")))

    def audit(*arguments: str) -> Result:
        command, *rest = arguments
        return CliRunner().invoke(main, ["audit", command, "--config", str(config), *rest])

    assert len(audit("tail", "--json").output.splitlines()) == 2
    assert len(audit("search", "--json", "--subject", "ada").output.splitlines()) == 1
    assert len(audit("export").output.splitlines()) == 2
    assert audit("scan").exit_code == 0
    assert audit("forget", "ada").exit_code == 0
    assert audit("verify").exit_code == 0
    assert audit("purge", "--before", "1d").output == "nothing more is that old\n"
    assert audit("purge", "--before", "0s", "--rotate").exit_code == 2


def test_tail_follows_a_database(url: str, tmp_path: Path) -> None:
    """New records come as they are written, also while the old ones are purged."""
    config = configured(tmp_path, f'sink = "{url}"')
    for _ in range(3):
        refuse(config, "/first")
    with following(config, "-n", "2", "--event", "refused") as told:
        assert [path_of(told()) for _ in range(2)] == ["/first", "/first"]
        refuse(config, "/second")
        assert path_of(told()) == "/second"
        purged = CliRunner().invoke(main, ["audit", "purge", "--before", "0s", *at(config)])
        assert purged.output == "purged   4 records, up to 4\n"
        refuse(config, "/third")
        assert path_of(told()) == "/third"
    assert CliRunner().invoke(main, ["audit", "verify", *at(config)]).exit_code == 0


def test_tail_looks_as_far_back_as_it_must(tmp_path: Path) -> None:
    """Also behind thousands of records that are not wanted, and names rows that are none."""
    config = configured(tmp_path, 'sink = "sqlite:///audit.db"')
    refuse(config, "/first")
    sink = Builder(Config.load(config).audit, base=tmp_path, service="api").databases()[0]
    sink.write(some(5_000))
    sink.close()
    change(
        f"sqlite:///{tmp_path}/audit.db",
        "UPDATE jwt_guard_audit SET record = '{}' WHERE sequence = 9",
    )
    tail = ["audit", "tail", "--json", "--event", "refused", *at(config)]
    result = CliRunner().invoke(main, tail)
    assert path_of(result.stdout) == "/first"
    assert result.stderr == "sqlite:///audit.db:9: not a record: skipped\n"


@pytest.mark.parametrize("command", ["tail", "search", "verify", "purge"])
def test_commands_say_that_a_database_is_dead(tmp_path: Path, command: str) -> None:
    """Exit status 1, in one line without its password."""
    sink = "postgresql://user:the-password@127.0.0.1:9/none"
    config = configured(tmp_path, f'sink = "{sink}"\nfile.retention_days = 1')
    result = CliRunner().invoke(main, ["audit", command, *at(config)])
    assert result.exit_code == 1
    assert result.output == "postgresql://127.0.0.1:9/none: OperationalError\n"


def at(config: Path) -> list[str]:
    """The option that names it."""
    return ["--config", str(config)]


def refuse(config: Path, path: str) -> None:
    """A request that is refused there."""
    with Guard.from_config(config) as guard:
        run(guard.identify(view("a.b.c", path=path)))


def path_of(record: str) -> Any:
    """The path that a record in JSON tells of."""
    return msgspec.json.decode(record)["http_request"]["url"]["path"]


def test_commands_and_reports_read_a_database_beside_a_file(tmp_path: Path) -> None:
    """`--log` names it as the configuration does, and no other."""
    config = configured(tmp_path, 'sink = ["audit.jsonl", "sqlite:///audit.db"]')
    with Guard.from_config(config) as guard:
        assert guard.issuer is not None
        for _ in range(3):
            run(guard.identify(view(guard.issuer.issue("ada", client_id="web"))))

    def audit(command: str, log: str) -> Result:
        return CliRunner().invoke(main, ["audit", command, "--config", str(config), "--log", log])

    assert audit("verify", "sqlite:///audit.db").exit_code == 0
    assert len(audit("tail", "sqlite:///audit.db").output.splitlines()) == 3
    other = audit("verify", "postgresql://u:hunter2@host/db")
    assert other.exit_code == 2
    assert "hunter2" not in other.output
    lines = row_lines(SqlTables("sqlite:///audit.db", tmp_path))
    assert report_of(lines, hours=1).total("authenticated") == 3
    assert report_of(lines, hours=1, now=time.time() + 7200).total("authenticated") == 0

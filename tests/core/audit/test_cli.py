"""`jwt-guard audit`, as people call it."""

import csv
import io
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jwt_guard.audit.folder import LogFolder
from jwt_guard.cli import main
from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard, Outcome
from jwt_guard.keys.signing import generate_key
from jwt_guard.requirements import role
from tests.core.audit.conftest import following, view

ISSUER = "https://app.example.test"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose log holds ada's and grace's request, a denial and a refusal."""
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [generate_key("ES256")]}))
    file = tmp_path / "jwt_guard.toml"
    file.write_text(
        f"""
        audience = "https://api.example.test"
        [tokens]
        issuer = "{ISSUER}"
        signing_keys = "keys.json"
        [audit]
        sink = "audit.jsonl"
        """
    )
    with Guard.from_config(file) as guard:
        assert guard.issuer is not None
        for subject in ("ada", "grace"):
            token = guard.issuer.issue(subject, client_id="web", claims={"sid": f"sid-{subject}"})
            run(guard.identify(view(token, path=f"/{subject}")))
        token = guard.issuer.issue("grace", client_id="web", claims={"sid": "sid-grace"})
        outcome = Outcome(principal=guard.verify(token))
        with pytest.raises(Refusal):
            guard.permit(outcome, view(token, path="/admin"), role("admin"))
        run(guard.identify(view("=cmd.x.y", path="=1+1", method="=1")))
    return file


def audit(config: Path, *arguments: str) -> Result:
    """Call it."""
    command, *rest = arguments
    return CliRunner().invoke(main, ["audit", command, "--config", str(config), *rest])


def test_tail_shows_the_newest(config: Path) -> None:
    """Readable, a line each, exit status 0."""
    result = audit(config, "tail", "-n", "3")
    assert result.exit_code == 0
    shown = result.output.splitlines()
    assert len(shown) == 3
    assert "role_missing" in shown[0]
    assert "token_malformed" in shown[1]
    assert "checkpoint" in shown[2]


def test_tail_follows(config: Path) -> None:
    """New records come as they are written, also behind a rotation."""
    with following(config, "-n", "1", "--event", "refused") as told:
        first = json.loads(told())
        with Guard.from_config(config) as guard:
            run(guard.identify(view("a.b.c", path="/second")))
            assert guard.trail is not None
            guard.trail.flush()
            second = json.loads(told())
            sink = guard.trail.sinks[0]
            sink.rotate()  # type: ignore[attr-defined]
            time.sleep(0.7)
            run(guard.identify(view("a.b.c", path="/third")))
            guard.trail.flush()
            third = json.loads(told())
    paths = [record["http_request"]["url"]["path"] for record in (first, second, third)]
    assert paths == ["=1+1", "/second", "/third"]


def test_search_finds_a_person_by_their_own_name(config: Path) -> None:
    """And by session, reason, event, path and time; exit status 1 when there is nothing."""
    one = ["--json", "--subject"]
    assert len(audit(config, "search", *one, "ada").output.splitlines()) == 1
    assert len(audit(config, "search", *one, "grace").output.splitlines()) == 2
    with_session = audit(config, "search", *one, "grace", "--session", "sid-grace")
    assert len(with_session.output.splitlines()) == 2
    assert audit(config, "search", *one, "grace", "--session", "sid-ada").exit_code == 1
    for filters, found in [
        (["--reason", "token_malformed"], 1),
        (["--event", "authenticated", "--event", "denied"], 3),
        (["--path", "/a"], 2),
        (["--since", "1h"], 5),
        (["--until", "2020-01-01"], 0),
        (["--address", "192.0.2.0", "--limit", "2"], 2),
    ]:
        result = audit(config, "search", "--json", *filters)
        assert len(result.stdout.splitlines()) == found, filters
        assert result.exit_code == (0 if found else 1)
        assert result.stderr == ("" if found else "nothing was found\n")


def test_search_names_people_only_when_asked(config: Path) -> None:
    """`--reveal`, for whoever holds the keys."""
    assert "ada" not in audit(config, "search", "--event", "authenticated").output.replace(
        "/ada", ""
    )
    assert f"{ISSUER}#ada" in audit(config, "search", "--reveal").output


def test_verify_says_good_and_bad(config: Path) -> None:
    """Exit status 0 and 1, the place in the report, the last link to note elsewhere."""
    good = audit(config, "verify")
    assert good.exit_code == 0, good.output
    assert "good" in good.output
    report = json.loads(audit(config, "verify", "--json").output)
    noted = f"{report['last']['sequence']}:{report['last']['fingerprint']}"
    assert f"last     {noted}\n" in good.output
    assert audit(config, "verify", "--expect", noted).exit_code == 0
    log = config.parent / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b"role_missing", b"role_granted"))
    bad = audit(config, "verify")
    assert bad.exit_code == 1
    assert "audit.jsonl:3" in bad.output


def test_verify_with_the_auditors_own_key(config: Path, tmp_path: Path) -> None:
    """What is trusted is what the auditor brought, not what lies beside the log."""
    ours = LogFolder(config.parent / "audit.jsonl").public_keys
    assert audit(config, "verify", "--public-key", str(ours)).exit_code == 0
    from jwt_guard.audit.seal import new_jwk

    other = new_jwk()
    del other["d"]
    (tmp_path / "other.json").write_text(json.dumps(other))
    assert audit(config, "verify", "--public-key", str(tmp_path / "other.json")).exit_code == 1


def test_without_public_keys_nothing_is_verified(config: Path) -> None:
    """It says what is missing and how to name it, and the status is not that of a good log."""
    LogFolder(config.parent / "audit.jsonl").public_keys.unlink()
    missing = audit(config, "verify")
    assert missing.exit_code == 1
    assert "cannot verify without the log's public keys (--public-key)" in missing.output


def test_forget_makes_a_person_unknown_and_the_log_still_verifies(config: Path) -> None:
    """Once; afterwards nobody of that name is known."""
    assert audit(config, "forget", "ada").exit_code == 0
    assert audit(config, "search", "--subject", "ada").exit_code == 1
    assert f"{ISSUER}#ada" not in audit(config, "search", "--reveal").output
    assert f"{ISSUER}#grace" in audit(config, "search", "--reveal").output
    assert audit(config, "forget", "ada").exit_code == 1
    assert audit(config, "verify").exit_code == 0


def test_purge_deletes_what_is_old(config: Path) -> None:
    """Nothing by default, whole parts when asked, and the log still verifies."""
    assert audit(config, "purge").exit_code == 2
    assert "nothing" in audit(config, "purge", "--before", "1d").output
    purged = json.loads(audit(config, "purge", "--before", "0s", "--rotate", "--json").output)
    assert purged == {"records": 7, "through": 7, "problems": []}
    assert audit(config, "verify").exit_code == 0
    again = audit(config, "purge", "--before", "0s", "--rotate")
    assert again.output == "purged   4 records, up to 11\n"


def test_purge_tells_what_was_wrong_with_what_it_deletes(config: Path) -> None:
    """Exit status 1, and it stays on record."""
    log = config.parent / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b"role_missing", b"role_granted"))
    result = audit(config, "purge", "--before", "0s", "--rotate")
    assert result.exit_code == 1
    assert "the record was changed" in result.output
    again = audit(config, "verify")
    assert again.exit_code == 1
    assert "the record was changed" in again.output


def test_export_writes_records_or_a_table_and_says_so_in_the_log(config: Path) -> None:
    """A table that no spreadsheet takes for formulas."""
    exported = audit(config, "export", "--event", "authenticated").output.splitlines()
    assert len([json.loads(line) for line in exported]) == 2
    table = list(csv.DictReader(io.StringIO(audit(config, "export", "--format", "csv").output)))
    assert [row["name"] for row in table][:4] == [
        "authenticated",
        "authenticated",
        "denied",
        "refused",
    ]
    assert not any(value.startswith("=") for row in table for value in row.values())
    assert "exported" in audit(config, "tail").output


def test_scan_judges_the_log(config: Path) -> None:
    """Exit status 0 while nothing is wrong, 1 with a line an alert."""
    assert audit(config, "scan").exit_code == 0
    with Guard.from_config(config) as guard:
        for _ in range(40):
            run(guard.identify(view("a.b.c")))
    result = audit(config, "scan", "--json")
    assert result.exit_code == 1
    assert {json.loads(line)["rule"] for line in result.output.splitlines()} == {"burst_address"}
    assert audit(config, "scan", "--disable", "burst_address").exit_code == 0


def test_lines_that_are_no_records_are_reported_and_skipped(config: Path) -> None:
    """And what stands in them cannot take over the terminal."""
    log = config.parent / "audit.jsonl"
    with log.open("ab") as file:
        file.write(b'\x1b[2Jnonsense\n{"metadata":{},"unmapped":{"event":"\x1b[31m"}}\n')
    result = audit(config, "search")
    assert "audit.jsonl:6: not a record" in result.output
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "--since", "yesterday"],
        ["verify", "--expect", "nonsense"],
        ["search", "--event"],
        ["search", "--event", "foo"],
        ["nonsense"],
    ],
)
def test_wrong_use_is_status_2(config: Path, arguments: list[str]) -> None:
    """As for every command."""
    assert audit(config, *arguments).exit_code == 2


def test_no_log_is_wrong_use(tmp_path: Path) -> None:
    """A configuration without `[audit]` has nothing to read."""
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [generate_key("ES256")]}))
    file = tmp_path / "jwt_guard.toml"
    file.write_text(f'audience = "a"\n[tokens]\nissuer = "{ISSUER}"\nsigning_keys = "keys.json"\n')
    assert audit(file, "tail").exit_code == 2


def test_an_event_that_there_is_not_is_told_with_those_that_there_are(config: Path) -> None:
    """Those of requests, of sessions, and of the log itself."""
    result = audit(config, "search", "--event", "login-failed")
    assert all(f"'{name}'" in result.stderr for name in ("refused", "login_failed", "purged"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["tail"],
        ["tail", "--follow"],
        ["search"],
        ["search", "--subject", "ada"],
        ["scan"],
        ["export"],
        ["verify"],
        ["serve", "--port", "0"],
    ],
    ids=" ".join,
)
def test_a_log_that_is_not_there_is_wrong_use(config: Path, arguments: list[str]) -> None:
    """A slip in its name must not pass for a log in which nothing is wrong."""
    result = audit(config, *arguments, "--log", str(config.parent / "typo.jsonl"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"there is no log at {config.parent / 'typo.jsonl'}\n"


def test_a_log_whose_files_are_gone_is_no_slip(config: Path) -> None:
    """Its head tells that there was one: verifying reports that it is missed."""
    (config.parent / "audit.jsonl").unlink()
    result = audit(config, "verify")
    assert result.exit_code == 1
    assert "problem" in result.stdout

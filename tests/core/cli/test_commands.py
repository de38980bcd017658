"""The commands verify, issue and check, as a shell sees them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from joserfc import jwt
from joserfc.jwk import ECKey

from jwt_guard.cli import main
from jwt_guard.keys.signing import generate_key

CONFIG = """\
audience = "https://api.example.test"
[tokens]
issuer = "https://app.example.test"
signing_keys = "keys.json"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that issues and trusts its own tokens."""
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [generate_key("ES256")]}))
    file = tmp_path / "jwt_guard.toml"
    file.write_text(CONFIG)
    return file


def call(*arguments: object, stdin: bytes | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def issued(config: Path, *options: str) -> str:
    """A token as the command prints it."""
    result = call("issue", "--config", config, "--subject", "ada", *options)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_issue_then_verify(config: Path) -> None:
    """What `issue` prints, `verify` finds good."""
    token = issued(config, "--role", "admin", "--tenant", "acme", "--claim", 'x={"a": 1}')
    result = call("verify", "--config", config, "--json", token)
    verdict = json.loads(result.stdout)
    assert result.exit_code == 0
    assert verdict["ok"] is True
    assert verdict["header"]["alg"] == "ES256"
    assert verdict["claims"]["roles"] == ["admin"]
    assert verdict["claims"]["x"] == {"a": 1}


def test_issue_answers_as_rfc_6749(config: Path) -> None:
    """With --json, `issue` answers the members of RFC 6749 section 5.1."""
    result = call("issue", "--config", config, "--subject", "ada", "--lifetime", "60", "--json")
    answer = json.loads(result.stdout)
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 60
    assert answer["access_token"].count(".") == 2


def test_issue_keeps_its_own_claims(config: Path) -> None:
    """A claim that the issuer decides cannot be set from outside."""
    result = call("issue", "--config", config, "--subject", "ada", "--claim", "iss=evil")
    assert result.exit_code == 2
    assert "iss" in result.stderr


@pytest.mark.parametrize("option", ["--subject", "--client"])
def test_issue_makes_no_token_that_verify_refuses(config: Path, option: str) -> None:
    """A token is about somebody, and for a client."""
    result = call("issue", "--config", config, "--subject", "ada", option, "")
    assert result.exit_code == 2
    assert option in result.stderr


def test_issue_needs_tokens(tmp_path: Path) -> None:
    """A configuration that only verifies cannot issue."""
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [generate_key("ES256")]}))
    file = tmp_path / "only.toml"
    file.write_text(
        'audience = "a"\n[[issuers]]\nissuer = "https://i"\nkeys = "keys.json"\n'
        'algorithms = ["ES256"]\n'
    )
    result = call("issue", "--config", file, "--subject", "ada")
    assert result.exit_code == 2
    assert "[tokens]" in result.stderr


def test_verify_reads_lines_in_order(config: Path) -> None:
    """A thousand mixed lines get a thousand verdicts, in their order."""
    good = issued(config)
    lines = [good if number % 3 else f"bad{number}" for number in range(1000)]
    result = call("verify", "--config", config, "--json", "-", stdin="\n".join(lines).encode())
    verdicts = [json.loads(line)["ok"] for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert verdicts == [bool(number % 3) for number in range(1000)]


def test_verify_tells_the_reason_and_the_claim(config: Path) -> None:
    """A refused token gets its reason and the claim at fault, in text and in JSON."""
    token = issued(config, "--claim", "nbf=99999999999")
    as_json = call("verify", "--config", config, "--json", token)
    as_text = call("verify", "--config", config, token)
    assert json.loads(as_json.stdout) == {
        "ok": False,
        "reason": "token_not_yet_valid",
        "claim": "nbf",
    }
    assert as_text.stdout == "refused  token_not_yet_valid (nbf)\n"


def test_verify_answers_a_refused_token_in_one_shape(config: Path) -> None:
    """The claim is null where none is at fault, so that programs need not ask for it."""
    result = call("verify", "--config", config, "--json", "hello")
    assert result.stdout == '{"ok":false,"reason":"token_malformed","claim":null}\n'
    assert call("verify", "--config", config, "hello").stdout == "refused  token_malformed\n"


def test_verify_tells_what_the_guard_made_of_the_claims(config: Path) -> None:
    """What handlers see of the caller, in an order that is the same each time."""
    options = ["--role", "b", "--role", "a", "--scope", "s:w", "--scope", "s:r", "--tenant", "acme"]
    token = issued(config, *options, "--claim", "permissions=[]", "--claim", "sid=s1")
    claims, told = (
        json.loads(call("verify", "--config", config, "--json", token).stdout)[name]
        for name in ("claims", "principal")
    )
    assert told == {
        "subject": "ada",
        "issuer": "https://app.example.test",
        "roles": ["a", "b"],
        "scopes": ["s:r", "s:w"],
        "permissions": [],
        "tenant": "acme",
        "client_id": "jwt-guard-cli",
        "token_id": claims["jti"],
        "session_id": "s1",
        "issued_at": claims["iat"],
        "expires_at": claims["exp"],
        "authenticated_at": None,
        "acr": None,
        "is_bound": False,
    }
    assert call("verify", "--config", config, token).stdout == (
        "good     ada of https://app.example.test  roles a, b  scopes s:r, s:w  tenant acme\n"
    )
    plain = call("verify", "--config", config, issued(config))
    assert plain.stdout == "good     ada of https://app.example.test\n"


def test_verify_tells_a_subject_that_stands_elsewhere(config: Path) -> None:
    """A profile may take the subject from another claim than `sub`."""
    config.write_text(
        'audience = "a"\n[[issuers]]\nissuer = "https://i.test"\nkeys = "keys.json"\n'
        'algorithms = ["ES256"]\nprofile = "simplejwt"\n'
    )
    (entry,) = json.loads(config.with_name("keys.json").read_text())["keys"]
    header = {"alg": "ES256", "typ": "JWT", "kid": entry["kid"]}
    claims = {"iss": "https://i.test", "aud": "a", "exp": 99_999_999_999, "user_id": "7"}
    claims |= {"jti": "j", "token_type": "access"}
    token = jwt.encode(header, claims, ECKey.import_key(entry), algorithms=["ES256"])
    assert call("verify", "--config", config, token).stdout == "good     7 of https://i.test\n"


@pytest.mark.parametrize("prefix", ["Bearer ", "bearer "])
def test_verify_hints_at_the_scheme_in_front_of_a_token(config: Path, prefix: str) -> None:
    """It is refused as it would be there, and who copied a whole header learns why."""
    token = issued(config)
    result = call("verify", "--config", config, prefix + token)
    assert (result.exit_code, result.stdout) == (1, "refused  token_malformed\n")
    assert result.stderr == "`Bearer` is no part of the token: give what follows it\n"
    assert call("verify", "--config", config, token).stderr == ""


def test_verify_survives_bytes_that_are_no_text(config: Path) -> None:
    """Bytes that no encoding knows are a refused token."""
    result = call("verify", "--config", config, "-", stdin=b"\xff\xfe.\x00.\n\xf0\n")
    assert result.exit_code == 1
    assert result.stdout.count("refused") == 2


def test_verify_prints_nothing_that_moves_the_cursor(config: Path) -> None:
    """A subject with control characters is printed without them."""
    result = CliRunner().invoke(main, ["issue", "--config", str(config), "--subject", "a\x1b[2Jda"])
    shown = call("verify", "--config", config, result.stdout.strip())
    assert "\x1b" not in shown.stdout
    assert "a?[2Jda" in shown.stdout


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--subject", "ada", "--client", "ada"], "claim_invalid (sub)"),
        (["--subject", "ada", "--claim", "x=123456789012345678901234567890"], "token_malformed"),
        (["--subject", "ada", "--claim", "nbf=99999999999"], "token_not_yet_valid (nbf)"),
    ],
)
def test_issue_tells_of_a_token_that_would_be_refused(
    config: Path, options: list[str], why: str
) -> None:
    """It is printed all the same, for whoever wants just such a token."""
    result = call("issue", "--config", config, *options)
    assert result.exit_code == 0
    assert result.stderr == f"this token is refused: {why}\n"
    assert call("verify", "--config", config, result.stdout.strip()).exit_code == 1


def test_wrong_use_is_status_2(config: Path) -> None:
    """No token, an unknown option, a missing file: wrong use."""
    assert call("verify", "--config", config).exit_code == 2
    assert call("verify", "--nonsense").exit_code == 2
    missing = call("verify", "--config", config.with_name("missing.toml"), "x")
    assert missing.exit_code == 2
    assert "missing.toml" in missing.stderr


def test_check_finds_a_sound_configuration_good(config: Path) -> None:
    """Notes alone do not fail the check."""
    result = call("check", "--config", config)
    assert result.exit_code == 0
    assert result.stdout.endswith("good\n")


def test_check_lists_every_mistake(config: Path) -> None:
    """All mistakes at once, with path and remedy."""
    config.write_text('audiense = 1\n[cache]\nsize = -1\n[[issuers]]\nissuer = ""\n')
    result = call("check", "--config", config, "--json")
    report = json.loads(result.stdout)
    paths = [problem["path"] for problem in report["problems"]]
    assert result.exit_code == 1
    assert report["ok"] is False
    assert {"audiense", "audience", "cache.size", "issuers[0].issuer"} <= set(paths)
    assert all(problem["remedy"] for problem in report["problems"])


def test_check_names_what_weakens(config: Path) -> None:
    """Each weakening setting is a finding at its path, and fails the check."""
    config.write_text(
        "leeway = 120\nmax_token_age = 100000\n"
        + CONFIG
        + """\
access_lifetime = 7200
[routes]
protect = "marked"
public = ["/health", "/*"]
no_store = false
[[issuers]]
issuer = "http://127.0.0.1:8080"
keys = "keys.json"
algorithms = ["ES256"]
allow_http = true
profile = "legacy"
[[issuers]]
issuer = "https://other.example.test"
secret = "Vr3nX8qLw2Zt7KpYb5HsD9mCf4GjA6Ue"
algorithms = ["HS256"]
"""
    )
    result = call("check", "--config", config, "--json")
    report = json.loads(result.stdout)
    paths = {finding["path"]: finding["level"] for finding in report["findings"]}
    assert result.exit_code == 1
    assert paths == {
        "leeway": "warning",
        "max_token_age": "note",
        "routes.protect": "note",
        "routes.public": "warning",
        "routes.no_store": "note",
        "tokens.access_lifetime": "warning",
        "store.url": "note",
        "audit.sink": "note",
        "issuers[0].allow_http": "warning",
        "issuers[0].profile": "warning",
        "issuers[1].secret": "warning",
        "issuers[1].algorithms": "note",
    }


def test_check_fetches_nothing_and_says_so(config: Path) -> None:
    """Where nobody answers, a configuration is good all the same; its help owns to that."""
    config.write_text(
        'audience = "a"\n[[issuers]]\nissuer = "https://i.test"\nkeys = "discover"\n'
        'algorithms = ["ES256"]\n'
    )
    assert call("check", "--config", config).exit_code == 0
    assert "Nothing is fetched" in call("check", "--help").stdout


@pytest.mark.parametrize(
    ("module", "added", "remedy"),
    [
        ("sqlalchemy", '[store]\nurl = "sqlite:///s.db"', "pip install 'jwt-guard-web[sql]'"),
        ("valkey", '[store]\nurl = "valkey://host"', "pip install 'jwt-guard-web[valkey]'"),
        ("sqlalchemy", '[audit]\nsink = "sqlite:///a.db"', "pip install 'jwt-guard-web[sql]'"),
    ],
)
def test_check_tells_how_to_get_what_is_not_installed(
    config: Path, module: str, added: str, remedy: str
) -> None:
    """A store of another kind would be no remedy."""
    config.write_text(CONFIG + added)
    # None in sys.modules makes Python behave as if the module were not installed.
    program = f"import sys; sys.modules[{module!r}] = None; from jwt_guard.cli import main; main()"
    command = [sys.executable, "-c", program, "check", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert remedy in done.stdout


@pytest.fixture
def djangos(config: Path) -> Path:
    """A configuration whose store is a database of a Django project."""
    config.write_text(CONFIG + '[store]\nurl = "django://default"\n')
    return config


@pytest.mark.parametrize(
    "arguments", [["issue", "--subject", "ada"], ["verify", "x"], ["sessions", "list", "ada"]]
)
def test_a_store_of_django_is_served_by_its_project(djangos: Path, arguments: list[str]) -> None:
    """Nobody is told to give up the store that they chose."""
    result = call(*arguments, "--config", djangos)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "store.url: is a database of a Django project" in result.stderr
    assert "`manage.py jwt_guard_sessions` and `manage.py jwt_guard_audit`" in result.stderr
    assert "memory://" not in result.stderr


def test_check_does_without_a_store_of_django(djangos: Path) -> None:
    """All else is checked, and a note says what is not."""
    good = call("check", "--config", djangos, "--json")
    notes = {each["path"]: each["message"] for each in json.loads(good.stdout)["findings"]}
    assert good.exit_code == 0
    assert notes["store.url"] == "is a database of a Django project, and not looked at here"
    djangos.write_text(djangos.read_text() + "[cache]\nsize = -1\n")
    bad = json.loads(call("check", "--config", djangos, "--json").stdout)
    assert [each["path"] for each in bad["problems"]] == ["cache.size"]


def test_check_of_no_file_is_wrong_use(tmp_path: Path) -> None:
    """A path that leads nowhere is the caller's mistake, and no verdict on a configuration."""
    result = call("check", "--config", tmp_path / "none.toml", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "none.toml" in result.stderr


def test_help_lists_every_command() -> None:
    """The help names each command, and each loads."""
    result = call("--help")
    for name in ("check", "demo", "issue", "verify"):
        assert f"  {name} " in result.stdout
        assert call(name, "--help").exit_code == 0

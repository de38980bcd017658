"""The command, against a real server on this machine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from jwt_guard.attacks import Limits, Plan, Runner, route, select
from jwt_guard.attacks.in_process import AsgiTarget
from jwt_guard.attacks.reports import Progress
from jwt_guard.cli.attack import attack
from tests.attacks.serving import serving
from tests.attacks.vulnerable.base import SoundServer
from tests.attacks.vulnerable.key_source import CommonSecret
from tests.attacks.vulnerable.login import LoginServer
from tests.attacks.vulnerable.setting import LOGIN, plan_for
from tests.attacks.vulnerable.signature import NoneAccepted
from tests.attacks.vulnerable.transport import SessionCookieIsEnough

# Attacks take their time where a machine is busy with other tests.
pytestmark = pytest.mark.timeout(400)
Run = Callable[..., Result]
# Tests that run in the background inherit that Control-C is ignored.
LISTENING_TO_SIGNALS = """
import signal
from jwt_guard.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


def _attack(url: str, *options: str) -> Result:
    return CliRunner().invoke(attack, [url, "--rate", "2000", *options])


def test_a_hole_gives_exit_status_1_and_is_explained() -> None:
    """The finding names what was sent, what came back and how to fix it; no token is shown."""
    server = NoneAccepted()
    token = server.issue()
    with serving(server) as url:
        result = _attack(f"{url}/me", "--token", token, "--only", "A", "--public-path", "/public")
    assert result.exit_code == 1
    for words in ("CRITICAL A6", "Proves", "allow-list", '"alg": "none"', "RFC 8725bis 3.2"):
        assert words in result.stdout
    assert token.split(".")[1] not in result.output
    assert token.split(".")[2] not in result.output


def test_a_safe_target_gives_exit_status_0(tmp_path: Path) -> None:
    """The whole catalogue with keys and routes, over the network."""
    server = LoginServer()
    plan = plan_for(server)
    key, login = tmp_path / "key.json", tmp_path / "login.json"
    key.write_text(plan.signing_key or "")
    login.write_text(LOGIN)
    options = ["--token", plan.token, "--signing-key", str(key), "--leeway", "0"]
    options += ["--login", "/auth/login", "--login-body", str(login), "--refresh", "/auth/refresh"]
    options += ["--logout", "/auth/logout", "--logout-everywhere", "/auth/logout-everywhere"]
    options += ["--disable", "/account/disable", "--role-route", "/reports"]
    options += ["--tenant-route", "/tenants/globex/invoices", "--public-path", "/public"]
    with serving(server) as url:
        result = _attack(f"{url}/me", *options, "--fail-on", "info", "--json")
    report = json.loads(result.stdout)
    assert report["trouble"] is None
    assert [r["id"] for r in report["results"] if r["verdict"] == "vulnerable"] == []
    assert report["counts"]["safe"] > 100
    assert result.exit_code == 0


def test_a_browsers_login_and_a_log_are_looked_at(tmp_path: Path) -> None:
    """Cookies that are no tokens are judged by a login of their own, logs by what they hold."""
    server, login, log = SessionCookieIsEnough(), tmp_path / "login.json", tmp_path / "api.log"
    login.write_text(LOGIN)
    log.touch()
    options = ["--cookie-login", "/browser/login", "--cookie-login-body", str(login)]
    options += ["--csrf-cookie", "__Host-csrf", "--unsafe-route", "/me", "--log", str(log)]
    options += ["--redirect-route", "/out?to={url}", "--only", "H5", "--only", "H6"]
    options += ["--only", "H10", "--only", "D3", "--json"]
    with serving(server) as url:
        result = _attack(f"{url}/me", "--token", server.issue(), *options)
    report = json.loads(result.stdout)
    verdicts = {r["id"]: r["verdict"] for r in report["results"]}
    assert verdicts == {"D3": "safe", "H5": "safe", "H6": "vulnerable", "H10": "safe"}
    assert "carried in Authorization: Bearer" in report["discovered"]
    assert result.exit_code == 1


def test_reports_are_written(tmp_path: Path) -> None:
    """SARIF, JUnit and HTML hold the finding and no token."""
    server = CommonSecret()
    token = server.issue()
    paths = {name: tmp_path / f"report.{name}" for name in ("sarif", "junit", "html")}
    options = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    with serving(server) as url:
        result = _attack(f"{url}/me", "--token", token, "--only", "C", *options)
    assert result.exit_code == 1
    texts = {name: path.read_text() for name, path in paths.items()}
    sarif = json.loads(texts["sarif"])["runs"][0]
    assert {r["ruleId"] for r in sarif["results"]} == {"C1", "C4"}
    rules = sarif["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in sarif["results"])
    junit = ET.fromstring(texts["junit"])
    assert len(junit.findall(".//failure")) == 2
    assert "<!doctype html>" in texts["html"]
    assert "src=" not in texts["html"]
    assert "<script" not in texts["html"]
    assert not any(token.split(".")[2] in text for text in texts.values())


def test_nothing_is_drawn_in_a_pipe() -> None:
    """Progress belongs on a terminal."""
    server = SoundServer()
    with serving(server) as url:
        result = _attack(f"{url}/me", "--token", server.issue(), "--only", "A6", "--json")
    assert result.stderr == ""
    assert json.loads(result.stdout)["counts"]["safe"] == 1


def test_progress_is_drawn_on_a_terminal() -> None:
    """The attack at hand and the count of findings, while they grow."""
    screen = StringIO()
    server = NoneAccepted()
    plan = Plan(token=server.issue(), request=route("/me"))
    console = Console(file=screen, force_terminal=True, width=100)
    with AsgiTarget(server) as target, Progress(console) as progress:
        Runner(target, plan, limits=Limits(rate=0), observer=progress).run(select(only=["A6"]))
        time.sleep(0.2)
    assert "A6" in screen.getvalue()
    assert "1 found" in screen.getvalue()


def test_other_machines_need_the_owners_word() -> None:
    """No request leaves for a host that the user has not claimed by its name."""
    token = SoundServer().issue()
    for options in ((), ("--i-own-this-host", "other.example")):
        result = _attack("https://api.example/me", "--token", token, *options)
        assert result.exit_code == 2
        assert "--i-own-this-host api.example" in result.output


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "localhost.evil.example", "127.1x"])
def test_names_that_only_look_like_this_machine(host: str) -> None:
    """They are another machine's."""
    result = _attack(f"http://{host}/me", "--token", SoundServer().issue())
    assert "is another machine" in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--only", "Z9"), "no attack or group is called Z9"),
        (("--login", "auth/login"), "starts with a slash"),
        (("--header", "nonsense"), "NAME: VALUE"),
        (("--signing-key", "/nonexistent"), "cannot read"),
        (("--callback", "nowhere"), "HOST:PORT"),
        (("--jwks", "/nonexistent"), "cannot read"),
        (("--jwks", "http://127.0.0.1:9/jwks"), "gave no key set: ConnectError"),
        (("--jwks", "http://127.0.0.1:x/jwks"), "no http or https URL"),
        (("--html", "/nonexistent/report.html"), "no folder to write in: /nonexistent"),
        (("--only", "A1", "--skip", "A"), "leave no attack to run"),
    ],
)
def test_wrong_use_gives_exit_status_2(options: tuple[str, str], words: str) -> None:
    """The mistake is named and nothing is sent."""
    result = _attack("http://127.0.0.1:9/me", "--token", SoundServer().issue(), *options)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize("url", ["http://[::1/me", "http://127.0.0.1:99999/me", "nowhere"])
def test_what_is_no_url_gives_exit_status_2(url: str) -> None:
    """A mistyped URL is wrong use, not a finding."""
    result = _attack(url, "--token", SoundServer().issue())
    assert result.exit_code == 2
    assert "no http or https URL" in result.output


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    """A report would show it."""
    result = _attack("http://ada:hunter2@127.0.0.1:9/me", "--token", SoundServer().issue())
    assert result.exit_code == 2
    assert "no user name or password" in result.output
    assert "hunter2" not in result.output


def test_a_report_that_cannot_be_written_loses_no_other(tmp_path: Path) -> None:
    """The findings are printed, the other file is there, and the failure is named."""
    server, page = SoundServer(), tmp_path / "report.html"
    options = ("--token", server.issue(), "--only", "A1", "--sarif", "/dev/full")
    with serving(server) as url:
        result = _attack(f"{url}/me", *options, "--html", str(page))
    assert result.exit_code == 2
    assert "cannot write /dev/full: No space left on device" in result.output
    assert "1 attacks: 1 safe" in result.output
    assert "<!doctype html>" in page.read_text()


def test_what_cannot_be_judged_is_not_safe() -> None:
    """A run of which nothing was judged gives exit status 2, not 0."""
    server = SoundServer()
    with serving(server) as url:
        result = _attack(f"{url}/me", "--token", server.issue(), "--only", "D9", "--only", "C9")
    assert result.exit_code == 2
    assert "Could not test: not one of the attacks could be judged" in result.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_not_the_report(tmp_path: Path, number: int) -> None:
    """Control-C and a build server's cancelling: what was found so far is reported."""
    server, page = NoneAccepted(), tmp_path / "report.html"
    command = [sys.executable, "-c", LISTENING_TO_SIGNALS, "attack"]
    command += ["--token", server.issue()]
    command += ["--rate", "20", "--no-callback", "--html", str(page)]
    with (
        serving(server) as url,
        subprocess.Popen([*command, f"{url}/me"], stdout=subprocess.PIPE, text=True) as run,
    ):
        while server.served < 60 and run.poll() is None:
            time.sleep(0.05)
        run.send_signal(number)
        printed, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "Interrupted: what was found so far is reported" in printed
    assert "CRITICAL A6" in printed
    assert "Interrupted." in page.read_text()


def test_an_unreachable_target_gives_exit_status_2() -> None:
    """Could not test is not safe."""
    result = _attack("http://127.0.0.1:9/me", "--token", SoundServer().issue(), "--only", "A")
    assert result.exit_code == 2
    assert "Could not test: the target is not reachable" in result.output


def test_the_least_severity_that_fails_can_be_chosen(tmp_path: Path) -> None:
    """A word list of the user's own finds the secret; only what is as bad as told fails."""
    server = CommonSecret()
    words = tmp_path / "words"
    words.write_bytes(b"secret\n\xff\xfe\n")
    options = ("--token", server.issue(), "--only", "C1", "--wordlist", str(words))
    with serving(server) as url:
        assert _attack(f"{url}/me", *options, "--fail-on", "critical").exit_code == 1
        assert _attack(f"{url}/me", "--token", server.issue(), "--only", "A1").exit_code == 0

"""A target that cannot be tested is said to be so, and why; nothing is judged."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jwt_guard.attacks import (
    CATALOGUE,
    Limits,
    NetworkTarget,
    Plan,
    Report,
    Runner,
    Verdict,
    route,
    select,
)
from jwt_guard.attacks.discovery import USUAL_CARRIERS
from jwt_guard.attacks.in_process import AsgiTarget
from jwt_guard.attacks.model import Attack, Result, Severity
from tests.attacks.vulnerable.base import Refused, SoundServer
from tests.attacks.vulnerable.setting import plan_for
from tests.attacks.vulnerable.signature import LocksOut
from tests.attacks.vulnerable.web import Call, Reply, reply


def _report(server: SoundServer, **changes: object) -> Report:
    plan = replace(Plan(token=server.issue(), request=route("/me")), **changes)  # type: ignore[arg-type]
    with AsgiTarget(server) as target:
        return Runner(target, plan, limits=Limits(rate=0)).run(CATALOGUE)


def _untested(report: Report, words: str) -> None:
    assert report.trouble is not None
    assert words in report.trouble
    assert report.findings == ()
    assert report.exit_status(Severity.INFO) == 2
    assert len(report.results) == len(CATALOGUE)
    assert {r.verdict for r in report.results} == {Verdict.INCONCLUSIVE}


class Always(SoundServer):
    """Answers everybody alike."""

    answer_with = Reply(status=200, body=b"{}")

    def answer(self, call: Call) -> Reply:
        """The same for all."""
        return self.answer_with


def test_a_target_that_accepts_everything_is_not_tested() -> None:
    """200 to everything is "could not test", not 131 findings."""
    _untested(_report(Always()), "does not tell good from bad")


def test_a_login_page_is_recognised() -> None:
    """A page in HTML without any token is no API."""
    server = Always()
    server.answer_with = Reply(status=200, headers={"Content-Type": "text/html"}, body=b"<form>")
    _untested(_report(server), "login page")


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (302, {"Location": "https://idp.test/login?x=1"}, "redirects (302) to https://idp.test/l"),
        (401, {}, "refuses the given token (401)"),
        (403, {}, "refuses the given token (403)"),
        (404, {}, "answers 404"),
        (429, {}, "limits the rate"),
        (500, {}, "answers 500"),
    ],
)
def test_a_good_token_that_does_not_pass(status: int, headers: dict[str, str], words: str) -> None:
    """Redirect, refusal, rate limit and error are each named."""
    server = Always()
    server.answer_with = Reply(status=status, headers=headers)
    _untested(_report(server), words)


def test_an_expired_token_is_named() -> None:
    """The token that the user gave has expired."""
    server = SoundServer()
    report = _report(server, token=server.issue(exp=1))
    _untested(report, "expired")


def test_an_old_token_hides_no_other_trouble() -> None:
    """An unreachable target is unreachable for every token."""
    plan = Plan(token=SoundServer().issue(exp=1), request=route("/me"))
    with NetworkTarget("http://127.0.0.1:9/me") as target:
        _untested(Runner(target, plan).run(CATALOGUE), "not reachable")


def test_text_that_is_no_token_is_named() -> None:
    """The token that the user gave is none."""
    _untested(_report(SoundServer(), token="opaque"), "no signed JSON Web Token")


def test_a_wrong_signing_key_is_named() -> None:
    """Else every forged claim would look refused for its content."""
    other = plan_for(LocksOut()).signing_key
    assert other is not None
    wrong = '{"kty": "EC", "crv": "P-256"}'
    _untested(_report(SoundServer(), signing_key=wrong), "key cannot be used")
    key = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    _untested(_report(SoundServer(), signing_key=key), "the wrong key?")


def test_an_application_that_raises_is_named() -> None:
    """The good token makes the application itself fail."""

    class Raises(SoundServer):
        def answer(self, call: Call) -> Reply:
            raise KeyError(call.path)

    _untested(_report(Raises()), "raised KeyError")


def test_an_unreachable_target_is_named() -> None:
    """Nobody listens on that port."""
    plan = Plan(token=SoundServer().issue(), request=route("/me"))
    with NetworkTarget("http://127.0.0.1:9/me") as target:
        _untested(Runner(target, plan).run(CATALOGUE), "not reachable")


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[str]:
    """A server with a certificate that nobody signed but itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    names = f"-subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run([*command.split(), *names.split()], check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}/me"
    server.shutdown()
    server.server_close()


def test_a_tls_error_is_named(tls_server: str) -> None:
    """A certificate that is not trusted, and the option for it."""
    plan = Plan(token=SoundServer().issue(), request=route("/me"))
    with NetworkTarget(tls_server) as target:
        _untested(Runner(target, plan).run(CATALOGUE), "TLS fails")


def test_a_marker_tells_good_from_bad_where_the_status_does_not() -> None:
    """GraphQL answers 200 to everyone: text in the body decides."""

    class Polite(SoundServer):
        def refuse(self, call: Call, refusal: Refused) -> Reply:
            return reply(200, {"errors": ["unauthenticated"]})

    report = _report(Polite(), marker='"subject"')
    assert report.trouble is None
    assert "A6" not in {r.attack.id for r in report.findings}


def test_an_interrupted_run_reports_what_it_found() -> None:
    """Control-C ends the run, not the report."""

    class Impatient:
        def begins(self, attacks: object) -> None:
            """Nothing."""

        def tries(self, attack: Attack) -> None:
            if attack.id == "A4":
                raise KeyboardInterrupt

        def ends(self, result: Result) -> None:
            """Nothing."""

    server = SoundServer()
    plan = Plan(token=server.issue(), request=route("/me"))
    with AsgiTarget(server) as target:
        runner = Runner(target, plan, limits=Limits(rate=0), observer=Impatient())
        report = runner.run(select(only=["A"]))
    assert report.interrupted
    verdicts = {r.attack.id: r.verdict for r in report.results}
    assert verdicts["A2"] is Verdict.SAFE
    assert verdicts["A5"] is Verdict.INCONCLUSIVE
    assert report.exit_status(Severity.INFO) == 2


def test_the_number_of_requests_is_bounded() -> None:
    """The run stops by itself, and says so."""
    server = SoundServer()
    plan = Plan(token=server.issue(), request=route("/me"))
    with AsgiTarget(server) as target:
        report = Runner(target, plan, limits=Limits(rate=0, requests=50)).run(CATALOGUE)
    assert report.requests <= 50
    assert report.trouble == "the limit of 50 requests is used up"


def test_the_rate_is_bounded() -> None:
    """So many requests a second, and no more."""
    server = SoundServer()
    plan = Plan(token=server.issue(), request=route("/me"))
    with AsgiTarget(server) as target:
        report = Runner(target, plan, limits=Limits(rate=50)).run(select(only=["A6"]))
    assert report.seconds >= (report.requests - 1) / 50


class Throttling(SoundServer):
    """Answers 429 to bad tokens, or to all, once it has seen too many requests."""

    spares_the_good = True

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def answer(self, call: Call) -> Reply:
        """As ever, or 429."""
        self.count += 1
        found = super().answer(call)
        spared = self.spares_the_good and found.status == 200
        return found if self.count < 30 or spared else reply(429, {})


def test_a_limited_rate_is_said_and_is_not_safe() -> None:
    """Attacks that were answered 429 prove nothing, though the good token passes on."""
    report = _report(Throttling())
    assert report.trouble is None
    assert report.hindrance is not None
    assert "the target limits the rate" in report.hindrance
    assert report.exit_status(Severity.CRITICAL) == 2


def test_a_rate_limit_that_stops_the_good_token_is_named() -> None:
    """It is no lock-out, and the remedy is another."""
    server = Throttling()
    server.spares_the_good = False
    report = _report(server)
    assert report.trouble is not None
    assert "since A2: the target limits the rate" in report.trouble


def test_a_bad_good_token_is_tried_once_in_each_usual_place() -> None:
    """Nothing more is sent to a target that refuses the good token, and that is what is said."""
    report = _report(SoundServer(), token=_foreign_token())
    assert report.requests == 1 + len(USUAL_CARRIERS)
    assert report.trouble is not None
    assert "refuses the given token (401)" in report.trouble


def _foreign_token() -> str:
    text = SoundServer().issue()
    return text[:-8] + ("A" * 8 if text[-8:] != "A" * 8 else "B" * 8)


def test_a_key_set_that_is_none_is_named() -> None:
    """Keys that the owner names and that cannot be read must not turn into skipped attacks."""
    for text in ("no keys", "{}", '{"keys": []}'):
        report = _report(SoundServer(), jwks=text)
        assert report.trouble is not None
        assert "a given key cannot be used" in report.trouble


def test_a_token_that_dies_on_the_way_ends_the_run() -> None:
    """What is refused afterwards would look safe; what was judged before stands."""
    server = LocksOut()
    plan = Plan(token=server.issue(), request=route("/me"))
    with AsgiTarget(server) as target:
        report = Runner(target, plan, limits=Limits(rate=0)).run(select(only=["A5", "A6"]))
    assert report.trouble is not None
    assert "the good token no longer passes" in report.trouble
    assert [r.verdict for r in report.results] == [Verdict.SAFE, Verdict.INCONCLUSIVE]

"""The dashboard: who may look, and what real Chromium shows of it."""

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import msgspec
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from jwt_guard import Guard
from jwt_guard.audit.charts import Series, Tick, bar_list, stacked_columns
from jwt_guard.audit.facts import Fact
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.observer import Detail
from jwt_guard.audit.report import file_lines, report_of
from jwt_guard.cli.audit_dashboard import Dashboard, Server
from jwt_guard.keys.signing import generate_key
from jwt_guard.requirements import role
from tests.core.audit.conftest import encoded, file_sink, some
from tests.support.requirements import require_or_skip

EVIL = "<script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A guard that issues tokens and audits whoever looks at the dashboard."""
    folder = tmp_path_factory.mktemp("audit")
    keys = {"keys": [generate_key("ES256")]}
    (folder / "keys.json").write_bytes(msgspec.json.encode(keys))
    fill(folder / "audit.jsonl")
    config = {
        "audience": "https://api.example.test",
        "tokens": {
            "issuer": "https://app.example.test",
            "signing_keys": str(folder / "keys.json"),
        },
        "audit": {"sink": str(folder / "audit.jsonl")},
    }
    with Guard.from_config(config) as guard:
        yield guard


def fill(log: Path) -> None:
    """A day of an API: requests by day and night, refusals, an attack at noon, alerts."""
    now = time.time()
    facts: list[Fact] = []
    for minute in range(0, 23 * 60, 2):
        at = now - 60 * minute
        busy = 3 if minute % 720 < 420 else 1
        facts += [
            Fact(
                time=at,
                name="authenticated",
                subject=f"user-{(minute + n) % 23}",
                session=f"sid-{minute % 40}",
                address=f"192.0.2.{n}",
                method="GET",
                path="/me",
            )
            for n in range(busy)
        ]
        if minute % 26 == 0:
            facts.append(
                Fact(time=at, name="denied", reason="role_missing", subject="user-3", path="/x")
            )
        if minute % 18 == 0 or 600 < minute < 640:
            reason = "signature_invalid" if 600 < minute < 640 else "token_expired"
            facts += [
                Fact(time=at, name="refused", reason=reason, address="198.51.100.9")
                for _ in range(1 + 6 * (600 < minute < 640))
            ]
    detail: Detail = {"rule": "burst_address", "title": "A burst of refusals", "severity": 3}
    facts.append(Fact(time=now - 600, name="alert", address="198.51.100.9", detail=detail))
    facts.append(Fact(time=now - 500, name="alert", subject=EVIL, detail={"rule": EVIL}))
    facts.append(Fact(time=now - 400, name="refused", reason=EVIL, address=EVIL))
    facts.append(Fact(time=now - 300, name="login", subject="user-1"))
    sink = file_sink(log)
    sink.write(encoded(*sorted(facts, key=lambda fact: fact.time)))
    sink.close()


@pytest.fixture(scope="module")
def url(guard: Guard) -> Iterator[str]:
    """Where the dashboard is served, as `jwt-guard audit serve` serves it."""
    assert guard.trail is not None
    log = Path(guard.trail.sinks[0].name)
    app = Dashboard(guard, file_lines(log), role("auditor"), {"127.0.0.1", "localhost"})
    with serving(app) as url:
        yield url


@contextmanager
def serving(app: Dashboard) -> Generator[str]:
    """A server at some port."""
    with Server.at("127.0.0.1", 0, app) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def token_of(guard: Guard, *roles: str) -> str:
    """A token of somebody with these roles."""
    assert guard.issuer is not None
    return guard.issuer.issue("vera", client_id="web", roles=roles)


def test_the_guard_itself_decides_who_may_look(guard: Guard, url: str) -> None:
    """No token 401 with a challenge, a bad one 401, one without the role 403, an auditor 200."""
    assert httpx2.get(url).status_code == 401
    assert "Bearer" in httpx2.get(url).headers["www-authenticate"]

    def status(token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return httpx2.get(url, headers=headers).status_code

    assert status("a.b.c") == 401
    assert status(token_of(guard, "viewer")) == 403
    assert status(token_of(guard, "auditor")) == 200


def test_a_cookie_counts_as_its_token(guard: Guard, url: str) -> None:
    """A token that the guard refuses opens nothing by being in a cookie."""
    for token, expected in [("a.b.c", 401), (token_of(guard), 403), ("\x01", 401)]:
        answer = httpx2.get(url, headers={"cookie": f"jwt_guard_audit={token}"})
        assert answer.status_code == expected


def test_forms_of_strangers_are_not_taken(guard: Guard, url: str) -> None:
    """Another site's page cannot log anybody in or out."""
    form = {"token": token_of(guard, "auditor")}
    for headers in ({}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        for path in ("/login", "/logout"):
            assert httpx2.post(f"{url}{path}", data=form, headers=headers).status_code == 404
    answer = httpx2.post(f"{url}/login", data=form, headers={"origin": url})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_foreign_name_leads_nowhere(guard: Guard, url: str) -> None:
    """So that no page can rebind its name to this address and read along."""
    headers = {"authorization": f"Bearer {token_of(guard, 'auditor')}", "host": "evil.example"}
    assert httpx2.get(url, headers=headers).status_code == 421


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/x"), ("POST", "/"), ("DELETE", "/"), ("GET", "/login")]
)
def test_there_is_nothing_else(url: str, method: str, path: str) -> None:
    """Read-only, and one page."""
    assert httpx2.request(method, f"{url}{path}").status_code == 404


@pytest.mark.parametrize("length", ["-1", "x", "99999999", ""])
def test_odd_lengths_of_forms(url: str, length: str) -> None:
    """No error, and no waiting for what never comes."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(
            f"POST /login HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {url}\r\n"
            f"Content-Length: {length}\r\n\r\ntoken=x".encode()
        )
        assert connection.recv(100).split()[1] == b"400"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    path = shutil.which("chromium")
    require_or_skip("chromium", path is not None, "Chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield started
        started.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_auditor_sees_the_day(browser: Browser, guard: Guard, url: str, scheme: str) -> None:
    """Log in by pasting a token, see charts and tables, narrow the range, leave."""
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    page.get_by_label("Access token").fill(token_of(guard, "viewer"))
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("alert")).to_contain_text("does not open")
    complaints.clear()
    page.get_by_label("Access token").fill(token_of(guard, "auditor"))
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("img", name="Verified over time")).to_be_visible()
    expect(page.get_by_role("img", name="Refused and denied over time")).to_be_visible()
    expect(page.get_by_role("list", name="Refusals by reason")).to_contain_text("signature_invalid")
    expect(page.get_by_text("A burst of refusals")).to_be_visible()
    assert page.locator(".chart rect.refused").count() > 10
    column = page.locator(".chart rect.ok").first
    assert column.evaluate("node => getComputedStyle(node).fill") != "rgb(0, 0, 0)"
    assert column.evaluate("node => node.getBoundingClientRect().height") > 0
    assert page.title() == "Audit · jwt-guard"
    _screenshot(page, scheme)
    page.get_by_role("link", name="1h").click()
    expect(page.get_by_role("link", name="1h")).to_have_attribute("aria-current", "page")
    cookie = context.cookies()[0]
    assert cookie.get("httpOnly")
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_label("Access token")).to_be_visible()
    assert context.cookies() == []
    assert [text for text in complaints if "401" not in text] == []
    context.close()


@pytest.mark.parametrize("width", [360, 768])
def test_it_fits_a_small_screen(browser: Browser, guard: Guard, url: str, width: int) -> None:
    """Nothing is wider than the screen, and no text is smaller than on a wide one."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        extra_http_headers={"authorization": f"Bearer {token_of(guard, 'auditor')}"},
    )
    page = context.new_page()
    page.goto(url)
    wide = page.evaluate("document.documentElement.scrollWidth")
    _screenshot(page, f"{width}")
    assert wide <= width
    shown = page.evaluate(
        "[...document.querySelectorAll('section, table, td, .chart, .bars')]"
        ".map(node => node.getBoundingClientRect().right)"
    )
    assert max(shown) <= width
    context.close()


def test_people_and_sessions_are_shown_under_pseudonyms(guard: Guard, url: str) -> None:
    """Also where the log has them by their own names: a screen is seen by more than a log is."""
    headers = {"authorization": f"Bearer {token_of(guard, 'auditor')}"}
    page = httpx2.get(f"{url}/?range=24h", headers=headers).text
    for plain in ("user-1", "user-3", "sid-0", "sid-38"):
        assert plain not in page
    assert page.count(">~") > 8
    assert ">198.51.100.0<" in page


def _screenshot(page: object, name: str) -> None:
    """Kept where JWT_GUARD_SCREENSHOTS says, for people to look at."""
    folder = os.environ.get("JWT_GUARD_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/dashboard-{name}.png", full_page=True)  # type: ignore[attr-defined]


def test_whoever_looks_is_on_record(guard: Guard, url: str) -> None:
    """The dashboard's own requests are audited like any others."""
    headers = {"authorization": f"Bearer {token_of(guard, 'auditor')}"}
    httpx2.get(url, headers={**headers, "user-agent": "the-auditor"})
    assert guard.trail is not None
    guard.trail.flush()
    assert b"the-auditor" in Path(guard.trail.sinks[0].name).read_bytes()


def test_a_report_counts_what_the_log_holds(tmp_path: Path) -> None:
    """Within the time, each in its interval; ended sessions are not live; odd lines count."""
    log, now = tmp_path / "audit.jsonl", time.time() // 1800 * 1800
    sink = file_sink(log)
    sink.write(
        encoded(
            Fact(time=now - 7200, name="authenticated", subject="old"),
            Fact(time=now - 3599, name="authenticated", subject="ada", session="s1"),
            Fact(time=now - 10, name="authenticated", subject="ada", session="s2", count=5),
            Fact(time=now - 9, name="authenticated", subject="ada", session="s3"),
            Fact(time=now - 8, name="logged_out", subject="ada", session="s3"),
            Fact(time=now - 7, name="refused", reason="token_expired", address="192.0.2.1"),
        )
    )
    with log.open("ab") as file:
        file.write(b"nonsense\n")
    report = report_of(file_lines(log), hours=1, intervals=2, now=now)
    assert report.outcomes["authenticated"] == [1, 6]
    assert report.reasons == {"token_expired": 1}
    assert report.subjects == {"ada": 7}
    assert list(report.sessions) == ["s2"]
    assert report.bad_lines == 1
    assert report.whole


def test_a_report_reads_no_more_of_a_log_than_it_needs(tmp_path: Path) -> None:
    """It finds where its time begins, whatever stands in the log before."""
    log, now = tmp_path / "audit.jsonl", time.time() // 3600 * 3600
    log.write_bytes(b"nonsense\n" * 50_000)
    sink = file_sink(log)
    sink.write(some(2000, start=now - 9000))
    sink.write(some(3000, start=now - 3600))
    sink.close()
    report = report_of(file_lines(log), hours=1, now=now)
    assert report.total("authenticated") == 3000
    assert report.bad_lines == 0
    assert report_of(file_lines(log), hours=3, now=now).bad_lines == 50_000


def test_a_log_that_cannot_be_read_is_503(guard: Guard) -> None:
    """Whatever the database says of it stays in the server's own log."""

    def dead(since: float) -> tuple[list[bytes], bool]:
        raise RuntimeError("password=hunter2")

    app = Dashboard(guard, dead, role("auditor"), {"127.0.0.1"})
    with serving(app) as url:
        headers = {"authorization": f"Bearer {token_of(guard, 'auditor')}"}
        answer = httpx2.get(url, headers=headers)
    assert answer.status_code == 503
    assert "hunter2" not in answer.text


def test_intervals_begin_at_round_times(tmp_path: Path) -> None:
    """So that a column means the same at every look; the last one is not over yet."""
    log = file_lines(tmp_path / "audit.jsonl")
    report = report_of(log, hours=24, intervals=48, now=1_790_000_123.0)
    assert report.until % 1800 == 0
    assert report.until - 1800 < report.now < report.until
    assert report.until - report.since == 86_400


def test_a_report_of_no_log_is_empty(tmp_path: Path) -> None:
    """Before the first event."""
    assert LogFolder(tmp_path / "audit.jsonl").parts() == []
    assert report_of(file_lines(tmp_path / "audit.jsonl"), hours=1).total("refused") == 0


def test_charts_escape_what_they_name() -> None:
    """In names, labels and titles."""
    chart = stacked_columns(EVIL, [Series(EVIL, "ok", [3, 0])], [EVIL, "b"], [Tick(1, EVIL)])
    for drawn in (chart, bar_list(EVIL, {EVIL: 3}, "bar")):
        assert "<script" not in drawn
        assert "&lt;script" in drawn


@pytest.mark.parametrize("values", [[0], [1], [999, 1000], [7] * 200])
def test_columns_stay_within_their_chart(values: list[int]) -> None:
    """Whatever the numbers."""
    series = [Series("a", "ok", values), Series("b", "refused", values)]
    chart = stacked_columns("t", series, ["x"] * len(values))
    boxes = re.findall(r'y="([-\d.]+)%" width="[\d.]+%" height="([\d.]+)%"', chart)
    assert len(boxes) == 2 * sum(value > 0 for value in values)
    for y, height in boxes:
        assert float(y) >= -0.01
        assert float(y) + float(height) <= 100.01

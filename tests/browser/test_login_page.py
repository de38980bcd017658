"""The sample page in a real browser: log in, call, refresh silently in two tabs, log out."""

import json
import re
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from jwt_guard.keys.signing import generate_key
from sample_apps.servers import RunningApp, running_apps
from tests.support.requirements import require_or_skip

ACCESS_LIFETIME = 10
"""Seconds: the shortest that a configuration allows, so that one can wait for its end."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningApp]:
    """The Starlette application on a real server, with short-lived access tokens."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "keys.json").write_text(json.dumps({"keys": [generate_key("ES256")]}))
    config = folder / "jwt_guard.toml"
    config.write_text(
        'audience = "https://api.example.test"\n[tokens]\nissuer = "https://app.example.test"\n'
        f'signing_keys = "keys.json"\naccess_lifetime = {ACCESS_LIFETIME}\n'
        "refresh_window = 10\n[cookies]\nenabled = true\n"
    )
    with running_apps(Path(config), ["starlette"]) as (running,):
        yield running


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
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


@pytest.fixture
def context(browser: Browser) -> Generator[BrowserContext]:
    """A browser without cookies."""
    made = browser.new_context()
    yield made
    made.close()


def opened(context: BrowserContext, app: RunningApp) -> Page:
    """The page in a new tab."""
    page = context.new_page()
    page.goto(app.url)
    return page


def log_in(page: Page, name: str) -> None:
    """Log in as somebody."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(f"{name}-demo")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#said")).to_contain_text(f'"subject": "{name}"')


def test_log_in_call_and_log_out(context: BrowserContext, app: RunningApp) -> None:
    """Logging in lets the page call the API with cookies; logging out ends that."""
    page = opened(context, app)
    log_in(page, "grace")
    page.get_by_role("button", name="Save a report").click()
    expect(page.locator("#said")).to_have_attribute("data-status", "201")
    kept: Any = context.cookies()
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#said")).to_have_attribute("data-status", "204")
    assert context.cookies() == []
    context.add_cookies(kept)  # what a thief had copied before
    page.reload()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_session_ended_elsewhere_asks_to_log_in(
    browser: Browser, context: BrowserContext, app: RunningApp
) -> None:
    """Logging out everywhere in one browser is noticed by the next call in another."""
    page, elsewhere = opened(context, app), browser.new_context()
    log_in(page, "grace")
    other = opened(elsewhere, app)
    log_in(other, "grace")
    other.evaluate("send('POST', '/auth/logout-everywhere')")
    page.get_by_role("button", name="Who am I?").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(page.locator("#said")).to_have_attribute("data-status", "401")
    elsewhere.close()


def test_a_stranger_causes_no_failed_request(context: BrowserContext, app: RunningApp) -> None:
    """Without a session in the jar, the page asks for nothing."""
    page, failed = context.new_page(), list[str]()
    page.on("response", lambda reply: failed.append(reply.url) if reply.status >= 400 else None)
    page.goto(app.url, wait_until="networkidle")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert [url for url in failed if not url.endswith("/favicon.ico")] == []


def test_cookies_are_locked_away(context: BrowserContext, app: RunningApp) -> None:
    """Scripts see the CSRF token alone, and no cookie holds anything readable."""
    page = opened(context, app)
    log_in(page, "ada")
    cookies = {cookie.get("name"): cookie for cookie in context.cookies()}
    assert set(cookies) == {"__Host-access", "__Secure-refresh", "__Host-csrf"}
    assert all(cookie.get("secure") for cookie in cookies.values())
    assert cookies["__Host-access"].get("httpOnly") is True
    assert cookies["__Secure-refresh"].get("httpOnly") is True
    assert cookies["__Secure-refresh"].get("path") == "/auth"
    assert not any("ada" in str(cookie.get("value")) for cookie in cookies.values())
    assert re.fullmatch(r"__Host-csrf=[\w-]+", page.evaluate("document.cookie"))


def test_wrong_password_says_no_more_than_wrong(context: BrowserContext, app: RunningApp) -> None:
    """A wrong password and an unknown name get the same answer."""
    page = opened(context, app)
    for name in ("ada", "nobody"):
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#said")).to_have_text('400\n{\n  "error": "invalid_grant"\n}')


def test_two_tabs_refresh_at_once(context: BrowserContext, app: RunningApp) -> None:
    """When the access token has expired, both tabs refresh silently and both stay logged in."""
    first = opened(context, app)
    log_in(first, "linus")
    second = opened(context, app)
    first.wait_for_timeout((ACCESS_LIFETIME + 1) * 1000)
    for page in (first, second):
        page.evaluate("document.getElementById('said').textContent = ''")
    for page in (first, second):
        page.evaluate("setTimeout(() => document.getElementById('me').click(), 200)")
    for page in (first, second):
        expect(page.locator("#said")).to_contain_text('"subject": "linus"')
    for page in (first, second):
        page.get_by_role("button", name="My sessions").click()
        expect(page.locator("#said")).to_contain_text('"current": true')


def test_another_origin_cannot_act(context: BrowserContext, app: RunningApp) -> None:
    """A page of another origin cannot use the cookies, even where it may send a simple request."""
    page = opened(context, app)
    log_in(page, "grace")
    elsewhere = context.new_page()
    elsewhere.goto(app.url.replace("127.0.0.1", "localhost") + "/public")
    status = elsewhere.evaluate(
        """async (url) => {
            const reply = await fetch(url, {method: "POST", credentials: "include",
                                            mode: "no-cors", body: "x"});
            return reply.type;
        }""",
        f"{app.url}/auth/logout",
    )
    assert status == "opaque"
    page.get_by_role("button", name="Who am I?").click()
    expect(page.locator("#said")).to_contain_text('"subject": "grace"')

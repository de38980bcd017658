"""Groups G and H of the playbook where sessions and cookies are: on every framework's real server.

Each scenario is written once and asked of the sample applications, which mount the library's login
endpoints as any application does.
"""

import json
import sqlite3
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jwt_guard import ConfigurationError, Guard
from jwt_guard.endpoints import well_known
from jwt_guard.flow import run
from jwt_guard.keys.signing import generate_key
from jwt_guard.login import login_endpoints
from jwt_guard.sessions import Client, User
from jwt_guard_asgi.starlette import routes
from jwt_guard_django import urlpatterns
from jwt_guard_flask import blueprint
from sample_apps.servers import EVERYWHERE, RunningApp, running_apps
from tests.support.tokens import configuration

CONFIG = """\
audience = "https://api.example.test"
[tokens]
issuer = "https://app.example.test"
signing_keys = "keys.json"
[cookies]
enabled = true
[store]
url = "sqlite:///sessions.db"
"""

INVALID_GRANT = (400, {"error": "invalid_grant"})


@dataclass
class Site:
    """One application, and a client of it.

    Attributes:
        app: where it is.
        own: a guard with the same keys and store, as in another process of the application.
        client: sends what a scenario says, and nothing by itself.
    """

    app: RunningApp
    own: Guard
    client: httpx2.Client = field(
        default_factory=lambda: httpx2.Client(timeout=20, trust_env=False)
    )

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        cookies: str | None = None,
        body: Any = None,
        **headers: str,
    ) -> httpx2.Response:
        """The answer to a request; headers with underscores for dashes."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        if cookies is not None:
            fields["Cookie"] = cookies
        self.client.cookies.clear()
        return self.client.request(method, self.app.url + path, headers=fields, json=body)

    def log_in(self, name: str = "ada", **more: Any) -> dict[str, Any]:
        """The tokens of a new session."""
        reply = self.send(
            "POST", "/auth/login", body={"username": name, "password": f"{name}-demo", **more}
        )
        assert reply.status_code == 200, reply.text
        tokens: dict[str, Any] = reply.json()
        return tokens

    def refresh(self, token: str, **more: str) -> httpx2.Response:
        """The answer to a refresh."""
        body = {"grant_type": "refresh_token", "refresh_token": token, **more}
        return self.send("POST", "/auth/refresh", body=body)

    def me(self, token: str) -> int:
        """The status that a token gets."""
        return self.send("GET", "/me", token=token).status_code

    def log_in_with_cookies(self, name: str = "ada") -> httpx2.Response:
        """The answer to a login that wants cookies."""
        body = {"username": name, "password": f"{name}-demo", "cookies": True}
        return self.send("POST", "/auth/login", body=body)


def sid_of(site: Site, tokens: dict[str, Any]) -> str:
    """The session that tokens are of."""
    sid = site.own.verify(tokens["access_token"]).session_id
    assert sid is not None
    return sid


def jar(reply: httpx2.Response) -> str:
    """The cookies of an answer, as a browser would send them back."""
    return "; ".join(value.partition(";")[0] for value in reply.headers.get_list("set-cookie"))


def told(reply: httpx2.Response) -> tuple[int, Any]:
    """What a refused caller learns."""
    return reply.status_code, reply.json()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all applications have their configuration, keys and store."""
    return tmp_path_factory.mktemp("sites")


@pytest.fixture
def store_file(folder: Path) -> Path:
    """The database of sessions."""
    return folder / "sessions.db"


@pytest.fixture(scope="module")
def sites(folder: Path) -> Generator[dict[str, Site]]:
    """All applications, with the same keys and one store."""
    (folder / "keys.json").write_text(json.dumps({"keys": [generate_key("ES256")]}))
    (folder / "jwt_guard.toml").write_text(CONFIG)
    own = Guard.from_config(folder / "jwt_guard.toml")
    with running_apps(folder / "jwt_guard.toml", EVERYWHERE) as apps:
        made = {app.framework: Site(app, own) for app in apps}
        yield made
        for each in made.values():
            each.client.close()
    own.store.close()


@pytest.fixture(params=EVERYWHERE)
def site(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Site:
    """One application after the other."""
    return sites[request.param]


def test_the_librarys_endpoints_answer_with_the_same_headers(sites: dict[str, Site]) -> None:
    """In every framework, whether there is a body or none; only the server's own differ."""
    answers = {name: _fields(site) for name, site in sites.items()}
    assert len(answers) == len(EVERYWHERE)
    first = answers[EVERYWHERE[0]]
    assert all(each == first for each in answers.values())


def _fields(site: Site) -> list[dict[str, str]]:
    tokens = site.log_in()
    known = tokens["access_token"]
    replies = [
        site.send("GET", "/.well-known/jwks.json"),
        site.send("GET", "/.well-known/oauth-protected-resource"),
        site.send("POST", "/auth/login", body={"username": "ada", "password": "x"}),
        site.refresh("x"),
        site.send("GET", "/auth/sessions", token=known),
        site.send("DELETE", "/auth/sessions/unknown", token=known),
        site.send("POST", "/auth/logout", token=known),
        site.send("GET", "/auth/sessions", token=known),
    ]
    servers = {"connection", "content-length", "date", "server"}
    return [
        {name: value for name, value in reply.headers.items() if name not in servers}
        for reply in replies
    ]


def test_login_gives_tokens_that_are_of_use(site: Site) -> None:
    """Everybody gets tokens with their own roles, scopes and tenant, not to be stored."""
    expected = {
        "ada": (["admin"], [], "acme"),
        "grace": (["analyst"], ["reports:write"], "acme"),
        "linus": (["viewer"], [], "acme"),
        "eve": (["admin"], [], "globex"),
    }
    for name, (roles, scopes, tenant) in expected.items():
        tokens = site.log_in(name)
        assert {"access_token", "refresh_token", "token_type", "expires_in"} <= set(tokens)
        reply = site.send("GET", "/me", token=tokens["access_token"])
        assert reply.json() == {
            "subject": name,
            "roles": roles,
            "scopes": scopes,
            "tenant": tenant,
        }


def test_login_refuses_alike(site: Site) -> None:
    """H9: a wrong password and an unknown name get one answer."""
    wrong = site.send("POST", "/auth/login", body={"username": "ada", "password": "x"})
    unknown = site.send("POST", "/auth/login", body={"username": "zoe", "password": "x"})
    assert told(wrong) == told(unknown) == INVALID_GRANT
    assert wrong.headers["cache-control"] == "no-store"


def test_G1_after_logout(site: Site) -> None:
    """Logout ends access and refresh token at once."""
    tokens = site.log_in()
    assert site.me(tokens["access_token"]) == 200
    assert site.send("POST", "/auth/logout", token=tokens["access_token"]).status_code == 204
    assert site.me(tokens["access_token"]) == 401
    assert told(site.refresh(tokens["refresh_token"])) == INVALID_GRANT


def test_G2_after_logout_everywhere(site: Site) -> None:
    """All sessions of the caller end, another's does not."""
    here, there, other = site.log_in("linus"), site.log_in("linus"), site.log_in("grace")
    reply = site.send("POST", "/auth/logout-everywhere", token=here["access_token"])
    assert reply.status_code == 204
    assert [site.me(t["access_token"]) for t in (here, there, other)] == [401, 401, 200]
    assert told(site.refresh(there["refresh_token"])) == INVALID_GRANT


def test_G2_the_administrators_kill(site: Site) -> None:
    """Whoever is cut off in another process is refused on the very next request."""
    one, other, bystander = site.log_in("linus"), site.log_in("linus"), site.log_in("grace")
    for tokens, kill in (
        (one, lambda: site.own.revocations.revoke_session(sid_of(site, one))),
        (other, lambda: site.own.revocations.revoke_subject("linus")),
    ):
        assert site.me(tokens["access_token"]) == 200
        run(kill())
        assert site.me(tokens["access_token"]) == 401
        assert told(site.refresh(tokens["refresh_token"])) == INVALID_GRANT
    assert site.me(bystander["access_token"]) == 200
    assert site.me(site.log_in("linus")["access_token"]) == 200


def test_G3_who_has_changed_is_asked_for_at_each_refresh(site: Site) -> None:
    """Roles that were taken away are gone at the next refresh; who was removed gets none."""
    sessions, app = site.own.sessions, Client(client_id="app")
    assert sessions is not None
    then = User(roles=["admin"], scopes=["reports:write", "all"], tenant="acme")
    grace, departed = (
        run(sessions.start(subject, client=app, user=then)) for subject in ("grace", "departed")
    )
    assert site.me(departed.access_token) == 200
    refreshed = site.refresh(grace.refresh_token, client_id="app").json()
    told_now = site.send("GET", "/me", token=refreshed["access_token"]).json()
    assert told_now["roles"] == ["analyst"]
    assert told_now["scopes"] == ["reports:write"]
    assert told(site.refresh(departed.refresh_token, client_id="app")) == INVALID_GRANT
    assert site.me(departed.access_token) == 401


def test_G4_G6_an_old_refresh_token_ends_the_session(site: Site) -> None:
    """A grandparent is theft: the thief and the owner both lose the session."""
    first = site.log_in()
    second = site.refresh(first["refresh_token"]).json()
    third = site.refresh(second["refresh_token"]).json()
    assert told(site.refresh(first["refresh_token"])) == INVALID_GRANT
    assert told(site.refresh(third["refresh_token"])) == INVALID_GRANT
    assert site.me(third["access_token"]) == 401


def test_G5_parallel_refreshes_are_one_lineage(site: Site) -> None:
    """Fifty at once get the same successor, and nobody is logged out."""
    token = site.log_in()["refresh_token"]
    with ThreadPoolExecutor(16) as pool:
        url = site.app.url + "/auth/refresh"
        body = {"grant_type": "refresh_token", "refresh_token": token}
        replies = list(pool.map(lambda _: httpx2.post(url, json=body, timeout=30), range(50)))
    assert {reply.status_code for reply in replies} == {200}
    successors = {reply.json()["refresh_token"] for reply in replies}
    assert len(successors) == 1
    assert site.refresh(successors.pop()).status_code == 200


def test_G7_refresh_racing_logout(site: Site) -> None:
    """Whatever the order in which they arrive, nothing survives."""
    for _ in range(5):
        tokens = site.log_in()
        with ThreadPoolExecutor(2) as pool:
            logout = pool.submit(
                httpx2.post,
                site.app.url + "/auth/logout",
                headers={"Authorization": f"Bearer {tokens['access_token']}"},
            )
            refresh = pool.submit(
                httpx2.post,
                site.app.url + "/auth/refresh",
                json={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
            )
        assert logout.result().status_code == 204
        survivors = [tokens]
        if refresh.result().status_code == 200:
            survivors.append(refresh.result().json())
        for each in survivors:
            assert site.me(each["access_token"]) == 401
            assert told(site.refresh(each["refresh_token"])) == INVALID_GRANT


def test_G8_an_access_token_does_not_refresh(site: Site) -> None:
    """An access token at the refresh route, and a refresh token as access token, are refused."""
    tokens = site.log_in()
    assert told(site.refresh(tokens["access_token"])) == INVALID_GRANT
    assert site.me(tokens["refresh_token"]) == 401


def test_G9_cached_then_revoked(site: Site) -> None:
    """A token that was verified many times is refused on the request after its session ended."""
    tokens = site.log_in()
    assert {site.me(tokens["access_token"]) for _ in range(5)} == {200}
    (listed,) = [
        session
        for session in site.send("GET", "/auth/sessions", token=tokens["access_token"]).json()[
            "sessions"
        ]
        if session["current"]
    ]
    ended = site.send(
        "DELETE", f"/auth/sessions/{listed['session_id']}", token=tokens["access_token"]
    )
    assert ended.status_code == 204
    assert site.me(tokens["access_token"]) == 401


def test_G15_another_client_or_device_does_not_refresh(site: Site) -> None:
    """A refresh token serves the client and the device that it was given to."""
    tokens = site.log_in(client_id="app", device="phone")
    token = tokens["refresh_token"]
    assert told(site.refresh(token, client_id="other", device="phone")) == INVALID_GRANT
    assert told(site.refresh(token, client_id="app", device="laptop")) == INVALID_GRANT
    assert site.refresh(token, client_id="app", device="phone").status_code == 200


def test_scopes_are_never_widened(site: Site) -> None:
    """RFC 6749 section 6: fewer may be asked for, more may not, and the session goes on."""
    tokens = site.log_in("grace")
    wider = site.refresh(tokens["refresh_token"], scope="reports:write reports:delete")
    assert told(wider) == (400, {"error": "invalid_scope"})
    reply = site.refresh(tokens["refresh_token"], scope="reports:write")
    assert (reply.status_code, reply.json()["scope"]) == (200, "reports:write")


def test_a_list_of_sessions_says_where_and_when(site: Site) -> None:
    """Device, place and times, and which one is asking."""
    site.log_in("eve", device="phone")
    token = site.log_in("eve", device="laptop")["access_token"]
    listed = site.send("GET", "/auth/sessions", token=token).json()["sessions"]
    young, old = listed[:2]
    assert [(each["device"], each["current"]) for each in (young, old)] == [
        ("laptop", True),
        ("phone", False),
    ]
    assert {each["place"] for each in (young, old)} == {"127.0.0.1"}
    assert old["created_at"] <= young["created_at"] <= young["used_at"] < young["expires_at"]
    assert young["agent"].startswith("python-httpx")


def test_nobody_ends_anothers_session(site: Site) -> None:
    """Another's session is not found."""
    ada, eve = site.log_in("ada"), site.log_in("eve")
    sessions = site.send("GET", "/auth/sessions", token=ada["access_token"]).json()["sessions"]
    for session in sessions:
        path = f"/auth/sessions/{session['session_id']}"
        assert site.send("DELETE", path, token=eve["access_token"]).status_code == 404
    assert site.me(ada["access_token"]) == 200


def test_H5_cookies_are_locked_away(site: Site) -> None:
    """Every cookie has its prefix and attributes, and none of them can be read."""
    reply = site.log_in_with_cookies("grace")
    cookies = {
        field.partition("=")[0]: set(field.split("; ")[1:])
        for field in reply.headers.get_list("set-cookie")
    }
    assert cookies["__Host-access"] >= {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"}
    assert cookies["__Secure-refresh"] >= {
        "Path=/auth",
        "Secure",
        "HttpOnly",
        "SameSite=Strict",
    }
    assert cookies["__Host-csrf"] >= {"Path=/", "Secure", "SameSite=Strict"}
    assert "grace" not in jar(reply)
    assert "access_token" not in reply.text


UNMEANT: Sequence[dict[str, str]] = (
    {},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"X_CSRF_Token": "wrong"},
)


def test_H6_a_request_with_a_cookie_must_be_meant(site: Site) -> None:
    """Reading needs the cookie alone; changing needs what no foreign page can send."""
    reply = site.log_in_with_cookies("grace")
    cookies, token = jar(reply), reply.json()["csrf_token"]
    assert site.send("GET", "/me", cookies=cookies).status_code == 200
    for headers in UNMEANT:
        assert site.send("POST", "/reports", cookies=cookies, **headers).status_code == 403
        refused = site.send("POST", "/auth/refresh", cookies=cookies, **headers)
        assert refused.status_code == 403
    meant: Sequence[dict[str, str]] = (
        {"Sec_Fetch_Site": "same-origin"},
        {"Origin": site.app.url},
        {"X_CSRF_Token": token},
    )
    for headers in meant:
        assert site.send("POST", "/reports", cookies=cookies, **headers).status_code == 201


def test_H6_another_sessions_proof_is_none(site: Site) -> None:
    """The token of one session proves nothing for another."""
    mine, other = site.log_in_with_cookies("grace"), site.log_in_with_cookies("ada")
    reply = site.send(
        "POST", "/reports", cookies=jar(mine), X_CSRF_Token=other.json()["csrf_token"]
    )
    assert reply.status_code == 403


def test_H1_header_and_cookie_are_two_places(site: Site) -> None:
    """A bearer token beside an access cookie is ambiguous."""
    cookies = jar(site.log_in_with_cookies())
    token = site.log_in()["access_token"]
    assert site.send("GET", "/me", token=token, cookies=cookies).status_code == 400


def test_the_loser_of_a_race_clears_nothing(site: Site) -> None:
    """No refused refresh touches a cookie."""
    reply = site.log_in_with_cookies()
    cookies = jar(reply)
    meant = {"Sec_Fetch_Site": "same-origin"}
    first = site.send("POST", "/auth/refresh", cookies=cookies, **meant)
    assert site.send("POST", "/auth/logout", cookies=jar(first), **meant).status_code == 204
    late = site.send("POST", "/auth/refresh", cookies=cookies, **meant)
    assert told(late) == INVALID_GRANT
    assert "set-cookie" not in late.headers


def test_a_new_login_takes_the_place_of_the_session_in_the_browser(site: Site) -> None:
    """ASVS V7.2.4: the session that the browser had ends."""
    former = jar(site.log_in_with_cookies())
    body = {"username": "eve", "password": "eve-demo", "cookies": True}
    reply = site.send("POST", "/auth/login", body=body, cookies=former, Origin=site.app.url)
    assert site.send("GET", "/me", cookies=former).status_code == 401
    assert site.send("GET", "/me", cookies=jar(reply)).json()["subject"] == "eve"


def test_without_its_store_it_answers_503(site: Site, store_file: Path) -> None:
    """No login and no refresh, and to be asked again later; what needs no store is served."""
    tokens = site.log_in()
    with closing(sqlite3.connect(store_file)) as connection:
        connection.execute("BEGIN IMMEDIATE")  # as another program that never ends its work
        login = {"username": "ada", "password": "ada-demo"}
        replies = [
            site.send("POST", "/auth/login", body=login),
            site.refresh(tokens["refresh_token"]),
        ]
        assert site.send("GET", "/public").status_code == 200
    for reply in replies:
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["cache-control"] == "no-store"
    assert site.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("mount", [routes, blueprint, urlpatterns])
def test_login_without_tokens_of_our_own_is_refused_at_start(mount: Callable[..., Any]) -> None:
    """Rather than at the first login."""
    guard = Guard.from_config(configuration("ES256"))
    mount(guard, well_known())
    with pytest.raises(ConfigurationError, match=r"tokens: is missing"):
        mount(guard, login_endpoints(lambda name, password: None))


def test_logins_are_throttled(site: Site) -> None:
    """Guesses at one account from one address; the answer says when to come again."""
    guess = {"username": site.app.framework, "password": "guess"}
    replies = [site.send("POST", "/auth/login", body=guess) for _ in range(11)]
    assert [reply.status_code for reply in replies] == [400] * 10 + [429]
    assert 0 < int(replies[-1].headers["retry-after"]) <= 300
    assert site.send("POST", "/auth/login", body=guess).status_code == 429


def test_step_up_is_asked_for(site: Site) -> None:
    """RFC 9470: an old authentication is told what would do, a fresh one passes."""
    assert site.own.issuer is not None
    fresh = site.log_in("ada")["access_token"]
    old = site.own.issuer.issue(
        "ada", client_id="c", roles=["admin"], tenant="acme", claims={"auth_time": 1_000_000_000}
    )
    passed = site.send("DELETE", "/admin/users/7", token=fresh)
    asked = site.send("DELETE", "/admin/users/7", token=old)
    assert passed.status_code == 200
    assert asked.status_code == 401
    challenge = asked.headers["www-authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'max_age="300"' in challenge


def test_malformed_login_requests_are_told_so(site: Site) -> None:
    """Whatever the body is, the answer is an error of RFC 6749 and no 500."""
    url = site.app.url
    for content, kind in [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[" * 50_000, "application/json"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"username=ada&username=eve&password=x", "application/x-www-form-urlencoded"),
        (b"username=ada&password=ada-demo", "text/plain"),
    ]:
        for path in ("/auth/login", "/auth/refresh"):
            reply = httpx2.post(url + path, content=content, headers={"Content-Type": kind})
            assert told(reply) == (400, {"error": "invalid_request"})
    huge = httpx2.post(
        url + "/auth/login", content=b" " * 100_000, headers={"Content-Type": "application/json"}
    )
    assert huge.status_code == 400
    wrong_method = httpx2.get(url + "/auth/login")
    assert wrong_method.status_code in {401, 405}

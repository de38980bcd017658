"""Groups G and H of the playbook where sessions and cookies are: on every framework's real server.

Each scenario is written once and asked of the sample applications, which mount the library's login
endpoints as any application does.
"""

import json
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from jwt_guard import Guard
from jwt_guard.keys.signing import generate_key
from sample_apps.servers import EVERYWHERE, RunningApp, running_apps

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
        own: a guard with the same keys, to make tokens that the application trusts.
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


def jar(reply: httpx2.Response) -> str:
    """The cookies of an answer, as a browser would send them back."""
    return "; ".join(value.partition(";")[0] for value in reply.headers.get_list("set-cookie"))


def told(reply: httpx2.Response) -> tuple[int, Any]:
    """What a refused caller learns."""
    return reply.status_code, reply.json()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Site]]:
    """All applications, each with a store of its own, all with the same keys."""
    folder = tmp_path_factory.mktemp("sites")
    keys = json.dumps({"keys": [generate_key("ES256")]})
    (folder / "keys.json").write_text(keys)
    (folder / "jwt_guard.toml").write_text(CONFIG)
    own = Guard.from_config({**_parsed(), "tokens": _tokens(keys)})
    with running_apps(folder / "jwt_guard.toml", EVERYWHERE) as apps:
        made = {app.framework: Site(app, own) for app in apps}
        yield made
        for each in made.values():
            each.client.close()


def _parsed() -> dict[str, Any]:
    return {"audience": "https://api.example.test"}


def _tokens(keys: str) -> dict[str, Any]:
    return {"issuer": "https://app.example.test", "signing_keys": json.loads(keys)}


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

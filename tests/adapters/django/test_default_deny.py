"""Without a mark, nobody enters without a good token."""

from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import SyncToAsync
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from pytest_django import Settings

from jwt_guard import Principal, Reason, Refusal
from jwt_guard.audit.observer import LogObserver
from jwt_guard.http import RequestView
from jwt_guard_django import get_guard, public
from jwt_guard_django.marks import said_by
from tests.adapters.django.conftest import Bearer, Send

TOKEN_MISSING = Refusal(Reason.TOKEN_MISSING)


@pytest.mark.parametrize(
    ("method", "path", "with_token"),
    [
        ("GET", "/plain", 200),
        ("HEAD", "/plain", 200),
        ("OPTIONS", "/plain", 200),
        ("POST", "/plain", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/slash", 301),
        ("PATCH", "/mixed", 405),
        ("GET", "/open/", 404),
        ("GET", "/files//x", 200),
        ("GET", "/rest-plain", 200),
        ("OPTIONS", "/rest-plain", 200),
        ("GET", "/rest-plain-function", 200),
        ("DELETE", "/rest-set", 200),
        ("OPTIONS", "/own", 200),
        ("HEAD", "/own", 200),
    ],
)
def test_asks_for_a_token(
    send: Send, bearer: Bearer, method: str, path: str, with_token: int
) -> None:
    """Every request without a token gets the one 401; with a good one it gets Django's answer."""
    refused = send(method, path)
    reply = get_guard().reply(TOKEN_MISSING)
    assert refused.status_code == 401
    assert refused.content == (b"" if method == "HEAD" else reply.body)
    assert refused["WWW-Authenticate"] == dict(reply.headers)["WWW-Authenticate"]
    assert dict(refused.headers) == {**dict(reply.headers), "Content-Length": str(len(reply.body))}
    assert send(method, path, bearer()).status_code == with_token


@pytest.mark.parametrize(
    "path", ["/public", "/welcome", "/open", "/files/app.js", "/base", "/rest-open"]
)
@pytest.mark.parametrize("token", [None, "bad"])
def test_public_routes_ask_nothing(send: Send, path: str, token: str | None) -> None:
    """A view or a path named public is served to everybody, whatever they send along."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    assert send("GET", path, headers).status_code == 200


def test_public_view_knows_good_callers(send: Send, bearer: Bearer) -> None:
    """A public view sees who calls, if the token is good, and nobody if it is not."""
    assert send("GET", "/public", bearer("grace")).content == b"grace"
    assert send("GET", "/public", {"Authorization": "Bearer bad"}).content == b"nobody"


def test_answers_to_callers_stay_private(send: Send, bearer: Bearer) -> None:
    """They are marked so, unless the view says itself how they may be stored."""
    said = {path: send("GET", path, bearer()).headers for path in ("/plain", "/nowhere", "/cached")}
    assert {path: headers["Cache-Control"] for path, headers in said.items()} == {
        "/plain": "no-store",
        "/nowhere": "no-store",
        "/cached": "private, max-age=60",
    }
    assert ("Cache-Control", "no-store") in said["/plain"].items()
    assert "Cache-Control" not in send("GET", "/public").headers


@pytest.mark.parametrize("path", ["/café", "/日本/x", "/a b", "/nowhere"])
def test_paths_are_told_as_they_are_routed(
    client: Client, bearer: Bearer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Decoded once: WSGI brings bytes, of which Django has made text.

    Its test client for ASGI makes other text of them than servers do.
    """
    told: list[str] = []

    class Telling(LogObserver):
        def authenticated(self, principal: Principal, view: RequestView | None) -> None:
            assert view is not None
            told.append(view.path)

    monkeypatch.setattr(get_guard(), "observers", [Telling()])
    client.get(quote(path), headers=bearer())
    assert told == [path]


def test_public_is_not_inherited(send: Send) -> None:
    """A class made of a public one is not public itself."""
    assert send("GET", "/derived").status_code == 401


def test_each_method_asks_for_itself(send: Send, bearer: Bearer) -> None:
    """Methods of one class may be public, plain and restricted side by side."""
    strangers = [send(method, "/mixed").status_code for method in ("GET", "HEAD", "PUT", "POST")]
    assert strangers == [200, 200, 401, 401]
    callers = [send(method, "/mixed", bearer()).status_code for method in ("PUT", "POST")]
    assert callers == [200, 403]


def test_methods_made_up_ask_too(send: Send, bearer: Bearer) -> None:
    """A method that no view knows gets no further than another."""
    statuses = [send("BREW", path).status_code for path in ("/plain", "/function", "/mixed")]
    assert statuses == [401, 401, 401]
    assert send("BREW", "/public", bearer()).status_code == 200
    assert send("BREW", "/mixed", bearer()).status_code == 405


def test_views_that_compare_equal_are_two() -> None:
    """What one view says of itself is never taken for what another says."""
    one, other = Twin(), Twin()
    public(one)
    assert [said_by(view, "GET") is None for view in (one, other)] == [False, True]


class Twin:
    """A view that equals all of its kind."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer nothing."""
        return HttpResponse()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Twin)

    def __hash__(self) -> int:
        return 1


def test_marked_mode(send: Send, settings: Settings) -> None:
    """Where only marked views are protected, the others are open, unknown paths too."""
    settings.JWT_GUARD = {**settings.JWT_GUARD, "routes": {"protect": "marked"}}
    paths = ("/plain", "/nowhere", "/function", "/method", "/rest-permission", "/ninja/anybody")
    assert [send("GET", path).status_code for path in paths] == [200, 404, 401, 401, 401, 401]
    assert send("OPTIONS", "/method").status_code == 401


def test_spoofed_headers_change_nothing(send: Send) -> None:
    """Neither path nor method are taken from headers."""
    headers = {
        "X-Original-URL": "/open",
        "X-Rewrite-URL": "/open",
        "X-Forwarded-Prefix": "/open",
        "X-HTTP-Method-Override": "OPTIONS",
    }
    assert send("GET", "/plain", headers).status_code == 401


def test_H8_no_mount_point_completes_a_public_path(client: Client, settings: Settings) -> None:
    """What is public is so below the mount point, wherever that is said to be."""
    settings.JWT_GUARD = {**settings.JWT_GUARD, "routes": {"public": ["/app/plain", "/open"]}}
    for mount in ("", "/app"):
        statuses = [client.get(p, SCRIPT_NAME=mount).status_code for p in ("/plain", "/open")]
        assert statuses == [401, 200]


async def test_async_views_stay_on_the_loop(
    bearer: Bearer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the server and an async view, nothing of ours runs on a thread."""
    settings.MIDDLEWARE = ["jwt_guard_django.JWTGuardMiddleware"]
    threaded: list[str] = []
    call = SyncToAsync.__call__

    async def recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
        threaded.append(f"{self.func.__module__}.{self.func.__qualname__}")
        return await call(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", recorded)
    for path in ("/plain-async", "/coroutine", "/async-method", "/ninja-async/required", "/auser"):
        response = await AsyncClient().get(path, headers=bearer("ada", "admin"))
        assert response.status_code == 200
    assert [name for name in threaded if not name.startswith("django.")] == []
    await AsyncClient().get("/plain", headers=bearer())
    assert "tests.adapters.django.urls.plain" in threaded


class TestCSRF:
    """Only what a browser sends by itself can be forged."""

    def test_bearer_needs_no_proof(self, send: Send, bearer: Bearer) -> None:
        """A request that a bearer token authenticates is exempt."""
        assert send("POST", "/plain", bearer()).status_code == 200
        assert send("POST", "/admins", bearer(guard="admin")).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Authorization": "Bearer bad"}, {"Authorization": "Basic YTpi"}],
    )
    def test_others_do(self, send: Send, headers: dict[str, str]) -> None:
        """Without a good bearer token, a public view is protected by Django as ever."""
        assert send("POST", "/public", headers).status_code == 403

    def test_strangers_learn_nothing_from_it(self, send: Send) -> None:
        """Where a token is asked for, that is said, and not that the proof is missing."""
        assert send("POST", "/plain").status_code == 401
        assert send("POST", "/function").status_code == 401


DJANGOS = "A" * 32
PROOFS: dict[str, tuple[str, dict[str, str]]] = {
    "nothing": ("", {}),
    "half of Django's": (f"; csrftoken={DJANGOS}", {}),
    "Django's": (f"; csrftoken={DJANGOS}", {"X-CSRFToken": DJANGOS}),
    "another site's origin": (
        f"; csrftoken={DJANGOS}",
        {"X-CSRFToken": DJANGOS, "Origin": "https://evil.example"},
    ),
}


class TestCookies:
    """Callers who come by cookie show that they meant it, by Django's own means or by ours.

    Where Django's middleware stands, it asks for its own.
    """

    @pytest.fixture(autouse=True)
    def cookies(self, settings: Settings) -> None:
        """Cookies are enabled."""
        cookies = {"enabled": True, "trusted_origins": ["https://page.example"]}
        settings.JWT_GUARD = {**settings.JWT_GUARD, "cookies": cookies}

    @pytest.fixture
    def cookie(self) -> str:
        """A cookie with a good token."""
        guard = get_guard()
        assert guard.issuer is not None
        assert guard.cookies is not None
        token = guard.issuer.issue("ada", client_id="test", claims={"sid": "s"})
        fields = guard.cookies.filled(
            access=token, refresh="r", session_id="s", expires_in=60, ends_in=60
        )
        return fields[0][1].partition(";")[0]

    def sent(self, send: Send, method: str, path: str, cookie: str, proof: str) -> Any:
        """The answer to a request with the cookie and a proof."""
        more, headers = PROOFS[proof]
        return send(method, path, headers, cookies=cookie + more)

    @pytest.mark.parametrize("protected", [True, False])
    @pytest.mark.parametrize("proof", PROOFS)
    def test_need_a_proof(
        self, send: Send, settings: Settings, cookie: str, proof: str, protected: bool
    ) -> None:
        """It is asked for whether or not the project has Django's middleware."""
        if not protected:
            settings.MIDDLEWARE = ["jwt_guard_django.JWTGuardMiddleware"]
        expected = 200 if proof == "Django's" else 403
        assert self.sent(send, "POST", "/plain", cookie, proof).status_code == expected
        assert self.sent(send, "GET", "/plain", cookie, "nothing").status_code == 200

    @pytest.mark.parametrize("protected", [True, False])
    @pytest.mark.parametrize("proof", ["token", "origin", "site"])
    def test_ours_does_not_stand_for_djangos(
        self, send: Send, settings: Settings, cookie: str, proof: str, protected: bool
    ) -> None:
        """It says nothing of what else Django's middleware protects, as a login by its session."""
        if not protected:
            settings.MIDDLEWARE = ["jwt_guard_django.JWTGuardMiddleware"]
        guard = get_guard()
        assert guard.cookies is not None
        headers = {
            "token": {"X-CSRF-Token": guard.cookies.csrf.token("s")},
            "origin": {"Origin": "https://page.example"},
            "site": {"Sec-Fetch-Site": "same-origin"},
        }[proof]
        expected = 403 if protected else 200
        for path in ("/plain", "/public"):
            assert send("POST", path, headers, cookies=cookie).status_code == expected

    @pytest.mark.parametrize("proof", PROOFS)
    def test_need_it_in_exempt_views(self, send: Send, cookie: str, proof: str) -> None:
        """A view that is exempt from Django's middleware knows no caller without it."""
        expected = b'"ada"' if proof == "Django's" else b'"AnonymousUser"'
        assert self.sent(send, "POST", "/rest-set", cookie, proof).content == expected

"""Settings, users, checks, endpoints, and the OpenAPI document."""

import copy
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.checks import CheckMessage, run_checks
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from msgspec import structs
from pytest_django import Settings

from jwt_guard import ConfigurationError, Principal
from jwt_guard.guard import Guard
from jwt_guard_django import get_guard
from jwt_guard_django.users import TokenUser
from tests.adapters.django.conftest import Bearer, Send

AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
OURS = "jwt_guard_django.JWTGuardMiddleware"


def our_checks() -> list[CheckMessage]:
    """What `manage.py check --tag security` says of us."""
    found = run_checks(tags=["security"])
    return [message for message in found if str(message.id).startswith("jwt_guard.")]


class TestSettings:
    """One dictionary, read again when it changes."""

    def test_read_again(self, settings: Settings) -> None:
        """A changed setting makes another guard."""
        before = get_guard()
        settings.JWT_GUARD = {**settings.JWT_GUARD, "realm": "other"}
        assert (get_guard().config.realm, before.config.realm) == ("other", "api")
        assert get_guard() is get_guard()

    def test_made_once(self, settings: Settings) -> None:
        """Threads that ask at once, and first, get the same guard."""
        settings.JWT_GUARD = {**settings.JWT_GUARD}
        ready = Barrier(8)

        def ask(_: int) -> Guard:
            ready.wait()
            return get_guard()

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, range(8)))) == 1

    def test_guard_made_already(self, settings: Settings) -> None:
        """A guard is taken as it is."""
        guard = get_guard()
        settings.JWT_GUARD = guard
        assert get_guard() is guard

    def test_bad_configuration_ends_the_start(self, settings: Settings) -> None:
        """No server starts with a mistake, whose place in the settings is named."""
        settings.JWT_GUARDS = {"admin": {"audience": 5}}
        with pytest.raises(ConfigurationError, match=r"JWT_GUARDS\['admin'\]\.audience"):
            Client().get("/plain")

    def test_missing(self, settings: Settings) -> None:
        """Without any guard there is no start either."""
        del settings.JWT_GUARD
        del settings.JWT_GUARDS
        with pytest.raises(ConfigurationError, match="JWT_GUARD: is missing"):
            get_guard()


class TestUsers:
    """`request.user` and `request.auser`."""

    @pytest.mark.parametrize("path", ["/user", "/auser"])
    def test_is_the_caller(self, send: Send, bearer: Bearer, path: str) -> None:
        """By default it is the principal, in the shape of a user."""
        assert send("GET", path, bearer("ada")).content == b"TokenUser ada"

    @pytest.mark.parametrize("path", ["/user", "/auser"])
    @pytest.mark.parametrize("hook", ["tests.adapters.django.test_project.user_of", None])
    def test_is_the_projects(
        self, send: Send, bearer: Bearer, settings: Settings, path: str, hook: str | None
    ) -> None:
        """A hook says which user it is; where it knows none, nobody."""
        settings.JWT_GUARD_USER = hook or user_of
        expected = b"SimpleLazyObject ada" if path == "/user" else b"User ada"
        assert send("GET", path, bearer("ada")).content == expected
        assert send("GET", path, bearer("eve")).content.endswith(b" AnonymousUser")

    def test_stays_djangos_for_strangers(self, send: Send, settings: Settings) -> None:
        """Without a token the session's user remains."""
        settings.JWT_GUARD = {**settings.JWT_GUARD, "routes": {"protect": "marked"}}
        assert send("GET", "/user").content == b"SimpleLazyObject AnonymousUser"

    def test_pleases_login_required(self, send: Send, bearer: Bearer, settings: Settings) -> None:
        """Django's own default-deny takes our callers for logged in."""
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
        assert send("GET", "/plain", bearer()).status_code == 200
        assert send("GET", "/plain").status_code == 401

    def test_has_what_django_asks(self, bearer: Bearer) -> None:
        """A token's user grants what the token grants, and is nobody special."""
        verified = get_guard().verify(bearer("ada")["Authorization"].removeprefix("Bearer "))
        principal = structs.replace(verified, permissions=frozenset({"shop.sell", "shop.buy"}))
        user = TokenUser(principal)
        assert (user.pk, user.id, user.get_username()) == (
            "https://app.example#ada",
            user.pk,
            "ada",
        )
        assert (user.username, str(user), user.subject) == ("ada", "ada", "ada")
        assert user.has_perm("shop.sell")
        assert not user.has_perm("shop.own")
        assert user.has_perms(["shop.sell", "shop.buy"])
        assert not user.has_perms(["shop.own"])
        assert user.has_module_perms("shop")
        assert not user.has_module_perms("sho")
        assert not user.is_staff
        assert not user.is_superuser
        assert user.is_active
        assert user == copy.deepcopy(user)
        assert hash(user) == hash(TokenUser(principal))
        assert user != AnonymousUser()
        with pytest.raises(AttributeError):
            _ = user.nothing


def user_of(principal: Principal) -> User | None:
    """Knows ada only."""
    return User(username="ada") if principal.subject == "ada" else None


class TestChecks:
    """`manage.py check`."""

    def test_content(self) -> None:
        """Says nothing where nothing is wrong."""
        assert our_checks() == []

    def test_every_mistake(self, settings: Settings) -> None:
        """Names every mistake with its place and what would be right."""
        settings.JWT_GUARD = {"audiense": "it", "leeway": -1, "issuers": []}
        found = our_checks()
        assert {message.id for message in found} == {"jwt_guard.E001"}
        said = " ".join(message.msg for message in found)
        assert "JWT_GUARD.audiense: is not a setting" in said
        assert "JWT_GUARD.leeway" in said
        assert "JWT_GUARD.audience: is missing" in said
        assert all(message.hint for message in found)

    def test_what_weakens_a_guard(self, settings: Settings) -> None:
        """Warns of it, of every guard, as `jwt-guard check` does."""
        weak = {"store": {"url": "sqlite:///none.db", "fail_open": True}}
        settings.JWT_GUARD = {**settings.JWT_GUARD, **weak}
        settings.JWT_GUARDS = {"admin": {**settings.JWT_GUARDS["admin"], "leeway": 100}}
        found = our_checks()
        assert {message.id for message in found} == {"jwt_guard.W003"}
        fail_open, leeway = found
        assert fail_open.msg.startswith("JWT_GUARD.store.fail_open: ")
        assert leeway.msg.startswith("JWT_GUARDS['admin'].leeway: ")

    @pytest.mark.parametrize("hook", ["nowhere.at_all", 5])
    def test_user_hook(self, settings: Settings, hook: Any) -> None:
        """Names a hook that is none."""
        settings.JWT_GUARD_USER = hook
        assert [message.id for message in our_checks()] == ["jwt_guard.E002"]

    @pytest.mark.parametrize(
        ("middleware", "expected"),
        [
            ([OURS, AUTHENTICATION], ["jwt_guard.W001"]),
            ([AUTHENTICATION, LOGIN_REQUIRED, OURS], ["jwt_guard.W001"]),
            ([AUTHENTICATION, OURS, LOGIN_REQUIRED], []),
            ([OURS], []),
            ([AUTHENTICATION], ["jwt_guard.W002"]),
        ],
    )
    def test_place(self, settings: Settings, middleware: list[str], expected: list[str]) -> None:
        """Warns where the middleware is missing, or stands in the wrong place."""
        settings.MIDDLEWARE = middleware
        assert [message.id for message in our_checks()] == expected


class TestEndpoints:
    """The library's own routes."""

    def test_are_public(self, send: Send) -> None:
        """Keys and metadata are for everybody; other methods are not."""
        guard = get_guard()
        assert guard.signing_keys is not None
        keys = send("GET", reverse("jwt_guard_jwks"))
        assert keys.json() == guard.signing_keys.public_jwks()
        assert send("GET", reverse("jwt_guard_resource")).json() == guard.resource_metadata()
        assert send("HEAD", reverse("jwt_guard_jwks")).status_code == 200
        assert send("OPTIONS", reverse("jwt_guard_jwks")).status_code == 401

    def test_get_path_and_body(self, send: Send) -> None:
        """An endpoint sees its path parameters and the body, without Django's CSRF."""
        answer = send("POST", reverse("echo", args=["x"]), None, b"hello")
        assert answer.json() == {"body": "hello", "name": "x"}

    def test_may_say_a_header_twice(self, send: Send) -> None:
        """No cookie and no challenge is lost."""
        answer = send("POST", "/echo/x")
        assert answer["WWW-Authenticate"] == "Bearer, DPoP"
        host = answer.cookies["__Host-a"]
        assert (host.value, host["secure"], host["httponly"]) == ("1", True, True)
        assert (host["samesite"], host["path"]) == ("Strict", "/")
        assert (answer.cookies["b"]["path"], answer.cookies["b"]["max-age"]) == ("/auth", "60")

    def test_may_refuse(self, send: Send) -> None:
        """Two methods of one path are two endpoints, and one of them may refuse."""
        assert send("GET", "/echo/x").status_code == 401

    def test_take_no_endless_body(self, send: Send) -> None:
        """A body beyond all need is refused."""
        assert send("POST", "/echo/x", None, b"x" * 65_537).status_code == 400
        assert send("POST", "/echo/x", None, b"x" * 65_536).status_code == 200


def test_openapi_knows_the_scheme() -> None:
    """drf-spectacular documents the bearer scheme."""
    generator: Any = SchemaGenerator
    schema = generator().get_schema(request=None, public=True)
    assert schema["components"]["securitySchemes"]["jwt"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }

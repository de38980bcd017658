"""Login with Django's own users: backends, groups, and users who may not go on."""

import json
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from jwt_guard import Guard
from jwt_guard.endpoints import Endpoint
from jwt_guard.flow import run
from jwt_guard.http import Reply, WsgiView
from jwt_guard.keys.signing import generate_key
from jwt_guard.login import login_endpoints
from jwt_guard_django import get_guard
from jwt_guard_django.login import check_credentials, still_valid, user_of

pytestmark = pytest.mark.django_db

ENDPOINTS: dict[str, Endpoint] = {e.name: e for e in login_endpoints(check_credentials)}


@pytest.fixture
def guard() -> Guard:
    """A guard that issues tokens, and asks Django at each refresh."""
    tokens = {"issuer": "https://app.example", "signing_keys": {"keys": [generate_key("ES256")]}}
    made = Guard.from_config({"audience": "https://api.example", "tokens": tokens})
    assert made.sessions is not None
    made.sessions.still_valid = still_valid
    return made


@pytest.fixture
def ada() -> User:
    """An analyst."""
    user = User.objects.create_user("ada", password="ada-demo")
    user.groups.add(Group.objects.create(name="analyst"))
    return user


def call(guard: Guard, name: str, body: dict[str, Any]) -> Reply:
    """The answer of an endpoint."""
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/json"}
    handle = ENDPOINTS[f"jwt_guard_{name}"].handle
    return run(handle(guard, WsgiView(environ), json.dumps(body).encode()))


def logged_in(guard: Guard) -> dict[str, Any]:
    """The tokens of a new session."""
    reply = call(guard, "login", {"username": "ada", "password": "ada-demo"})
    tokens: dict[str, Any] = json.loads(reply.body)
    return tokens


def refreshed(guard: Guard, tokens: dict[str, Any]) -> Reply:
    """The answer to a refresh."""
    return call(guard, "refresh", {"refresh_token": tokens["refresh_token"]})


def test_a_users_groups_are_roles(guard: Guard, ada: User) -> None:
    """The subject is the primary key, which outlives a change of name."""
    principal = guard.verify(logged_in(guard)["access_token"])
    assert principal.subject == str(ada.pk)
    assert principal.roles == {"analyst"}


def test_wrong_and_inactive_are_refused_alike(guard: Guard, ada: User) -> None:
    """Nothing tells a wrong password from a user who may not log in."""
    wrong = call(guard, "login", {"username": "ada", "password": "guess"})
    ada.is_active = False
    ada.save()
    inactive = call(guard, "login", {"username": "ada", "password": "ada-demo"})
    assert wrong.status == 400
    assert wrong == inactive


def test_G3_changed_roles_count_from_the_next_refresh(guard: Guard, ada: User) -> None:
    """What is known of the user is asked at each refresh."""
    tokens = logged_in(guard)
    ada.groups.set([Group.objects.create(name="viewer")])
    again = json.loads(refreshed(guard, tokens).body)
    assert guard.verify(again["access_token"]).roles == {"viewer"}


@pytest.mark.parametrize("how", ["inactive", "removed"])
def test_G3_who_may_not_go_on_loses_the_session(guard: Guard, ada: User, how: str) -> None:
    """A user who is inactive or gone is refused at refresh, and so are their access tokens."""
    tokens = logged_in(guard)
    if how == "inactive":
        User.objects.filter(pk=ada.pk).update(is_active=False)
    else:
        ada.delete()
    assert refreshed(guard, tokens).status == 400
    assert guard.sessions is not None
    assert run(guard.sessions.list(str(ada.pk) if ada.pk else "1")) == []


@pytest.mark.parametrize("text", ["{}", "0{}", " {}", "+{}", "ada", "0", "9" * 40, "\x00"])
def test_the_user_of_a_token_is_djangos(ada: User, text: str) -> None:
    """Found by the primary key as it is written, in tokens of ours, while the user is active."""
    guard = get_guard()
    assert guard.issuer is not None
    token = guard.issuer.issue(text.format(ada.pk), client_id="test")
    principal = guard.verify(token)
    assert user_of(principal) == (ada if text == "{}" else None)
    assert user_of(msgspec.structs.replace(principal, issuer="https://other.example")) is None
    ada.is_active = False
    ada.save()
    assert user_of(principal) is None


def test_the_user_of_a_request_is_djangos(settings: Any, ada: User) -> None:
    """Where the settings ask for it."""
    settings.JWT_GUARD_USER = "jwt_guard_django.login.user_of"
    issuer = get_guard().issuer
    assert issuer is not None
    headers = {"Authorization": f"Bearer {issuer.issue(str(ada.pk), client_id='test')}"}
    assert Client().get("/user", headers=headers).content.endswith(b" ada")

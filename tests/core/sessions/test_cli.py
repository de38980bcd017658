"""`jwt-guard sessions` on a store that an application uses."""

import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jwt_guard.cli import main
from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard
from jwt_guard.sessions import Client, Grant, Sessions, User
from tests.core.sessions.conftest import ISSUER
from tests.support import tokens

PHONE = Client(client_id="app", device="phone", place="192.0.2.1")


class Place:
    """A folder with a configuration, and the application that uses the same store."""

    def __init__(self, folder: Path, url: str = "sqlite:///sessions.sqlite3") -> None:
        keys = json.dumps({"keys": [tokens.private_jwk("ES256")]})
        (folder / "keys.json").write_text(keys)
        self.config = folder / "jwt_guard.toml"
        self.config.write_text(
            f'audience = "{tokens.AUDIENCE}"\n'
            f'[tokens]\nissuer = "{ISSUER}"\nsigning_keys = "keys.json"\n'
            f'[store]\nurl = "{url}"\ntimeout = 0.5\n'
        )
        self.guard = Guard.from_config(self.config)
        assert self.guard.sessions is not None
        self.sessions: Sessions = self.guard.sessions

    def login(self, subject: str = "ada", tenant: str | None = None) -> Grant:
        """Log somebody in."""
        return run(self.sessions.start(subject, client=PHONE, user=User(tenant=tenant)))

    def call(self, *arguments: str) -> Result:
        """Call `jwt-guard sessions`."""
        name, *rest = arguments
        line = ["sessions", name, "--config", str(self.config), *rest]
        return CliRunner().invoke(main, line)

    def is_welcome(self, grant: Grant) -> bool:
        """Whether the access token is accepted."""
        try:
            self.guard.verify(grant.access_token)
        except Refusal:
            return False
        return True


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An application with its store in a file beside its configuration."""
    return Place(tmp_path)


def test_list(place: Place, tmp_path: Path) -> None:
    """A line a session: for people, or as JSON."""
    grant = place.login(tenant="acme")
    line = place.call("list", "ada").stdout
    time = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
    times = rf"begun {time}  used {time}  ends {time}"
    assert re.fullmatch(rf"{grant.session_id}  {times}  app  acme  phone  192\.0\.2\.1\n", line)
    listed = json.loads(place.call("list", "ada", "--json").stdout)
    assert (listed["session_id"], listed["place"]) == (grant.session_id, "192.0.2.1")
    assert place.call("list", "nobody").stdout == ""
    assert (tmp_path / "sessions.sqlite3").exists()
    place.guard.store.close()


def test_revoke(place: Place) -> None:
    """The application refuses on the very next request; an unknown session is status 1."""
    one, ada, acme, last = (
        place.login(),
        place.login(),
        place.login("eve", "acme"),
        place.login("x"),
    )
    for arguments, welcome in [
        (["--session", one.session_id], [False, True, True, True]),
        (["--subject", "ada"], [False, False, True, True]),
        (["--tenant", "acme"], [False, False, False, True]),
        (["--everything"], [False, False, False, False]),
    ]:
        result = place.call("revoke", *arguments)
        assert (result.exit_code, result.stdout) == (0, "revoked\n")
        assert [place.is_welcome(grant) for grant in (one, ada, acme, last)] == welcome
    result = place.call("revoke", "--json", "--session", one.session_id)
    assert (result.exit_code, json.loads(result.stdout)) == (1, {"ok": False})
    place.guard.store.close()


def test_revoke_one_token(place: Place) -> None:
    """By its `jti`, whose end nobody need know; the session goes on."""
    grant = place.login()
    jti = place.guard.verify(grant.access_token).token_id
    assert jti is not None
    assert place.call("revoke", "--token", jti).exit_code == 0
    assert not place.is_welcome(grant)
    again = run(place.sessions.refresh(grant.refresh_token, client=PHONE))
    assert place.is_welcome(again)
    place.guard.store.close()


@pytest.mark.parametrize("what", ["session", "subject", "token"])
def test_what_others_issued_is_revoked_by_their_name(tmp_path: Path, what: str) -> None:
    """Also where the configuration issues nothing; without the name it is wrong use."""
    (tmp_path / "jwks.json").write_text(json.dumps(tokens.jwks("ES256")))
    place = Place(tmp_path)
    place.config.write_text(
        f'audience = "{tokens.AUDIENCE}"\n[store]\nurl = "sqlite:///sessions.sqlite3"\n'
        f'[[issuers]]\nissuer = "{tokens.ISSUER}"\nkeys = "jwks.json"\nalgorithms = ["ES256"]\n'
    )
    guard = Guard.from_config(place.config)
    now = int(time.time())
    token = tokens.mint(sub="them", sid="them", jti="them", iat=now, exp=now + 600)
    guard.verify(token)
    assert place.call("revoke", f"--{what}", "them").exit_code == 2
    assert guard.verify(token).subject == "them"
    result = place.call("revoke", f"--{what}", "them", "--issuer", tokens.ISSUER)
    assert (result.exit_code, result.stdout) == (0, "revoked\n")
    with pytest.raises(Refusal, match="token_revoked"):
        guard.verify(token)
    assert place.call("purge").stdout == "0 purged\n"
    guard.store.close()


def test_revoke_names_one_thing(place: Place) -> None:
    """Neither nothing nor two: status 2."""
    assert place.call("revoke").exit_code == 2
    assert place.call("revoke", "--everything", "--tenant", "acme").exit_code == 2


def test_purge(place: Place) -> None:
    """In batches, and says how much."""
    store = place.guard.store
    for number in range(5):
        run(store.tally(f"k{number}", now=0, until=1))
    run(store.tally("young", now=0, until=int(time.time() * 1000) + 60_000))
    assert place.call("purge", "--batch", "2").stdout == "5 purged\n"
    assert json.loads(place.call("purge", "--json").stdout) == {"purged": 0}
    store.close()


def test_where_there_is_nothing_to_see(tmp_path: Path) -> None:
    """A store in memory is another process's: status 2; a dead one: 1, without a traceback."""
    in_memory = Place(tmp_path, "memory://").call("list", "ada")
    assert in_memory.exit_code == 2
    assert "set `url` of `[store]` to a database" in in_memory.stderr
    dead = Place(tmp_path, "valkey://127.0.0.1:1").call("list", "ada")
    assert (dead.exit_code, dead.stderr.count("\n")) == (1, 1)
    outside = Place(tmp_path)
    jwks = tokens.jwks()
    (tmp_path / "jwks.json").write_text(json.dumps(jwks))
    outside.config.write_text(
        f'audience = "{tokens.AUDIENCE}"\n[[issuers]]\nissuer = "{ISSUER}"\n'
        'keys = "jwks.json"\nalgorithms = ["ES256"]\n[store]\nurl = "sqlite:///other.sqlite3"\n'
    )
    assert outside.call("list", "ada").exit_code == 2

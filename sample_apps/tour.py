"""A tour of good and bad requests: what is sent, and what every framework must answer."""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec

from jwt_guard.keys.signing import SigningKey, SigningKeys, generate_key
from jwt_guard.tokens.issuer import TokenIssuer, sign
from sample_apps.servers import RunningApp
from sample_apps.shared import Person, people

__all__ = ["Answer", "Step", "Stop", "tour", "walk"]

Headers = list[tuple[str, str]]

_PEOPLE = people()
_RANDOM = {"access_token": "made at random", "refresh_token": "made at random"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One request of the tour.

    Attributes:
        title: what it shows.
        method, path, headers, json: what is sent.
        status: what must come back.
        error: the error code of the challenge that must come back, if any.
    """

    title: str
    method: str
    path: str
    headers: Headers
    status: int
    error: str | None = None
    json: dict[str, Any] | None = None

    @property
    def expected(self) -> str:
        """What must come back, in a word or two."""
        return _summary(self.status, self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one framework answered, and whether that was right."""

    framework: str
    status: int
    error: str | None
    right: bool

    @property
    def text(self) -> str:
        """What came back, in a word or two."""
        return _summary(self.status, self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stop and what each framework answered there."""

    stop: Stop
    answers: tuple[Answer, ...]

    @property
    def right(self) -> bool:
        """Whether all of them answered as they must, and alike."""
        return all(answer.right for answer in self.answers)


def _summary(status: int, error: str | None) -> str:
    return f"{status} {error}" if error else str(status)


def walk(stops: Sequence[Stop], apps: Sequence[RunningApp]) -> Iterator[Step]:
    """Send each request to each application, in order."""
    with httpx2.Client(timeout=10, trust_env=False) as client:
        for stop in stops:
            replies = [_sent(client, app.url, stop) for app in apps]
            yield Step(
                stop=stop,
                answers=tuple(
                    _answer(app, stop, reply, replies[0])
                    for app, reply in zip(apps, replies, strict=True)
                ),
            )


def _sent(client: httpx2.Client, url: str, stop: Stop) -> httpx2.Response:
    return client.request(stop.method, url + stop.path, headers=stop.headers, json=stop.json)


def _answer(app: RunningApp, stop: Stop, reply: httpx2.Response, first: httpx2.Response) -> Answer:
    error = _error_of(reply)
    expected = reply.status_code == stop.status and error == stop.error
    return Answer(
        framework=app.framework,
        status=reply.status_code,
        error=error,
        right=expected and _said(reply) == _said(first),
    )


def _said(reply: httpx2.Response) -> tuple[object, ...]:
    """What must be the same everywhere: refusals to the byte, answers to the value.

    What is not found is the framework's to say, and what is made at random differs.
    """
    if reply.status_code == 404:
        return (reply.status_code,)
    if reply.status_code >= 400:
        return reply.status_code, reply.headers.get("www-authenticate"), reply.content
    body = reply.json()
    return reply.status_code, {name: _RANDOM.get(name, value) for name, value in body.items()}


def _error_of(reply: httpx2.Response) -> str | None:
    for part in reply.headers.get("www-authenticate", "").replace(",", " ").split():
        name, _, value = part.partition("=")
        if name == "error":
            return value.strip('"')
    return None


class _Forger:
    """Mints good tokens as the application does, and bad ones as others would."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self._issuer = issuer
        self.key = issuer.keys.current

    def good(self, person: Person, **claims: Any) -> str:
        fields = {"auth_time": int(time.time()), **claims}
        return self._issuer.issue(
            person.name,
            client_id="tour",
            roles=person.roles,
            scopes=person.scopes,
            tenant=person.tenant,
            claims={name: value for name, value in fields.items() if value is not None},
        )

    def claims(self, **changes: Any) -> dict[str, Any]:
        _, payload, _ = self.good(_PEOPLE["ada"]).split(".")
        padded = payload + "=" * (-len(payload) % 4)
        claims = msgspec.json.decode(urlsafe_b64decode(padded)) | changes
        return {name: value for name, value in claims.items() if value is not None}

    def signed(self, *, key: SigningKey | None = None, typ: str = "at+jwt", **changes: Any) -> str:
        return sign(key or self.key, self.claims(**changes), token_type=typ)

    def unsigned(self) -> str:
        return f"{_segment({'alg': 'none', 'typ': 'at+jwt'})}.{_segment(self.claims())}."

    def edited(self) -> str:
        header, _, signature = self.good(_PEOPLE["linus"]).split(".")
        return f"{header}.{_segment(self.claims(sub='linus'))}.{signature}"


def _segment(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()


def tour(issuer: TokenIssuer) -> tuple[Stop, ...]:
    """The stops, with tokens of this issuer.

    Args:
        issuer: one whose tokens the applications trust.
    """
    forger = _Forger(issuer)
    return (
        *_good_stops(forger),
        *_denied_stops(forger),
        *_bad_stops(forger),
        *_login_stops(forger),
    )


def _with(token: str) -> Headers:
    return [("Authorization", f"Bearer {token}")]


def _good_stops(forger: _Forger) -> Iterator[Stop]:
    tokens = {name: _with(forger.good(person)) for name, person in _PEOPLE.items()}
    visits: list[tuple[str, str, str, Headers, int]] = [
        ("a public route needs nothing", "GET", "/public", [], 200),
        ("ada is known by her token", "GET", "/me", tokens["ada"], 200),
        ("an analyst reads reports", "GET", "/reports", tokens["grace"], 200),
        ("an admin may do what an analyst may", "GET", "/reports", tokens["ada"], 200),
        ("the scope reports:write lets grace write", "POST", "/reports", tokens["grace"], 201),
        ("an admin who has just logged in", "DELETE", "/admin/users/7", tokens["ada"], 200),
        ("linus reads his own tenant", "GET", "/tenants/acme/invoices", tokens["linus"], 200),
        ("our public keys", "GET", "/.well-known/jwks.json", [], 200),
        ("what we say of this API", "GET", "/.well-known/oauth-protected-resource", [], 200),
    ]
    for title, method, path, headers, status in visits:
        yield Stop(title=title, method=method, path=path, headers=headers, status=status)


def _denied_stops(forger: _Forger) -> Iterator[Stop]:
    tokens = {name: _with(forger.good(person)) for name, person in _PEOPLE.items()}
    stale = _with(forger.good(_PEOPLE["ada"], auth_time=int(time.time()) - 3600))
    scope = "insufficient_scope"
    step_up = "insufficient_user_authentication"
    visits: list[tuple[str, str, str, Headers, int, str | None]] = [
        ("no token at all", "GET", "/me", [], 401, None),
        ("an unknown path, no token", "GET", "/nowhere", [], 401, None),
        ("an unknown path, a good token", "GET", "/nowhere", tokens["ada"], 404, None),
        ("a slash too many", "GET", "/me/", tokens["ada"], 404, None),
        ("a viewer reads no reports", "GET", "/reports", tokens["linus"], 403, scope),
        ("no scope, no writing", "POST", "/reports", tokens["linus"], 403, scope),
        ("another tenant's invoices", "GET", "/tenants/acme/invoices", tokens["eve"], 403, scope),
        ("logged in an hour ago", "DELETE", "/admin/users/7", stale, 401, step_up),
        ("an analyst deletes nobody", "DELETE", "/admin/users/7", tokens["grace"], 403, scope),
    ]
    for title, method, path, headers, status, error in visits:
        yield Stop(
            title=title, method=method, path=path, headers=headers, status=status, error=error
        )


def _bad_stops(forger: _Forger) -> Iterator[Stop]:
    now = int(time.time())
    stranger = SigningKeys.from_jwks({"keys": [generate_key(forger.key.algorithm)]}).current
    impostor = SigningKey(kid=forger.key.kid, algorithm=stranger.algorithm, key=stranger.key)
    good = forger.good(_PEOPLE["ada"])
    bad_tokens: list[tuple[str, Callable[[], str]]] = [
        ("text that is no token", lambda: "hello"),
        ("expired a second ago", lambda: forger.signed(exp=now - 1)),
        ("without an expiry", lambda: forger.signed(exp=None)),
        ("an expiry in quotes", lambda: forger.signed(exp=str(now + 300))),
        ("not valid yet", lambda: forger.signed(nbf=now + 300)),
        ("for another API", lambda: forger.signed(aud="https://other.example")),
        ("from another issuer", lambda: forger.signed(iss="https://evil.example")),
        ("without a subject", lambda: forger.signed(sub=None)),
        ("an ID token", lambda: forger.signed(typ="JWT")),
        ("signed by a stranger's key", lambda: forger.signed(key=impostor)),
        ("a key that nobody published", lambda: forger.signed(key=stranger)),
        ("unsigned: alg none", forger.unsigned),
        ("claims edited, signature kept", forger.edited),
        ("signature cut off", lambda: good.rpartition(".")[0] + "."),
        ("padding added", lambda: good + "="),
        ("a token of 30,000 letters", lambda: "a" * 30_000),
    ]
    for title, make in bad_tokens:
        yield _refused(title, _with(make()))
    yield _refused("two tokens at once", _with(good) * 2, status=400, error="invalid_request")
    yield Stop(
        title="a token in the query",
        method="GET",
        path=f"/me?access_token={good}",
        headers=[],
        status=401,
    )
    yield Stop(
        title="after all that: still welcome",
        method="GET",
        path="/me",
        headers=_with(good),
        status=200,
    )


def _login_stops(forger: _Forger) -> Iterator[Stop]:
    right = {"username": "grace", "password": "grace-demo"}
    refresh = {"grant_type": "refresh_token", "refresh_token": forger.good(_PEOPLE["ada"])}
    visits: list[tuple[str, str, dict[str, Any], int]] = [
        ("grace logs in", "/auth/login", right, 200),
        ("a wrong password", "/auth/login", {**right, "password": "guess"}, 400),
        ("a name that nobody bears", "/auth/login", {**right, "username": "nobody"}, 400),
        ("an access token to refresh with", "/auth/refresh", refresh, 400),
    ]
    for title, path, body, status in visits:
        yield Stop(title=title, method="POST", path=path, headers=[], json=body, status=status)


def _refused(
    title: str, headers: Headers, *, status: int = 401, error: str = "invalid_token"
) -> Stop:
    return Stop(title=title, method="GET", path="/me", headers=headers, status=status, error=error)

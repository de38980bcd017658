"""The fixture `api`: one application in one framework, or in all of them at once."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import pytest

from jwt_guard import Guard
from tests.conformance.clients.bare import BareClient
from tests.conformance.clients.base import Client, Headers, Loop, Response
from tests.conformance.clients.django import DjangoAsgiClient, DjangoWsgiClient
from tests.conformance.clients.flask import FlaskClient
from tests.conformance.clients.starlette import FastAPIClient, StarletteClient
from tests.conformance.clients.unison import Unison
from tests.conformance.routes import PUBLIC_PATHS, Application
from tests.support import tokens
from tests.support.tokens import Clock, configuration, jwks

CLOCK = Clock()
"""The clock of all guards here; every test starts at `tokens.NOW`."""

ONCE = "https://once.example.test"
"""An issuer whose tokens are good for one request, and whose subjects are people."""

GLOBEX = "https://globex.example.test"
"""The issuer of one customer, who must not speak for others."""

ALGORITHMS = ["ES256", "RS256", "PS256", "ES384", "Ed25519"]

Make = Callable[[Application, Loop], Client]

MAKERS: dict[str, Make] = {
    "asgi": BareClient,
    "starlette": StarletteClient,
    "fastapi": FastAPIClient,
    "flask": lambda application, loop: FlaskClient(application),
    "django-wsgi": lambda application, loop: DjangoWsgiClient(application),
    "django-asgi": DjangoAsgiClient,
}


def _configuration(protect: str, cache_size: int) -> dict[str, Any]:
    return configuration(
        *ALGORITHMS,
        roles={"hierarchy": {"admin": ["analyst"], "analyst": ["viewer"]}},
        routes={"protect": protect, "public": list(PUBLIC_PATHS)},
        cache={"size": cache_size},
        leeway=5,
        max_token_size=8192,
        issuers=[
            {
                "issuer": tokens.ISSUER,
                "keys": jwks(*ALGORITHMS),
                "algorithms": ALGORITHMS,
                "clients": ["client-1"],
            },
            {
                "issuer": "https://other.example.test",
                "keys": {"keys": [tokens.jwk("ES256", "other")]},
                "algorithms": ["ES256"],
            },
            {
                "issuer": ONCE,
                "keys": {"keys": [tokens.jwk("ES256", "once")]},
                "algorithms": ["ES256"],
                "one_time": True,
                "client_subjects": False,
            },
            {
                "issuer": GLOBEX,
                "keys": {"keys": [tokens.jwk("ES256", "globex")]},
                "algorithms": ["ES256"],
                "tenant": "globex",
            },
        ],
    )


def _application(protect: str, cache_size: int) -> Application:
    internal = configuration("ES512", realm="internal", routes={"protect": "marked"})
    return Application(
        Guard.from_config(_configuration(protect, cache_size), clock=CLOCK),
        Guard.from_config(internal, clock=CLOCK),
    )


class Api:
    """What a scenario asks: requests, with a token or with any headers."""

    def __init__(self, client: Client | Unison) -> None:
        self._client = client

    def request(self, method: str, target: str, headers: Headers = ()) -> Response:
        """The response to a request with these header fields."""
        response = self._client.request(method, target, headers)
        assert response.status < 500
        return response

    def get(self, target: str, token: str | None = None, headers: Headers = ()) -> Response:
        """The response to a GET, with a bearer token or without."""
        return self.request("GET", target, [*_bearer(token), *headers])


def _bearer(token: str | None) -> Sequence[tuple[str, str]]:
    return [] if token is None else [("Authorization", f"Bearer {token}")]


@pytest.fixture(scope="session")
def make_client() -> Iterator[Callable[[str, str, int], Client]]:
    """Makes a client, once for each framework and configuration."""
    loop = Loop()

    @cache
    def made(name: str, protect: str, cache_size: int) -> Client:
        return MAKERS[name](_application(protect, cache_size), loop)

    yield made
    loop.close()


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock of all guards here."""
    CLOCK.now = tokens.NOW
    yield CLOCK
    CLOCK.now = tokens.NOW


Variant = tuple[str, str, int]


def _variants(protects: Sequence[str], *, unison: bool = True) -> list[Any]:
    variants = [(name, protects[0], 1000) for name in MAKERS]
    if unison:
        variants += [("unison", protect, 1000) for protect in protects]
        variants.append(("unison", protects[0], 0))
    return [
        pytest.param(variant, id=f"{variant[0]}-{variant[1]}{'' if variant[2] else '-uncached'}")
        for variant in variants
    ]


def _api(variant: Variant, make_client: Any) -> Iterator[Api]:
    name, protect, size = variant
    if name == "unison":
        yield Api(Unison({each: make_client(each, protect, size) for each in MAKERS}))
        return
    client: Client = make_client(*variant)
    with client.in_force():
        yield Api(client)


@pytest.fixture(params=_variants(["all", "marked"]))
def api(request: pytest.FixtureRequest, make_client: Any) -> Iterator[Api]:
    """The application in one framework after the other, then in all at once in every mode."""
    yield from _api(request.param, make_client)


@pytest.fixture(params=_variants(["all"]))
def strict(request: pytest.FixtureRequest, make_client: Any) -> Iterator[Api]:
    """As `api`, where every route is protected that is not public."""
    yield from _api(request.param, make_client)


@pytest.fixture(params=_variants(["marked"]))
def lenient(request: pytest.FixtureRequest, make_client: Any) -> Iterator[Api]:
    """As `api`, where only routes are protected that say so."""
    yield from _api(request.param, make_client)


@pytest.fixture(params=_variants(["all"], unison=False))
def strict_alone(request: pytest.FixtureRequest, make_client: Any) -> Iterator[Api]:
    """As `strict`, but never in unison: for what only some frameworks answer themselves."""
    yield from _api(request.param, make_client)


@pytest.fixture(params=_variants(["marked"], unison=False))
def alone(request: pytest.FixtureRequest, make_client: Any) -> Iterator[Api]:
    """As `lenient`, but never in unison: for what routers are free to see in different ways."""
    yield from _api(request.param, make_client)

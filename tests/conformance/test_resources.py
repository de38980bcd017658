"""Group J: what a stranger sends to exhaust us."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.conformance.conftest import Api
from tests.conformance.expect import refused, served
from tests.support.tokens import claims, forge, key, mint, segment

HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "ES256-main"}
LIMIT = 8192


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """No scenario here takes long, whatever it sends."""
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < 5


def _padded(length: int) -> str:
    """A good token of exactly this length, or one character less."""
    bare = len(mint(pad=""))
    token = mint(pad="x" * ((length - bare) * 3 // 4))
    assert length - 3 <= len(token) <= length
    return token


def test_J1_oversize_tokens(api: Api) -> None:
    """Nothing beyond the limit is looked at, and what is within is served (CVE-2025-61920)."""
    served(api.get("/me", _padded(LIMIT)))
    refused(api.get("/me", _padded(LIMIT + 4)))
    refused(api.get("/me", _padded(100_000)))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("size", [10_000, 1_000_000])
def test_J1_oversize_segments(api: Api, place: int, size: int) -> None:
    """Whichever of the three."""
    parts = mint().split(".")
    parts[place] = "A" * size
    refused(api.get("/me", ".".join(parts)))


@pytest.mark.parametrize("count", [3, 100, 8000, 1_000_000])
def test_J2_dot_flood(api: Api, count: int) -> None:
    """Dots are not split one by one (CVE-2025-30204)."""
    refused(api.get("/me", "." * count))
    refused(api.get("/me", f"a{'.a' * count}"))


@pytest.mark.parametrize("depth", [33, 500, 900, 2000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_J3_deep_json(api: Api, depth: int, opening: str, closing: str) -> None:
    """In header and payload, rightly signed, closed or not."""
    if len(opening) * depth > LIMIT // 2:
        depth = LIMIT // 2 // (len(opening) + 1)
    deep = opening * depth + "1" + closing * depth
    body = json.dumps(claims(x=0)).replace('"x": 0', f'"x": {deep}').encode()
    refused(api.get("/me", forge(HEADER, body, signing_key=key())))
    head = json.dumps({**HEADER, "x": 0}).replace('"x": 0', f'"x": {deep}').encode()
    refused(api.get("/me", forge(head, claims(), signing_key=key())))
    refused(api.get("/me", f"{segment((opening * depth).encode())}.AAAA.AAAA"))


def test_nesting_as_people_use_it_is_served(api: Api) -> None:
    """Ten levels are no attack."""
    deep: object = "x"
    for _ in range(10):
        deep = {"a": [deep]}
    served(api.get("/me", mint(deep=deep)))


@pytest.mark.parametrize("count", [1, 2**31 - 1, 10**18])
def test_J4_a_huge_iteration_count(api: Api, count: int) -> None:
    """Nothing is ever derived from a password."""
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": count, "p2s": "AAAA"}
    refused(api.get("/me", f"{segment(header)}.AAAA.AAAA.AAAA.AAAA"))
    refused(api.get("/me", mint(header={"p2c": count})))


@pytest.mark.parametrize("digits", [20, 309, 4300, 4301, 5000])
@pytest.mark.parametrize("name", ["exp", "iat", "x"])
def test_J13_huge_integers(api: Api, name: str, digits: int) -> None:
    """In claims that we read and in those that we do not."""
    body = json.dumps(claims({name: 777_777})).replace("777777", "9" * digits).encode()
    refused(api.get("/me", forge(HEADER, body, signing_key=key())))
    refused(api.get("/me", forge(HEADER, body.replace(b"99", b"-9", 1), signing_key=key())))


def test_many_members_cost_little(api: Api) -> None:
    """A token full of claims is served like another."""
    many = {f"c{number}": number for number in range(500)}
    served(api.get("/me", mint(many)))

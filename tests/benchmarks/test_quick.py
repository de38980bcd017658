"""The speed that we promise, within twice of it, so that a busy machine never fails a build.

The whole comparison is `make bench`. Here the fastest of a few short slices counts, only ratios of
one run are judged, and a ratio past its limit is measured again before it is believed.
"""

import asyncio
from collections.abc import Callable

import pytest

from jwt_guard import Guard, Refusal
from tests.benchmarks import asgi_apps, growth, imports, issue, material, verify
from tests.benchmarks.measure import fastest

SLACK = 2.0
"""How far past the goal a ratio has to be to fail."""

PUBLIC_KEY_ALGORITHMS = [name for name in material.ALGORITHMS if name != "HS256"]


def _least(measure: Callable[[], float], limit: float) -> float:
    """The least of several attempts, as few as are needed to come below a limit."""
    least = float("inf")
    for _ in range(5):
        least = min(least, measure())
        if least <= limit:
            break
    return least


def _verify_ratio(algorithm: str, ours: str, theirs: str) -> float:
    found = verify.measured(algorithm, rounds=12)
    return found[ours] / found[theirs]


@pytest.mark.parametrize("algorithm", PUBLIC_KEY_ALGORITHMS)
def test_verifying_takes_hardly_longer_than_the_signature(algorithm: str) -> None:
    """All checks, without the cache, over the raw verification."""
    limit = SLACK * verify.GOALS[algorithm]
    assert _least(lambda: _verify_ratio(algorithm, verify.OURS, verify.RAW), limit) <= limit


def test_verifying_an_hmac_takes_half_as_long_as_with_pyjwt() -> None:
    """Nearly all of it is parsing and checking, which both do."""
    assert _least(lambda: _verify_ratio("HS256", verify.OURS, "PyJWT"), 0.5) <= 0.5


def test_a_cached_token_takes_a_fraction() -> None:
    """With all checks of a request, over PyJWT with a key object."""
    limit = SLACK / verify.HIT_OVER_PYJWT
    assert _least(lambda: _verify_ratio("RS256", verify.HIT, "PyJWT"), limit) <= limit


def test_issuing_takes_hardly_longer_than_the_signature() -> None:
    """A whole token, over the raw signature."""

    def ratio() -> float:
        found = issue.measured(rounds=8)
        return found[issue.OURS] / found[issue.RAW]

    limit = SLACK * issue.GOAL
    assert _least(ratio, limit) <= limit


def test_importing_loads_no_framework_client_or_database() -> None:
    """What an application does not use, it does not wait for."""
    assert imports.loaded() == set()


def test_importing_takes_no_longer_than_importing_joserfc() -> None:
    """Which takes about what the goal allows, and is not loaded before it is needed."""

    def ratio() -> float:
        found = imports.measured(rounds=3)
        bare = found["bare Python"]
        return (found["import jwt_guard"] - bare) / (found["import joserfc"] - bare)

    assert _least(ratio, 1.0) <= 1.0


def test_a_guard_adds_a_fraction_of_what_pyjwt_adds() -> None:
    """To a bare request of Starlette, with a cached token."""
    loop = asyncio.new_event_loop()
    try:
        timers = asgi_apps.starlette(loop)

        def share() -> float:
            found = fastest(timers, rounds=12)
            theirs = found["AuthenticationMiddleware + PyJWT"] - found["bare"]
            return (found["jwt_guard"] - found["bare"]) / theirs

        assert _least(share, 0.3) <= 0.3
    finally:
        loop.close()


@pytest.mark.parametrize("curve", [growth.issuers, growth.roles])
def test_the_cost_does_not_grow(curve: Callable[[tuple[int, ...]], growth.Curve]) -> None:
    """A thousand cost what one costs."""

    def ratio() -> float:
        one, thousand = (sum(times.values()) for times in curve((1, 1000)).values())
        return thousand / one

    assert _least(ratio, SLACK) <= SLACK


@pytest.mark.parametrize("kind", growth.bad_tokens())
def test_a_bad_token_costs_about_as_much_as_a_good_one_and_is_not_cached(kind: str) -> None:
    """Whatever is bad about it; so that a flood of them is no better than any other flood."""
    guard = Guard.from_config(material.configuration())
    make = growth.bad_tokens()[kind]
    for number in range(20):
        with pytest.raises(Refusal):
            guard.verify(make(number))
    assert len(guard.verifier.cache or ()) == 0
    limit = SLACK * growth.FLOOD_GOAL
    assert _least(lambda: growth.flood([kind], rounds=8)[kind][growth.AS_LONG], limit) <= limit


def test_the_cache_keeps_its_bound() -> None:
    """However many tokens come, and the latest are still there."""
    found = growth.cached((1000,))[1000]
    assert found["kept"] <= 1000
    assert found["kept"] >= 500

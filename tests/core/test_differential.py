"""Our fast way and joserfc's give the same verdict, whatever is done to a token."""

import random

import pytest

from tests.support.differential import Comparison, differing_signatures, mutated_tokens
from tests.support.tokens import ALL_ALGORITHMS


@pytest.mark.parametrize("algorithm", ALL_ALGORITHMS)
def test_signatures_get_the_verdict_of_joserfc(algorithm: str) -> None:
    """Every function that verifies agrees with the reference, on right and wrong signatures."""
    rng = random.Random(algorithm)
    count = 2000 if algorithm.startswith("HS") else 60
    assert list(differing_signatures(rng, algorithm, count)) == []


@pytest.mark.parametrize("cache_size", [0, 100])
@pytest.mark.parametrize(("algorithm", "count"), [("HS256", 6000), ("ES256", 500)])
def test_tokens_get_the_verdict_of_joserfc(algorithm: str, count: int, cache_size: int) -> None:
    """What we accept, joserfc accepts; what only we refuse, we refuse for a reason of the list."""
    comparison = Comparison(algorithm, cache_size=cache_size)
    found = {comparison.differs(t) for t in mutated_tokens(random.Random(7), algorithm, count)}
    assert found == {None}


def test_the_comparison_can_fail() -> None:
    """A token with another key's signature is accepted by neither; one of ours by both."""
    comparison = Comparison("HS256")
    good = next(iter(mutated_tokens(random.Random(3), "HS256", 1)))
    assert comparison.differs(good) is None
    comparison.guard = Comparison("ES256").guard
    rng = random.Random(1)
    verdicts = [comparison.differs(token) for token in mutated_tokens(rng, "HS256", 50)]
    assert any(verdict and "algorithm_not_allowed" in verdict for verdict in verdicts)

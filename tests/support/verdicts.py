"""What a guard makes of a token, short enough to compare in one line."""

import pytest

from jwt_guard import Guard, Problem, Reason, Refusal
from jwt_guard.config import Config, Source
from jwt_guard.errors import ConfigurationError

Verdict = tuple[Reason, str | None]


def refused(guard: Guard, token: str | bytes) -> Verdict:
    """Why a guard refuses a token, and the claim or header parameter at fault."""
    with pytest.raises(Refusal) as caught:
        guard.verify(token)
    return caught.value.reason, caught.value.claim


def problems(source: Source) -> tuple[Problem, ...]:
    """What is wrong with a configuration that does not read."""
    with pytest.raises(ConfigurationError) as caught:
        Config.load(source, environ={})
    return caught.value.problems


def key_problems(source: Source) -> tuple[Problem, ...]:
    """What is wrong with a configuration that reads, but of whose keys no guard can be built."""
    config = Config.load(source)
    with pytest.raises(ConfigurationError) as caught:
        Guard(config)
    return caught.value.problems

"""What faster verifiers accept that we refuse, and so why none of them does our work.

`python -m tests.benchmarks.verdicts`

Tokens are changed at random, most of them signed again. A verifier in Rust could replace ours only
where it refused all that we do: it reads Base64 and JSON by its own rules, and nobody after it sees
what it passed over.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.util import find_spec

from jwt_guard import Refusal
from tests.benchmarks import material
from tests.benchmarks.figures import Figures, Table, publish
from tests.benchmarks.verify import pyjwt_like
from tests.support.differential import mutated_tokens

__all__ = ["figures", "measured"]

_ALGORITHM = "HS256"
_TOKENS = 20_000
_PEERS = {"oxyjwt": "oxyjwt (Rust)", "jwt": "PyJWT"}

Verify = Callable[[str], object]


def measured() -> dict[str, dict[str, int]]:
    """By verifier and by our reason, how many tokens it accepts that we refuse."""
    ours = material.guard(_ALGORITHM, cache_size=0).verify
    peers = {
        name: pyjwt_like(module, _ALGORITHM) for module, name in _PEERS.items() if find_spec(module)
    }
    found = {name: Counter[str]() for name in peers}
    for token in mutated_tokens(random.Random(7), _ALGORITHM, _TOKENS):
        refusal = _refusal(ours, token)
        if refusal is None:
            continue
        for name, theirs in peers.items():
            found[name][refusal] += _accepts(theirs, token)
    return {name: {reason: n for reason, n in each.items() if n} for name, each in found.items()}


def _refusal(verify: Verify, token: str) -> str | None:
    try:
        verify(token)
    except Refusal as refusal:
        return refusal.reason.value
    return None


def _accepts(verify: Verify, token: str) -> bool:
    try:
        verify(token)
    except Exception:  # noqa: BLE001 - whatever a peer raises, it does not accept
        return False
    return True


def figures() -> Figures:
    """The table."""
    found = measured()
    return Figures(
        name="verdicts",
        title=f"Of {_TOKENS:,} tokens changed at random, those accepted that jwt_guard refuses.",
        table=Table(("jwt_guard refuses for", *found), [*_rows(found)]),
        measured=found,
    )


def _rows(found: Mapping[str, Mapping[str, int]]) -> list[tuple[str, ...]]:
    reasons = sorted({reason for each in found.values() for reason in each})
    return [(name, *(f"{each.get(name, 0):,}" for each in found.values())) for name in reasons]


if __name__ == "__main__":
    publish(figures())

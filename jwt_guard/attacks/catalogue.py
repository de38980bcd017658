"""The whole playbook in order, and the choice of a part of it."""

from __future__ import annotations

from collections.abc import Iterable

from jwt_guard.attacks import (
    a_signature,
    b_algorithm,
    c_keys,
    d_key_source,
    e_format,
    f_claims,
    g_life_cycle,
    h_transport,
    i_sender_constrained,
    j_resources,
)
from jwt_guard.attacks.model import Attack

CATALOGUE: tuple[Attack, ...] = (
    *a_signature.ATTACKS,
    *b_algorithm.ATTACKS,
    *c_keys.ATTACKS,
    *d_key_source.ATTACKS,
    *e_format.ATTACKS,
    *f_claims.ATTACKS,
    *g_life_cycle.ATTACKS,
    *h_transport.ATTACKS,
    *i_sender_constrained.ATTACKS,
    *j_resources.ATTACKS,
)
GROUPS = {
    "A": "Signature",
    "B": "Algorithm confusion",
    "C": "Keys",
    "D": "Key source",
    "E": "Header and format",
    "F": "Claims",
    "G": "Life cycle",
    "H": "Transport",
    "I": "Sender-constrained",
    "J": "Resources",
}


def select(*, only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Attack, ...]:
    """The attacks whose id or group letter is in `only` (all, when empty) and not in `skip`.

    Raises ValueError for a name that is neither an id nor a group.
    """
    wanted, unwanted = _names(only), _names(skip)
    return tuple(
        attack
        for attack in CATALOGUE
        if (not wanted or _in(attack, wanted)) and not _in(attack, unwanted)
    )


def _in(attack: Attack, names: frozenset[str]) -> bool:
    return attack.id in names or attack.group in names


def _names(given: Iterable[str]) -> frozenset[str]:
    names = frozenset(name.strip().upper() for name in given)
    known = {attack.id for attack in CATALOGUE} | GROUPS.keys()
    unknown = sorted(names - known)
    if unknown:
        raise ValueError(f"no attack or group is called {', '.join(unknown)}")
    return names

"""How holes are declared, and the sound servers that they are cut into."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tests.attacks.vulnerable.base import SoundServer

S = TypeVar("S", bound=type[SoundServer])
EXPECTED: dict[type[SoundServer], frozenset[str]] = {}
SETTINGS: dict[type[SoundServer], dict[str, object]] = {}


def found_by(*ids: str, **settings: object) -> Callable[[S], S]:
    """Declare which attacks must fire at a server, and no others, and what they are told."""

    def declare(server: S) -> S:
        EXPECTED[server] = frozenset(ids)
        SETTINGS[server] = settings
        return server

    return declare


class RsaServer(SoundServer):
    """The sound API with RS256."""

    alg, kid = "RS256", "rsa-1"


class HmacServer(SoundServer):
    """The sound API with HS256."""

    alg, kid = "HS256", "hmac-1"

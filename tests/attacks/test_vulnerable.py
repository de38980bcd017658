"""Servers without a hole give no alarm; those with one are many, and all of them are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from jwt_guard.attacks import CATALOGUE
from tests.attacks.vulnerable import (
    content,
    key_source,
    life,
    proofs,
    provided,
    resources,
    signature,
    transport,
)
from tests.attacks.vulnerable.base import SoundServer
from tests.attacks.vulnerable.bound import BoundServer
from tests.attacks.vulnerable.cookies import BrowserServer, CookieServer
from tests.attacks.vulnerable.declared import EXPECTED, HmacServer, RsaServer
from tests.attacks.vulnerable.life import Streaming
from tests.attacks.vulnerable.login import LoginServer
from tests.attacks.vulnerable.setting import attacked

# Attacks take their time where a machine is busy with other tests.
pytestmark = pytest.mark.timeout(400)
PAGE = Path(__file__).parents[2] / "docs" / "attacks.md"
MODULES = (signature, key_source, content, life, transport, proofs, provided, resources)
SOUND = (
    SoundServer,
    RsaServer,
    HmacServer,
    LoginServer,
    CookieServer,
    BrowserServer,
    BoundServer,
    Streaming,
    provided.Provided,
)


@pytest.mark.parametrize("server", SOUND, ids=lambda server: server.__name__)
def test_sound_servers_give_no_alarm(server: type[SoundServer]) -> None:
    """The same server without the break is found safe, and the run is complete."""
    report = attacked(server())
    assert [f"{r.attack.id} {r.reason}" for r in report.findings] == []
    assert report.trouble is None
    assert report.exit_status(fail_on=min(r.severity for r in report.results)) == 0


def test_holes_are_many_and_cover_the_catalogue() -> None:
    """At least forty holes, and every attack that a black box can judge has one."""
    covered = frozenset[str]().union(*EXPECTED.values())
    assert {server.__module__ for server in EXPECTED} == {module.__name__ for module in MODULES}
    unjudged = {a.id for a in CATALOGUE if a.play.__name__ == "no_play"}
    assert len(EXPECTED) >= 40
    assert f"proved on {len(EXPECTED)} tiny servers" in PAGE.read_text()
    assert unjudged == {"J10"}
    assert {a.id for a in CATALOGUE} - covered == unjudged

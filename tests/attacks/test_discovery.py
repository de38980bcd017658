"""What a run finds out by itself: where the token travels, and how it is signed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from joserfc.jwk import ECKey

from jwt_guard.attacks import Carrier, Limits, Report, Runner, select
from jwt_guard.attacks.ecdsa import recovered_keys
from jwt_guard.attacks.forge import parse, sign
from jwt_guard.attacks.in_process import AsgiTarget
from jwt_guard.attacks.material import JoseSigner
from tests.attacks.vulnerable.base import Refused, SoundServer
from tests.attacks.vulnerable.setting import plan_for
from tests.attacks.vulnerable.signature import NoneAccepted
from tests.attacks.vulnerable.web import Call


class ByCookie(NoneAccepted):
    """Takes the token from a cookie only, and unsigned ones too."""

    def token_of(self, call: Call) -> str:
        """The cookie."""
        if not call.cookie("jwt"):
            raise Refused(401, "no_token")
        return call.cookie("jwt")


class ByOwnHeader(SoundServer):
    """Takes the token from a header of its own."""

    def token_of(self, call: Call) -> str:
        """The header."""
        values = call.all("x-access-token")
        if len(values) != 1:
            raise Refused(401, "no_token")
        return values[0]


def _report(server: SoundServer, carrier: Carrier | None = None) -> Report:
    plan = replace(plan_for(server), carrier=carrier or Carrier())
    with AsgiTarget(server) as target:
        return Runner(target, plan, limits=Limits(rate=0)).run(select(only=["A6"]))


@pytest.mark.parametrize(
    ("server", "place", "found"),
    [
        (SoundServer, "Authorization: Bearer", []),
        (ByOwnHeader, "X-Access-Token", []),
        (ByCookie, "the cookie jwt", ["A6"]),
    ],
)
def test_where_the_token_travels_is_found_out(
    server: type[SoundServer], place: str, found: list[str]
) -> None:
    """The attacks then go the same way, and the report says which."""
    report = _report(server())
    assert report.trouble is None
    assert f"carried in {place}" in report.discovered
    assert "signed with ES256" in report.discovered
    assert "1 of 1 published keys usable (/.well-known/jwks.json)" in report.discovered
    assert [result.attack.id for result in report.findings] == found


def test_a_place_that_is_named_is_not_doubted() -> None:
    """Who names a carrier gets it tried, and no other."""
    report = _report(ByCookie(), Carrier(scheme="Token"))
    assert report.trouble is not None
    assert "refuses the given token" in report.trouble
    assert report.requests == 1


@pytest.mark.parametrize(("crv", "alg"), [("P-256", "ES256"), ("P-384", "ES384")])
def test_the_public_key_follows_from_a_signature(crv: str, alg: str) -> None:
    """One of the keys that fit a signature is the one that made it."""
    key = ECKey.generate_key(crv)
    token = parse(sign(JoseSigner(key=key, alg=alg), {"alg": alg}, {"sub": "ada"}))
    assert key.as_pem(private=False) in [found.pem for found in recovered_keys(token)]

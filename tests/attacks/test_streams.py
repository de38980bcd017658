"""What stays open is watched until the other side lets go, over the network as in process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jwt_guard.attacks import Limits, NetworkTarget, Report, Runner, Verdict, select
from jwt_guard.attacks.in_process import AsgiTarget
from jwt_guard.attacks.websocket import Frames
from tests.attacks.serving import serving
from tests.attacks.vulnerable.life import EndlessSocket, SocketAfterLogout, Streaming
from tests.attacks.vulnerable.setting import plan_for
from tests.attacks.vulnerable.web import Call, Reply, reply

# Attacks take their time where a machine is busy with other tests.
pytestmark = pytest.mark.timeout(400)
PING = b"\x89\x02hi"
CLOSE = b"\x88\x02\x03\xf0"


class NoStream(Streaming):
    """A route that answers at once where a stream was named."""

    def answer(self, call: Call) -> Reply:
        """Nothing that stays open."""
        return reply(200, {}) if call.path == "/now" else super().answer(call)


def _g14(server: Streaming) -> Report:
    plan = plan_for(server)
    with serving(server, ping_every=0.5) as url, NetworkTarget(f"{url}/me") as target:
        return Runner(target, plan, limits=Limits(rate=0)).run(select(only=["G14"]))


def test_a_websocket_is_watched_over_the_network() -> None:
    """A sound server closes it in time; one that does not is found, though it pings."""
    assert _g14(Streaming()).results[0].verdict is Verdict.SAFE
    for broken in (EndlessSocket, SocketAfterLogout):
        (result,) = _g14(broken()).results
        assert result.verdict is Verdict.VULNERABLE
        assert "a WebSocket" in result.reason
        assert "still open after" in result.reason


def test_what_does_not_stay_open_proves_nothing() -> None:
    """An answer that ends at once was not closed because of its token."""
    server = NoStream()
    base = plan_for(server)
    assert base.stream_route is not None
    plan = replace(base, stream_route=replace(base.stream_route, target="/now"), stream_grace=0)
    with AsgiTarget(server) as target:
        (result,) = Runner(target, plan, limits=Limits(rate=0)).run(select(only=["G14"])).results
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "it ended by itself" in result.reason


def test_a_stream_that_the_time_limit_would_cut_is_not_judged() -> None:
    """Cut short it would look as if it stayed open."""
    server = Streaming()
    with AsgiTarget(server) as target:
        runner = Runner(target, plan_for(server), limits=Limits(rate=0, seconds=3))
        report = runner.run(select(only=["G14"]))
    assert report.findings == ()
    assert report.trouble == "the time limit of 3 s is used up"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_frames_are_read_in_any_pieces(size: int) -> None:
    """Texts are skipped, long ones too, a ping is answered masked, a close is seen."""
    texts = b"\x81\x01x" + b"\x82\x7e\x01\x00" + bytes(256) + b"\x82\x7f" + bytes(6) + b"\x01\x00"
    data = texts + bytes(256) + PING + CLOSE
    frames = Frames()
    replies = [
        answer
        for at in range(0, len(data), size)
        for answer in frames.replies(data[at : at + size])
    ]
    assert replies == [b"\x8a\x82\x00\x00\x00\x00hi"]
    assert frames.closed

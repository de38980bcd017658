"""Whatever a target answers, a run ends with a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from jwt_guard.attacks import CATALOGUE, Attack, Limits, Plan, Runner, route
from jwt_guard.attacks.model import Answer, Outcome, Request
from jwt_guard.attacks.reports import as_html, as_json, as_junit, as_sarif
from tests.attacks.vulnerable.base import SoundServer
from tests.attacks.vulnerable.setting import LOGIN, plan_for

HEADER_NAMES = st.sampled_from(
    ["WWW-Authenticate", "Set-Cookie", "Retry-After", "DPoP-Nonce", "Content-Type", "Location"]
)
TEXT = st.text(max_size=40) | st.sampled_from(
    ["0", "9" * 30, "a=b.c.d; Secure", "text/html", '{"access_token": "a.b.c"}', "[1]", "{", ""]
)
ANSWERS = st.builds(
    Answer,
    status=st.sampled_from([200, 204, 301, 400, 401, 403, 404, 422, 429, 500, 503])
    | st.integers(100, 599),
    headers=st.lists(st.tuples(HEADER_NAMES, TEXT), max_size=4).map(tuple),
    body=st.binary(max_size=40) | TEXT.map(lambda text: text.encode("utf-8", "replace")),
) | st.builds(Answer, failure=st.sampled_from([Outcome.TIMED_OUT, Outcome.DROPPED, Outcome.UNSENT]))


@dataclass
class Oracle:
    """A target that passes the baseline and then answers as it likes."""

    plan: Plan
    answers: Sequence[Answer]
    name: str = "oracle"
    origin: str = "http://testserver"
    sent: int = field(default=0)

    def send(self, request: Request, *, timeout: float) -> Answer:
        """Good for the good token, else the next answer in a circle."""
        self.sent += 1
        good = self.plan.carrier.put(self.plan.request, self.plan.token)
        if request == good:
            return Answer(status=200, body=b"ok")
        if self.sent <= 12 and self.plan.signing_key is not None and self.sent > 3:
            return Answer(status=200, body=b"ok")
        if self.sent <= 3:
            return Answer(status=401)
        return self.answers[self.sent % len(self.answers)]

    def send_all(self, requests: Sequence[Request], *, timeout: float) -> tuple[Answer, ...]:
        """Each for itself."""
        return tuple(self.send(request, timeout=timeout) for request in requests)

    def close(self) -> None:
        """Nothing is held."""


# These let time pass, which proves nothing here.
QUICK = tuple(attack for attack in CATALOGUE if attack.id not in {"G10", "G13", "G14"})
PLAN = plan_for(SoundServer())
RICH = {
    "login": route("/auth/login", method="POST", body=LOGIN),
    "refresh": route("/auth/refresh", method="POST"),
    "logout": route("/auth/logout", method="POST"),
    "logout_everywhere": route("/auth/all", method="POST"),
}


@given(
    answers=st.lists(ANSWERS, min_size=1, max_size=6),
    attacks=st.lists(st.sampled_from(QUICK), min_size=1, max_size=4, unique=True),
)
def test_no_answer_breaks_a_run(answers: list[Answer], attacks: list[Attack]) -> None:
    """Arbitrary status, headers and bodies give a verdict for every attack, and every report."""
    plan = replace(PLAN, **RICH)  # type: ignore[arg-type]
    limits = Limits(rate=0, seconds=20, requests=600)
    report = Runner(Oracle(plan, answers), plan, limits=limits).run(attacks)
    assert len(report.results) == len(attacks)
    assert not [r.reason for r in report.results if "the attack itself failed" in r.reason]
    for writer in (as_json, as_sarif, as_junit, as_html):
        text = writer(report)
        assert PLAN.token.split(".")[2] not in text

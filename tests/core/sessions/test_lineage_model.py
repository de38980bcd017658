"""The rules of rotation against all that owners, networks and thieves may do, in any order.

An owner is honest if all tabs share one place for the token, as a cookie jar is, and if a token
is not used for a refresh sooner than a request may take in all (`PATIENCE`) after it was received:
access tokens live longer than that. Requests of any number of tabs may be under way, overtake each
other, and lose their answers.
"""

from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from jwt_guard.audit.observer import EventName
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import run
from jwt_guard.sessions import Grant
from jwt_guard.sessions.refresh_token import RefreshToken
from jwt_guard.sessions.revocation import milliseconds
from tests.core.sessions.conftest import application

PATIENCE = 30.0
STEPS = st.sampled_from([0.001, 0.5, 5.0, 9.999, 10.0, 29.0, 30.0, 300.0, 90_000.0])


@dataclass
class Request:
    """A refresh on its way: to the server, or back from it."""

    token: str
    sent_at: float
    answer: str | None = None


class Refreshing(RuleBasedStateMachine):
    """An owner with many tabs; later perhaps a thief, who obeys no rule."""

    requests = Bundle("requests")
    answers = Bundle("answers")

    @initialize(window=st.sampled_from([0, 1, 10]))
    def login(self, window: int) -> None:
        """A session, its token in the owner's jar."""
        self.window = window
        for_ever = {"refresh_idle": 400 * 86_400, "refresh_absolute": 3650 * 86_400}
        self.app = application(tokens_table={"refresh_window": window, **for_ever})
        grant = self.app.login()
        self.sid = grant.session_id
        self.jar, self.received_at = grant.refresh_token, self.now
        self.loot: str | None = None
        self.grants = [grant]
        self.under_way: list[Request] = []
        self.last_answer: dict[int, tuple[str, int]] = {}
        self.answers_given = {grant.refresh_token}
        self.accepted: dict[int, set[int]] = {}
        self.over = False

    @property
    def now(self) -> float:
        """The time by everybody's clock."""
        return self.app.clock.now

    # Time and the network

    @rule(step=STEPS)
    def time_passes(self, step: float) -> None:
        """No further than the oldest request may take: then its answer counts as lost."""
        self.app.clock.now += step
        for request in [r for r in self.under_way if self.now - r.sent_at >= PATIENCE]:
            self.under_way.remove(request)

    @precondition(lambda self: self.now - self.received_at >= PATIENCE)
    @rule(target=requests)
    def a_tab_refreshes(self) -> Request:
        """With the token that is in the jar by now."""
        request = Request(self.jar, self.now)
        self.under_way.append(request)
        return request

    @rule(target=answers, request=consumes(requests))
    def the_server_answers(self, request: Request) -> Request:
        """In any order; too late counts as never sent."""
        if request in self.under_way:
            request.answer = self.present(request.token)
        return request

    @rule(answer=consumes(answers))
    def an_answer_arrives(self, answer: Request) -> None:
        """In any order; the jar takes what comes."""
        if answer in self.under_way:
            self.under_way.remove(answer)
            if answer.answer is not None:
                self.jar, self.received_at = answer.answer, self.now

    @rule(answer=consumes(answers))
    def an_answer_is_lost(self, answer: Request) -> None:
        """The owner keeps what is in the jar."""
        if answer in self.under_way:
            self.under_way.remove(answer)

    @rule(lost=st.booleans())
    def the_owner_comes_back_later(self, lost: bool) -> None:
        """One refresh without any haste, as nearly all are."""
        self.time_passes(PATIENCE)
        answer = self.present(self.jar)
        if answer is not None and not lost:
            self.jar, self.received_at = answer, self.now

    # The thief

    @precondition(lambda self: self.loot is None)
    @rule()
    def the_token_is_stolen(self) -> None:
        """A copy: the owner notices nothing."""
        self.loot = self.jar

    @precondition(lambda self: self.loot is not None)
    @rule(keeps=st.booleans())
    def the_thief_refreshes(self, keeps: bool) -> None:
        """Whenever, as often as wanted, and keeping the old token if that seems clever."""
        assert self.loot is not None
        answer = self.present(self.loot)
        if answer is not None and not keeps:
            self.loot = answer

    @rule()
    def an_administrator_ends_it(self) -> None:
        """Rarely, or else nothing else would be seen."""
        if len(self.grants) > 12:
            run(self.app.sessions.revoke_session(self.sid))
            self.over = True

    # The server, and what must hold

    def present(self, token: str) -> str | None:
        """Refresh, and hold the answer to the rules."""
        parsed = RefreshToken.parse(token)
        assert parsed is not None
        try:
            grant = self.app.refresh(token)
        except Refusal as refusal:
            self.refused(refusal)
            return None
        assert not self.over, "nothing survives the end"
        self.given(grant, parsed)
        return grant.refresh_token

    def refused(self, refusal: Refusal) -> None:
        """Only where there is a thief, or after the end; and a theft is the end."""
        assert self.over or self.loot is not None, "honest use was punished"
        if not self.over:
            assert refusal.reason is Reason.GRANT_REUSED
            assert self.app.ears.names()[-1] is EventName.REUSE_DETECTED
            self.over = True

    def given(self, grant: Grant, used: RefreshToken) -> None:
        """One lineage: of each generation, tokens of one branch only are ever accepted.

        Inside the window a presentation gets the same answer, outside of it another one. So two
        holders who presented the same token outside of each other's window hold two branches, of
        which the second one to be used is refused: see `refused` for what that means.
        """
        self.grants.append(grant)
        branches = self.accepted.setdefault(used.generation, set())
        branches.add(used.branch)
        assert len(branches) == 1, "two lineages"
        assert used.generation == max(self.accepted), "an old token was accepted"
        answer, since = self.last_answer.get(used.generation, ("", 0))
        now = milliseconds(self.now)
        same = answer == grant.refresh_token
        assert same == (now - since < self.window * 1000), "the window is exact"
        if not same:
            assert grant.refresh_token not in self.answers_given, "outside, no answer comes twice"
            self.last_answer[used.generation] = (grant.refresh_token, now)
            self.answers_given.add(grant.refresh_token)

    @invariant()
    def access_tokens_end_with_the_session(self) -> None:
        """All of them, at once."""
        if not self.over:
            return
        for grant in self.grants:
            with pytest.raises(Refusal, match=r"token_(revoked|expired)"):
                self.app.guard.verify(grant.access_token)

    def teardown(self) -> None:
        """Whoever holds another branch of one generation is found when both have been used."""
        if getattr(self, "loot", None) is None or self.over:
            return
        mine, theirs = RefreshToken.parse(self.jar), RefreshToken.parse(self.loot or "")
        assert mine is not None
        assert theirs is not None
        if mine.generation == theirs.generation and mine.branch != theirs.branch:
            self.present(self.jar)
            self.present(self.loot or "")
            assert self.over, "two holders were not found"


TestRefreshing = Refreshing.TestCase

"""The baseline: before anything is judged, the target must tell a good token from a bad one."""

from __future__ import annotations

import time
from dataclasses import dataclass

from jwt_guard.attacks.model import Answer, Outcome

BAD_TOKEN = "not.a.token"


class Untestable(Exception):
    """The target cannot be tested; the message tells the user why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Tells what an answer means. `marker` is text that only an accepted request gets to see."""

    marker: str | None = None
    refusals: frozenset[int] = frozenset()

    def read(self, answer: Answer) -> Outcome:
        """The meaning of one answer."""
        if answer.failure is not None:
            return answer.failure
        if answer.status == 429 or (answer.status == 503 and answer.header("Retry-After")):
            return Outcome.THROTTLED
        if answer.status >= 500:
            return Outcome.CRASHED
        if self._accepts(answer):
            return Outcome.ACCEPTED
        refused = answer.status >= 400 or answer.status in self.refusals or self.marker is not None
        return Outcome.REFUSED if refused else Outcome.ODD

    def _accepts(self, answer: Answer) -> bool:
        if not 200 <= answer.status < 300:
            return False
        return self.marker is None or self.marker in answer.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The answers to the good token, to a bad one, and to none."""

    good: Answer
    bad: Answer
    nothing: Answer

    def reader(self, marker: str | None) -> Reader:
        """How answers are read against this baseline. Raises Untestable."""
        refusals = frozenset({self.bad.status, self.nothing.status} - {self.good.status})
        reader = Reader(marker=marker, refusals=refusals)
        _check_refused(self.nothing, reader, "without any token")
        _check_refused(self.bad, reader, "with a token that is none")
        return reader


def check_good(answer: Answer, marker: str | None) -> None:
    """The good token must pass. Raises Untestable."""
    if answer.failure is not None:
        raise Untestable(_no_answer(answer))
    if not 200 <= answer.status < 300:
        raise Untestable(_why_not(answer))
    if marker is not None and marker not in answer.text:
        raise Untestable(f"the good token's answer does not hold the marker {marker!r}")


def _no_answer(answer: Answer) -> str:
    if answer.failure is Outcome.CRASHED:
        return f"the good token makes the application fail: {answer.detail}"
    if answer.failure is Outcome.TIMED_OUT:
        return "the target does not answer in time (raise --timeout?)"
    if "CERTIFICATE" in answer.detail.upper() or "SSL" in answer.detail.upper():
        return f"TLS fails: {answer.detail} (for a test certificate: --insecure)"
    return f"the target is not reachable: {answer.detail}"


def _why_not(answer: Answer) -> str:
    status = answer.status
    if 300 <= status < 400:
        where = (answer.header("Location") or "nowhere").partition("?")[0]
        return f"the target redirects ({status}) to {where}: name the URL that answers itself"
    if status == 429:
        return "the target limits the rate already (429): wait, or lower --rate"
    if status in {401, 403}:
        return f"the target refuses the given token ({status}): is it good, and carried rightly?"
    return f"the target answers {status} to the given token"


def _check_refused(answer: Answer, reader: Reader, how: str) -> None:
    outcome = reader.read(answer)
    if outcome is Outcome.ACCEPTED:
        raise Untestable(_open_door(answer, how))
    if outcome in {Outcome.TIMED_OUT, Outcome.DROPPED, Outcome.THROTTLED}:
        raise Untestable(f"{how} the target gives no judgeable answer: {outcome}")


def _open_door(answer: Answer, how: str) -> str:
    if "html" in (answer.header("Content-Type") or ""):
        return f"{how} the target answers {answer.status} with a web page: a login page, no API?"
    return (
        f"the target answers {answer.status} {how} too: it does not tell good from bad "
        "(a public route? or name text that only a good token gets with --marker)"
    )


def expired(claims: object) -> float | None:
    """How many seconds ago the claims' `exp` was, if it is over."""
    exp = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(exp, bool) or not isinstance(exp, (int, float)):
        return None
    return time.time() - exp if time.time() > exp else None

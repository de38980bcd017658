"""Sudden deaths in the middle of refreshes: `python -m tests.benchmarks.kill_nine`.

A client draws a thousand refreshes over ten sessions while, again and again, the store or the
application is killed with signal 9 and started anew. What was not answered, the client asks again
with the same token. At the end no session whose tokens were acknowledged may be lost, and no token
from before the last confirmed one may be valid again. Exit status 1 otherwise.
"""

import argparse
import json
import logging
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard
from tests.benchmarks.figures import Table
from tests.benchmarks.store_kit import WEB, configuration, sessions_of
from tests.support.servers import PostgreSQL, Valkey

_SESSIONS = 10
_PATIENCE = 60.0
_ROOT = Path(__file__).parents[2]


class Application(Protocol):
    """Refreshes, or fails to answer."""

    def refresh(self, token: str) -> str | None:
        """The next token, a reason, or None when there was no answer."""
        ...


class InProcess:
    """The application in this process; its store may die."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def refresh(self, token: str) -> str | None:
        """See `Application`."""
        try:
            return run(sessions_of(self.guard).refresh(token, client=WEB)).refresh_token
        except Refusal as refusal:
            outage = refusal.reason is Reason.STORE_UNAVAILABLE
            return None if outage else refusal.reason.value


class Mortal:
    """The application in a process of its own, which is killed after some of its questions."""

    def __init__(self, config: dict[str, Any], chance: float) -> None:
        self._config = json.dumps(config)
        self._chance = chance
        self._process = self._started()
        self.deaths = 0

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.kill_nine", "--serve"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT
        )
        assert process.stdin is not None
        process.stdin.write(self._config + "\n")
        process.stdin.flush()
        return process

    def refresh(self, token: str) -> str | None:
        """See `Application`. Dies within the time that an answer takes, or just after it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(token + "\n")
        stdin.flush()
        if random.random() < self._chance:
            time.sleep(random.uniform(0, 0.02))
            self._die()
            return None
        return stdout.readline().strip() or None

    def _die(self) -> None:
        self._process.kill()
        self._process.communicate()
        self.deaths += 1
        self._process = self._started()

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def serve() -> None:
    """The mortal process: a configuration, then a token a line; a token or a reason a line."""
    logging.disable(logging.WARNING)
    application = InProcess(Guard.from_config(json.loads(sys.stdin.readline())))
    for line in sys.stdin:
        print(application.refresh(line.strip()) or "", flush=True)


@dataclass
class Holder:
    """One session's client: the tokens that were acknowledged to it, in order."""

    tokens: list[str] = field(default_factory=list)
    unanswered: int = 0

    def refresh(self, application: Application) -> None:
        """Ask until there is an answer.

        Raises:
            Lost: the session is gone, although all that was presented was acknowledged.
        """
        until = time.monotonic() + _PATIENCE
        while (answer := application.refresh(self.tokens[-1])) is None:
            self.unanswered += 1
            assert time.monotonic() < until, "the store does not come back"
            time.sleep(0.01)
        if not answer.startswith("jgr_"):
            raise Lost(answer)
        self.tokens.append(answer)


class Lost(Exception):
    """A session was lost."""


def _logged_in(guard: Guard) -> list[Holder]:
    started = [run(sessions_of(guard).start(f"user-{n}", client=WEB)) for n in range(_SESSIONS)]
    return [Holder([grant.refresh_token]) for grant in started]


def _drawn(holders: list[Holder], application: Application, refreshes: int) -> int:
    """Draw refreshes in turns; how many sessions were lost on the way."""
    lost: set[int] = set()
    for number in range(refreshes):
        place = number % len(holders)
        if place not in lost:
            try:
                holders[place].refresh(application)
            except Lost:
                lost.add(place)
    return len(lost)


def _resurrected(holders: list[Holder], guard: Guard) -> int:
    """How many tokens from before the last confirmed one are valid again: one try a session."""
    application = InProcess(guard)
    found = 0
    for holder in holders:
        holder.refresh(application)
        old = random.choice(holder.tokens[:-2])
        found += application.refresh(old) != Reason.GRANT_REUSED.value
    return found


def _store_dies(server: Valkey | PostgreSQL, refreshes: int, deaths: int) -> list[Any]:
    application = InProcess(Guard.from_config(configuration(server.url, timeout=2.0)))
    holders = _logged_in(application.guard)
    over, died = threading.Event(), 0

    def reaper() -> None:
        nonlocal died
        while not over.is_set() and died < deaths:
            time.sleep(random.uniform(0.05, 0.3))
            server.kill()
            died += 1
            server.start()

    thread = threading.Thread(target=reaper)
    thread.start()
    lost = _drawn(holders, application, refreshes)
    over.set()
    thread.join()
    found = _resurrected(holders, application.guard)
    application.guard.store.close()
    return ["the store", died, sum(holder.unanswered for holder in holders), lost, found]


def _application_dies(url: str, refreshes: int, deaths: int) -> list[Any]:
    config = configuration(url)
    guard = Guard.from_config(config)
    holders = _logged_in(guard)
    application = Mortal(config, deaths / refreshes)
    lost = _drawn(holders, application, refreshes)
    application.close()
    found = _resurrected(holders, guard)
    guard.store.close()
    unanswered = sum(holder.unanswered for holder in holders)
    return ["the application", application.deaths, unanswered, lost, found]


def main() -> int:
    """Kill, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refreshes", type=int, default=1000)
    parser.add_argument("--deaths", type=int, default=8)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve()
        return 0
    logging.disable(logging.WARNING)
    rows = []
    with Valkey() as valkey, PostgreSQL() as postgresql, PostgreSQL() as other:
        sqlite = f"sqlite:///{valkey.folder / 'store.sqlite3'}"
        for name, server in (("valkey", valkey), ("postgresql", postgresql)):
            rows.append([name, *_store_dies(server, asked.refreshes, asked.deaths)])
        for name, url in (("sqlite", sqlite), ("postgresql", other.url), ("valkey", valkey.url)):
            rows.append([name, *_application_dies(url, asked.refreshes, asked.deaths)])
    head = ["store", "killed", "times", "unanswered", "sessions lost", "old tokens valid"]
    print(Table(head, [[str(cell) for cell in row] for row in rows]).text())
    return 1 if any(row[4] or row[5] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

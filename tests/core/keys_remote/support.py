"""Remote keys whose clock and provider the tests hold in their hands."""

import itertools
import time
from typing import Any

from jwt_guard import Guard, Refusal
from jwt_guard.errors import Reason
from jwt_guard.flow import Flow, run
from jwt_guard.keys.documents import Document, KeysNotLoaded
from jwt_guard.keys.keyset import KeySet
from jwt_guard.keys.loading import load_jwks
from jwt_guard.keys.remote import RemoteKeys, RemotePolicy
from tests.support.faulty import FaultyServer
from tests.support.tokens import AUDIENCE, ISSUER, jwk

_digests = itertools.count()


class Clock:
    """Monotonic seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time that it shows."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let seconds pass."""
        self.now += seconds


class Provider:
    """A `LoadKeys` without a network: serves documents, or fails."""

    def __init__(self, *names: str) -> None:
        self.loads = 0
        self.down = False
        self.retry_after: float | None = None
        self.publish(*names)

    def publish(self, *names: str) -> None:
        """Publish the ES256 keys of these names."""
        keys = load_jwks({"keys": [jwk("ES256", name) for name in names]}, ["ES256"]).keys
        self.document = Document(digest=str(next(_digests)).encode(), keys=keys)

    def __call__(self, known: Document | None, timeout: float) -> Flow[Document]:
        """See `LoadKeys`."""
        self.loads += 1
        if self.down:
            raise KeysNotLoaded("down", retry_after=self.retry_after)
        return self.document
        yield


class World:
    """A provider, the keys that come from it, and the time."""

    def __init__(self, *names: str, **policy: float) -> None:
        self.clock = Clock()
        self.provider = Provider(*(names or ("a",)))
        self.keys = RemoteKeys(
            ISSUER,
            self.provider,
            RemotePolicy(**policy),
            clock=self.clock,
            jitter=lambda: 0.0,
        )

    def find(self, name: str) -> str:
        """What comes of looking for a key: `found`, or the reason of the refusal."""
        keys = self.keys.current()
        kid = f"ES256-{name}"
        try:
            if keys is None or keys.find(kid, "ES256") is None:
                keys = run(self.keys.renewed(kid))
        except Refusal as refusal:
            self.retry_after = refusal.retry_after
            return refusal.reason.value
        return "found" if keys.find(kid, "ES256") else Reason.KEY_UNKNOWN.value

    def load(self) -> KeySet:
        """The keys, loaded for the first time."""
        assert run(self.keys.reload())
        keys = self.keys.current()
        assert keys is not None
        return keys


def until(condition: Any, *, within: float = 3.0) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def guard_of(server: FaultyServer, **changes: Any) -> Guard:
    """A guard that takes ES256 and RS256 keys from the server."""
    return guard_at(server.jwks_uri, **changes)


def guard_at(uri: str, **changes: Any) -> Guard:
    """The same from any key set on this host."""
    entry = {"issuer": ISSUER, "keys": uri, "algorithms": ["ES256", "RS256"]}
    return Guard.from_config(
        {"audience": AUDIENCE, "issuers": [entry | {"allow_http": True, "timeout": 2} | changes]}
    )


def verdict(guard: Guard, token: str) -> str:
    """The subject of a token, or the reason of its refusal."""
    try:
        return guard.verify(token).subject
    except Refusal as refusal:
        return refusal.reason.value


async def averdict(guard: Guard, token: str) -> str:
    """The same on the event loop."""
    try:
        return (await guard.averify(token)).subject
    except Refusal as refusal:
        return refusal.reason.value

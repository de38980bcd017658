"""The issuers that are trusted: those of the configuration, and those that code resolves."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from jwt_guard.errors import Reason, Refusal
from jwt_guard.forks import call_after_fork
from jwt_guard.tokens.verifier import TrustedIssuer

__all__ = ["IssuerDirectory"]

_log = logging.getLogger("jwt_guard.keys")

Resolve = Callable[[str], Any]
Build = Callable[[str, Any], TrustedIssuer]

MAX_RESOLVED = 10_000
"""How many resolved issuers are kept ready, the oldest forgotten first."""


class IssuerDirectory:
    """Trusted issuers by exact `iss`.

    A resolver is asked for whoever the configuration does not name, on every request, so that it
    must answer from memory; what it takes back is trusted no more on the very next request. It
    is the allow-list: for None nothing is built, remembered, or ever fetched.

    Args:
        named: the issuers of the configuration.
        resolve: from an `iss` to the issuer's entry; None for a stranger.
        build: from an entry to the issuer; not asked again while the entry stays equal, by value,
            for an application may well change it in place.
    """

    def __init__(
        self,
        named: Mapping[str, TrustedIssuer],
        resolve: Resolve | None = None,
        build: Build | None = None,
    ) -> None:
        self._named = named
        self._resolver = _Resolver(resolve, build) if resolve and build else None

    def get(self, issuer: str) -> TrustedIssuer | None:
        """The issuer of that name; None for a stranger.

        Raises:
            Refusal: `keys_unavailable`, when the resolver fails or its answer cannot be used.
        """
        found = self._named.get(issuer)
        if found is not None or self._resolver is None:
            return found
        return self._resolver.get(issuer)

    def __iter__(self) -> Iterator[TrustedIssuer]:
        """All that are ready."""
        yield from self._named.values()
        if self._resolver is not None:
            yield from self._resolver.ready()


class _Resolver:
    """Issuers resolved by code, each built once for as long as its entry stays equal."""

    def __init__(self, resolve: Resolve, build: Build) -> None:
        self._resolve = resolve
        self._build = build
        self._ready: dict[str, tuple[Any, TrustedIssuer]] = {}
        self._lock = threading.Lock()
        call_after_fork(self)

    def after_fork(self) -> None:
        """See `Forked`."""
        self._lock = threading.Lock()

    def get(self, issuer: str) -> TrustedIssuer | None:
        try:
            entry = self._resolve(issuer)
            if entry is None:
                self._ready.pop(issuer, None)
                return None
            return self._current(issuer, entry)
        except Exception:  # noqa: BLE001 - a stranger must not see what the application raised
            _log.exception("an issuer could not be resolved")
            raise Refusal(Reason.KEYS_UNAVAILABLE, retry_after=5) from None

    def ready(self) -> list[TrustedIssuer]:
        return [trusted for _, trusted in list(self._ready.values())]

    def _current(self, issuer: str, entry: Any) -> TrustedIssuer:
        found = self._ready.get(issuer)
        if found is not None and found[0] == entry:
            return found[1]
        with self._lock:
            found = self._ready.get(issuer)
            if found is None or found[0] != entry:
                kept = deepcopy(dict(entry) if isinstance(entry, Mapping) else entry)
                found = kept, self._build(issuer, kept)
                self._make_room()
                self._ready[issuer] = found
            return found[1]

    def _make_room(self) -> None:
        if len(self._ready) >= MAX_RESOLVED:
            self._ready.pop(next(iter(self._ready)), None)

"""Keys ready for use: an immutable set, found by key identifier and algorithm in one step."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.keys.algorithms import JoseKey
from jwt_guard.keys.signatures import Verify, verifier

__all__ = ["KeySet", "KeySource", "StaticKeys", "VerifyingKey", "find_key"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerifyingKey:
    """One key bound to the algorithms that it may verify.

    Attributes:
        kid: its identifier, or None for a key that has none (a PEM file, a secret).
        algorithms: the names that it may serve, decided by us, never by a token.
        key: the key itself; it has no repr.
    """

    kid: str | None
    algorithms: tuple[str, ...]
    key: JoseKey = field(repr=False)

    def verifier(self, algorithm: str) -> Verify:
        """A function of (message, signature) that tells whether the signature is right."""
        return verifier(self.key, algorithm)


class KeySet:
    """The keys of one issuer at one moment. Immutable; whoever remembers it compares identity."""

    __slots__ = ("_by_name", "_nameless", "keys")

    def __init__(self, keys: Iterable[VerifyingKey]) -> None:
        self.keys = tuple(keys)
        self._by_name: dict[tuple[str, str], Verify] = {}
        self._nameless: dict[str, list[Verify]] = {}
        for key in self.keys:
            for algorithm in key.algorithms:
                self._add(key, algorithm)

    def _add(self, key: VerifyingKey, algorithm: str) -> None:
        if key.kid is None:
            self._nameless.setdefault(algorithm, []).append(key.verifier(algorithm))
        else:
            self._by_name[key.kid, algorithm] = key.verifier(algorithm)

    def find(self, kid: str | None, algorithm: str) -> Verify | None:
        """The one key for a token's `kid` and `alg`, or None.

        A token without `kid` is served only where one key alone can be meant. A key without
        `kid` serves any token, if it is the only one.

        Raises:
            Refusal: `key_ambiguous`, when several keys could be meant.
        """
        named = self._by_name.get((kid, algorithm)) if kid is not None else None
        if named is not None:
            return named
        candidates = list(self._nameless.get(algorithm, ()))
        if kid is None:
            candidates += [v for (_, name), v in self._by_name.items() if name == algorithm]
        if len(candidates) > 1:
            raise Refusal(Reason.KEY_AMBIGUOUS, claim="kid")
        return candidates[0] if candidates else None

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"KeySet(keys={len(self.keys)})"


class KeySource(Protocol):
    """Where an issuer's keys come from."""

    def current(self) -> KeySet | None:
        """The key set in force, without waiting and without a lock; None before the first."""
        ...

    def renewed(self, kid: str | None) -> Flow[KeySet]:
        """The key set after an attempt to learn of a key that `current` does not have.

        The source decides whether an attempt is due; if not, it answers the current set.

        Raises:
            Refusal: `keys_unavailable`, when there is no key set that may be used.
        """
        ...

    def reload(self) -> Flow[bool]:
        """Load the keys now, and answer whether that was done."""
        ...


class StaticKeys:
    """Keys that are given once and do not change."""

    __slots__ = ("_keys",)

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def current(self) -> KeySet:
        """See `KeySource`."""
        return self._keys

    def renewed(self, kid: str | None) -> Flow[KeySet]:
        """See `KeySource`: there is nothing to learn."""
        return self._keys
        yield  # a generator without a step

    def reload(self) -> Flow[bool]:
        """See `KeySource`: there is nothing to load."""
        return True
        yield  # a generator without a step


def find_key(source: KeySource, kid: str | None, algorithm: str) -> Flow[tuple[KeySet, Verify]]:
    """The key for a token, asking the source to renew itself once if it is not there.

    Raises:
        Refusal: `algorithm_not_allowed` is the caller's to check; here `key_unknown`,
            `key_ambiguous` or `keys_unavailable`.
    """
    keys = source.current()
    found = keys.find(kid, algorithm) if keys is not None else None
    if keys is None or found is None:
        keys = yield from source.renewed(kid)
        found = keys.find(kid, algorithm)
    if found is None:
        raise Refusal(Reason.KEY_UNKNOWN, claim="kid")
    return keys, found

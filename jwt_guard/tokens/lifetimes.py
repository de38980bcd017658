"""How long tokens and sessions live, by client, role and tenant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["LifetimePolicy", "LifetimeRules", "Lifetimes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """Three times, in seconds.

    Attributes:
        access: how long an access token lives.
        idle: how long an unused session lives.
        absolute: how long any session lives.
    """

    access: float = 300.0
    idle: float = 1_209_600.0
    absolute: float = 7_776_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimePolicy:
    """Other times for some; whoever meets all the conditions that are set is meant.

    Attributes:
        clients, roles, tenants: any one of these; empty sets no condition.
        access, idle, absolute: seconds; None leaves what is usual.
    """

    clients: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    access: float | None = None
    idle: float | None = None
    absolute: float | None = None

    def applies(self, client_id: str, roles: Iterable[str], tenant: str | None) -> bool:
        """Whether they are meant."""
        return (
            (not self.clients or client_id in self.clients)
            and (not self.roles or not self.roles.isdisjoint(roles))
            and (not self.tenants or tenant in self.tenants)
        )


class LifetimeRules:
    """What is usual, and the policies for some. Of several that apply the shortest time counts."""

    __slots__ = ("policies", "usual")

    def __init__(self, usual: Lifetimes, policies: Sequence[LifetimePolicy] = ()) -> None:
        self.usual = usual
        self.policies = tuple(policies)

    def of(self, client_id: str, roles: Iterable[str], tenant: str | None) -> Lifetimes:
        """The times for a client, roles and a tenant."""
        if not self.policies:
            return self.usual
        held = frozenset(roles)
        found = [policy for policy in self.policies if policy.applies(client_id, held, tenant)]
        return Lifetimes(
            access=_shortest((policy.access for policy in found), self.usual.access),
            idle=_shortest((policy.idle for policy in found), self.usual.idle),
            absolute=_shortest((policy.absolute for policy in found), self.usual.absolute),
        )

    def longest(self) -> Lifetimes:
        """The longest of each time that anybody can get."""
        everyone: tuple[Lifetimes | LifetimePolicy, ...] = (self.usual, *self.policies)
        return Lifetimes(
            access=max(one.access or 0 for one in everyone),
            idle=max(one.idle or 0 for one in everyone),
            absolute=max(one.absolute or 0 for one in everyone),
        )


def _shortest(times: Iterable[float | None], usual: float) -> float:
    return min((time for time in times if time is not None), default=usual)

"""The store in a database of the Django project, by its ORM.

`JWT_GUARD = {"store": {"url": "django://default"}, ...}` names the database by its alias. A
transaction around a view (`ATOMIC_REQUESTS`) that is rolled back takes what was kept with it: give
the store an alias of its own where views do more than answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from asgiref.sync import sync_to_async
from django.db import IntegrityError, connections, models, transaction
from django.db.models import F, Max
from django.db.models.functions import Greatest

from jwt_guard.flow import Effect, Flow
from jwt_guard.stores.protocol import (
    FOREVER,
    Session,
    UnusableStore,
    changeable,
    cut_off_key,
    unavailable,
)
from jwt_guard_django.models import CutOff, Tally
from jwt_guard_django.models import Session as Row

__all__ = ["DjangoStore"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work(Effect[T], Generic[T]):
    """Something done with the ORM, in one transaction."""

    using: str
    do: Callable[[], T]

    def run(self) -> T:
        """See `Effect`."""
        try:
            with transaction.atomic(using=self.using):
                return self.do()
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is an outage
            raise unavailable(error) from None

    async def arun(self) -> T:
        """See `Effect`. Django's databases are asked in a thread, as its own `a*` methods do."""
        answer: T = await sync_to_async(self.run)()
        return answer


class DjangoStore:
    """See `Store`.

    Args:
        using: the alias of the database.
    """

    has_no_cut_offs = False

    def __init__(self, using: str = "default") -> None:
        self._using = using
        self._sessions = Row.objects.using(using)
        self._cut_offs = CutOff.objects.using(using)
        self._tallies = Tally.objects.using(using)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """The store of `django://alias`.

        Raises:
            UnusableStore: the project has no database of that alias.
        """
        alias = url.removeprefix("django://").strip("/") or "default"
        if alias not in connections:
            raise UnusableStore("is no database of this project")
        return cls(alias)

    def _work(self, do: Callable[[], T]) -> Flow[T]:
        answer = yield from Work(self._using, do)
        return answer

    def create(self, session: Session) -> Flow[None]:
        """See `Store`."""

        def do() -> None:
            self._sessions.create(**session.row())

        return self._work(do)

    def read(self, sid: str) -> Flow[Session | None]:
        """See `Store`."""

        def do() -> Session | None:
            row = self._sessions.filter(sid=sid).values().first()
            return None if row is None else Session.restored(row)

        return self._work(do)

    def change(self, seen: Session, changed: Session) -> Flow[bool]:
        """See `Store`."""
        same = self._sessions.filter(sid=seen.sid, version=seen.version)
        return self._work(lambda: same.update(**changeable(changed)) == 1)

    def end(self, sid: str, *, at: int, reason: str, until: int) -> Flow[bool]:
        """See `Store`."""

        def do() -> bool:
            living = self._sessions.filter(sid=sid, ended_at=None)
            ended = living.update(ended_at=at, end_reason=reason, version=F("version") + 1)
            self._cut(cut_off_key(sid), FOREVER, until)
            return ended == 1

        return self._work(do)

    def sessions_of(self, subject: str) -> Flow[list[Session]]:
        """See `Store`."""
        theirs = self._sessions.filter(subject=subject).order_by("-created_at")
        return self._work(lambda: [Session.restored(row) for row in theirs.values()])

    def latest_cut_off(self, keys: Sequence[str]) -> Flow[int | None]:
        """See `Store`."""

        def do() -> int | None:
            latest: int | None = self._cut_offs.filter(key__in=keys).aggregate(at=Max("at"))["at"]
            return latest

        return self._work(do)

    def cut_off(self, key: str, *, at: int, until: int) -> Flow[None]:
        """See `Store`."""
        return self._work(lambda: self._cut(key, at, until))

    def _cut(self, key: str, at: int, until: int) -> None:
        def put_off() -> int:
            old = self._cut_offs.filter(key=key)
            return old.update(at=Greatest("at", at), until=Greatest("until", until))

        if not put_off() and not self._made(self._cut_offs, key=key, at=at, until=until):
            put_off()

    def _made(self, rows: "models.QuerySet[Any]", **values: Any) -> bool:
        """Whether a row could be made; False when somebody else was faster."""
        try:
            with transaction.atomic(using=self._using):
                rows.create(**values)
        except IntegrityError:
            return False
        return True

    def tally(self, key: str, *, now: int, until: int, by: int = 1) -> Flow[int]:
        """See `Store`."""
        mine = self._tallies.filter(key=key)

        def counted() -> bool:
            """The row is locked from here on, so that what is read is what was counted."""
            return bool(
                mine.filter(until__gt=now).update(count=F("count") + by)
                or mine.filter(until__lte=now).update(count=by, until=until)
            )

        def do() -> int:
            if not counted() and not self._made(self._tallies, key=key, count=by, until=until):
                counted()
            count: int = mine.get().count
            return count

        return self._work(do)

    def forget(self, key: str) -> Flow[None]:
        """See `Store`."""

        def do() -> None:
            self._tallies.filter(key=key).delete()

        return self._work(do)

    def purge(self, *, now: int, limit: int) -> Flow[int]:
        """See `Store`."""
        kinds: list[tuple[models.QuerySet[Any], str]] = [
            (self._sessions, "idle_expires_at"),
            (self._cut_offs, "until"),
            (self._tallies, "until"),
        ]
        return self._work(lambda: sum(_purged(rows, ends, now, limit) for rows, ends in kinds))

    def close(self) -> None:
        """See `Store`: closes the connection of this thread."""
        connections[self._using].close()

    async def aclose(self) -> None:
        """See `Store`: closes the connection of the thread that asks for event loops."""
        await sync_to_async(self.close)()

    def __repr__(self) -> str:
        return f"DjangoStore({self._using!r})"


def _purged(rows: "models.QuerySet[Any]", ends: str, now: int, limit: int) -> int:
    over = rows.filter(**{f"{ends}__lte": now})
    oldest = list(over.order_by(ends).values_list("pk", flat=True)[:limit])
    gone: int = over.filter(pk__in=oldest).delete()[0]
    return gone

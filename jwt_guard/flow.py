"""What the core may ask of the outside, and the two drivers that answer.

Everything that decides is written once, as a generator without I/O: a `Flow`. Where it needs
something from outside (keys fetched, a row read) it yields an `Effect` and receives the answer.
`run` drives it for WSGI and scripts, `arun` for ASGI. A flow that needs nothing ends at its first
step, and `arun` never awaits.

    rows = yield from Lookup(store, keys)
"""

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Any, Generic, TypeVar

__all__ = ["Effect", "Flow", "arun", "run"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Effect(ABC, Generic[T_co]):
    """Something wanted from outside. Iterating yields it and returns the driver's answer."""

    __slots__ = ()

    @abstractmethod
    def run(self) -> T_co:
        """Do it, blocking."""

    @abstractmethod
    async def arun(self) -> T_co:
        """Do it on the running event loop."""

    def __iter__(self) -> Generator["Effect[Any]", Any, T_co]:
        answer: T_co = yield self
        return answer


Flow = Generator[Effect[Any], Any, T]
"""A decision in progress: yields effects, receives their answers, returns its result."""


def run(flow: Flow[T]) -> T:
    """Drive a flow, blocking. Raises what the flow raises."""
    try:
        effect = next(flow)
        while True:
            try:
                answer = effect.run()
            except Exception as error:  # noqa: BLE001 - the flow decides what it means
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def arun(flow: Flow[T]) -> T:
    """Drive a flow on the running event loop. Raises what the flow raises."""
    try:
        effect = next(flow)
        while True:
            try:
                answer = await effect.arun()
            except Exception as error:  # noqa: BLE001 - the flow decides what it means
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result

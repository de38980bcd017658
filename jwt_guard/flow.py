"""What the core may ask of the outside, and the two drivers that answer.

Everything that decides is written once, as a generator without I/O: a `Flow`. Where it needs
something from outside (keys fetched, a row read) it yields an `Effect` and receives the answer.
`run` drives it for WSGI and scripts, `arun` for ASGI. A flow that needs nothing ends at its first
step, and `arun` never awaits.

    rows = yield from Lookup(store, keys)
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

__all__ = ["Call", "Effect", "Flow", "arun", "run"]

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


class Call(Effect[Any]):
    """Call a function of the application with these arguments.

    A plain function is called in a thread where an event loop runs, so that a slow one holds up
    nobody; an `async def` needs such a loop. What it raises, the flow receives.
    """

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._function = function
        self._arguments = arguments

    def run(self) -> Any:
        """See `Effect`."""
        return _answer(self._function(*self._arguments))

    async def arun(self) -> Any:
        """See `Effect`."""
        import asyncio  # a third of the package's start-up, which WSGI never needs

        if inspect.iscoroutinefunction(self._function):
            return await self._function(*self._arguments)
        return _answer(await asyncio.to_thread(self._function, *self._arguments))


def _answer(answer: Any) -> Any:
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("an asynchronous function is an `async def`, for asynchronous drivers")
    return answer


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

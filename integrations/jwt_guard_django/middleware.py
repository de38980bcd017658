"""The middleware: asks who sends a request before all views, sync and async alike."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jwt_guard.errors import Refusal
from jwt_guard.flow import arun, run
from jwt_guard.marks import Rule
from jwt_guard_django.admission import (
    aadmit,
    admit,
    identify,
    keep_private,
    memo_of,
    refused,
)
from jwt_guard_django.guards import default_rules, guards, open_paths
from jwt_guard_django.marks import said_by

__all__ = ["JWTGuardMiddleware"]

Answer = HttpResponseBase
GetResponse = Callable[[HttpRequest], Answer | Awaitable[Answer]]


class JWTGuardMiddleware:
    """Verifies callers, and refuses every request that its view does not mark as open to all.

    Belongs after `AuthenticationMiddleware` and before `LoginRequiredMiddleware`, where these are
    used.

    Raises:
        ConfigurationError: with every mistake in `JWT_GUARD` and `JWT_GUARDS`.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        guards()  # a bad configuration ends the start, not a request
        self.get_response: Any = get_response
        self._is_async = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated]
        self.process_view: Callable[..., Any] = _judge
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view = _judge_async

    def __call__(self, request: HttpRequest) -> Answer | Awaitable[Answer]:
        """Answer a request, in the mode of what comes below."""
        if self._is_async:
            return self._call_async(request)
        pending = identify(request)
        if pending is not None:
            run(pending)
        response: Answer = self.get_response(request)
        memo = memo_of(request)
        if not memo.judged:
            response = _judge(request, _view_of(request)) or response
        return keep_private(memo, response)

    async def _call_async(self, request: HttpRequest) -> Answer:
        pending = identify(request)
        if pending is not None:
            await arun(pending)
        response: Answer = await self.get_response(request)
        memo = memo_of(request)
        if not memo.judged:
            response = await _judge_async(request, _view_of(request)) or response
        return keep_private(memo, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> Answer | None:
        """A refusal that a view raises is an answer like another."""
        return refused(request, exception) if isinstance(exception, Refusal) else None


def _judge(request: HttpRequest, view: Any, *args: Any) -> Answer | None:
    """The answer to a request that may not proceed to a view; None if it may."""
    try:
        for rule in _rules(request, view):
            admit(request, rule)
    except Refusal as refusal:
        return refused(request, refusal)
    return None


async def _judge_async(request: HttpRequest, view: Any, *args: Any) -> Answer | None:
    try:
        for rule in _rules(request, view):
            await aadmit(request, rule)
    except Refusal as refusal:
        return refused(request, refusal)
    return None


def _view_of(request: HttpRequest) -> Any:
    """The view, if any, of a request that others answered first.

    Unknown paths, redirects and errors are hidden from strangers.
    """
    match = request.resolver_match
    return match.func if match else None


def _rules(request: HttpRequest, view: Any) -> Sequence[Rule]:
    """What a view asks; where it asks nothing, what the guards ask of every request."""
    memo = memo_of(request)
    memo.judged = True
    said = said_by(view, request.method or "")
    if said is None:
        return _default_rules(request)
    if said.is_open:
        memo.is_open = True
    return said.rules


def _default_rules(request: HttpRequest) -> Sequence[Rule]:
    paths = open_paths()
    if not paths:
        return default_rules()
    path = request.path_info  # below the mount point, which a proxy's header may name
    return [rule for rule in default_rules() if path not in paths.get(rule.guard, ())]

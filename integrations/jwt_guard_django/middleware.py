"""The middleware: asks who sends a request before all views, sync and async alike."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jwt_guard.errors import Refusal
from jwt_guard.flow import Flow, arun, run
from jwt_guard.marks import Rule, is_public, rules_among
from jwt_guard_django.admission import (
    admit,
    identify,
    keep_private,
    memo_of,
    refused,
)
from jwt_guard_django.guards import guards
from jwt_guard_django.marks import marks_of

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
        self.process_view: Callable[..., Any] = self._process_view
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view = self._process_view_async

    def __call__(self, request: HttpRequest) -> Answer | Awaitable[Answer]:
        """Answer a request, in the mode of what comes below."""
        if self._is_async:
            return self._call_async(request)
        run(identify(request))
        response: Answer = self.get_response(request)
        if not memo_of(request).judged:
            response = run(_unjudged(request, response))
        return keep_private(request, response)

    async def _call_async(self, request: HttpRequest) -> Answer:
        await arun(identify(request))
        response: Answer = await self.get_response(request)
        if not memo_of(request).judged:
            response = await arun(_unjudged(request, response))
        return keep_private(request, response)

    def _process_view(self, request: HttpRequest, view: Any, *args: Any) -> Answer | None:
        return run(_judgement(request, _rules(request, view)))

    async def _process_view_async(
        self, request: HttpRequest, view: Any, *args: Any
    ) -> Answer | None:
        return await arun(_judgement(request, _rules(request, view)))

    def process_exception(self, request: HttpRequest, exception: Exception) -> Answer | None:
        """A refusal that a view raises is an answer like another."""
        return refused(request, exception) if isinstance(exception, Refusal) else None


def _judgement(request: HttpRequest, rules: list[Rule]) -> Flow[Answer | None]:
    """The answer to a request that may not proceed; None if it may."""
    memo_of(request).judged = True
    try:
        for rule in rules:
            yield from admit(request, rule)
    except Refusal as refusal:
        return refused(request, refusal)
    return None


def _unjudged(request: HttpRequest, response: Answer) -> Flow[Answer]:
    """Hide from strangers what others answered first: unknown paths, redirects, errors."""
    match = request.resolver_match
    rules = _rules(request, match.func) if match else _default_rules(request)
    refusal = yield from _judgement(request, rules)
    return refusal or response


def _rules(request: HttpRequest, view: Any) -> list[Rule]:
    """What a view asks; where it asks nothing, what the guards ask of every request."""
    marks = marks_of(view, cast(str, request.method))
    if is_public(marks):
        memo_of(request).is_open = True
    return rules_among(marks) if marks else _default_rules(request)


def _default_rules(request: HttpRequest) -> list[Rule]:
    view = memo_of(request).view
    path, mount = view.path, view.mount
    return [
        _default_rule(name)
        for name, guard in guards().items()
        if guard.config.routes.protect == "all" and not guard.public_paths.covers(path, mount)
    ]


@cache
def _default_rule(name: str) -> Rule:
    return Rule(guard=name)

"""Who sent a request, and whether it may proceed."""

from functools import cache
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from jwt_guard.credentials.csrf import Proof
from jwt_guard.errors import Refusal
from jwt_guard.flow import Flow, arun, run
from jwt_guard.guard import Guard, Outcome
from jwt_guard.http import Reply, WsgiView
from jwt_guard.marks import Rule
from jwt_guard.principal import Principal
from jwt_guard_django.csrf import checked, exempt
from jwt_guard_django.guards import UserOf, get_guard, guards, user_of
from jwt_guard_django.users import TokenUser

__all__ = [
    "DjangoView",
    "Memo",
    "aadmit",
    "admit",
    "current_principal",
    "identify",
    "keep_private",
    "memo_of",
    "refused",
    "response_of",
]

_MISSING = Proof.MISSING  # which Python 3.11 looks up by a function of its own each time


class Memo(msgspec.Struct):
    """What is known about one request, and kept on it.

    It does not lead back to the request: Django frees those at once, without the collector.

    Attributes:
        outcomes: what the guards found, by name.
        caller: who was put into the request last.
        asked: the guard that was asked last.
        judged: whether the view that it is for was known and has been asked about.
        is_open: whether that view is marked as public.
        private: whether the answer is for a verified caller, and so for no cache.
    """

    outcomes: dict[str, Outcome] = {}
    caller: Principal | None = None
    asked: str | None = None
    judged: bool = False
    is_open: bool = False
    private: bool = False


class DjangoView(WsgiView):
    """A request seen through Django's: the same under WSGI and ASGI."""

    __slots__ = ("_request",)

    def __init__(self, request: HttpRequest) -> None:
        match = request.resolver_match
        self.environ = request.META
        self.path_params = match.kwargs if match else {}
        self._request = request

    @property
    def scheme(self) -> str:
        """See `RequestView`."""
        return str(self._request.scheme)

    @property
    def path(self) -> str:
        """See `RequestView`. Django has decoded it already."""
        return self._request.path

    @property
    def route_path(self) -> str:
        """See `WsgiView`."""
        return self._request.path_info


def memo_of(request: Any) -> Memo:
    """What is known about a request.

    Raises:
        RuntimeError: it did not come through the middleware.
    """
    try:
        memo: Memo = request._jwt_guard
    except AttributeError:
        raise RuntimeError(
            "no guard has seen this request: add jwt_guard_django.JWTGuardMiddleware to MIDDLEWARE"
        ) from None
    return memo


def identify(request: Any) -> Flow[None] | None:
    """Ask the guards who sent a request, until one knows, and put the caller into it.

    Returns:
        The flow that does so, where something has to be looked up first.
    """
    memo = request._jwt_guard = Memo()
    return _identify(request, memo)


def _identify(request: HttpRequest, memo: Memo) -> Flow[None] | None:
    for name, guard in guards().items():
        outcome = memo.outcomes.get(name) or _ask(name, guard, request, memo)
        if not isinstance(outcome, Outcome):
            return _identify_later(request, memo, outcome)
        if outcome.principal is not None:
            exempt(request, outcome)
            break
    default = memo.outcomes.get("default")
    _welcome(request, memo, default.principal if default else None)
    return None


def _identify_later(request: HttpRequest, memo: Memo, pending: Flow[Outcome]) -> Flow[None]:
    yield from pending
    yield from _identify(request, memo) or ()


def admit(request: HttpRequest, rule: Rule) -> Principal | None:
    """Let a request proceed, with its caller in it. May block.

    Raises:
        Refusal: it may not.
        RuntimeError: it did not come through the middleware, or there is no such guard.
    """
    memo = memo_of(request)
    outcome = memo.outcomes.get(rule.guard) or run(_asked(rule.guard, request, memo))
    memo.asked = rule.guard
    principal = guards()[rule.guard].permit(
        outcome,
        DjangoView(request),
        rule.requirement,
        optional=rule.optional,
        bad_token=rule.bad_token,
    )
    if principal is not memo.caller:
        _welcome(request, memo, principal)
    return principal


async def aadmit(request: HttpRequest, rule: Rule) -> Principal | None:
    """As `admit`, on the running event loop."""
    memo = memo_of(request)
    if rule.guard not in memo.outcomes:
        await arun(_asked(rule.guard, request, memo))
    return admit(request, rule)


def _asked(name: str, request: HttpRequest, memo: Memo) -> Flow[Outcome]:
    outcome = _ask(name, get_guard(name), request, memo)
    return outcome if isinstance(outcome, Outcome) else (yield from outcome)


def _ask(name: str, guard: Guard, request: HttpRequest, memo: Memo) -> Outcome | Flow[Outcome]:
    """A guard's outcome, put into the memo; a flow to it where something has to be looked up."""
    view = DjangoView(request)
    found = guard.identified(view, own_csrf=True)
    if isinstance(found, Outcome) and found.proof is not _MISSING:
        return _noted(name, guard, found, memo)
    return _noted_later(name, guard, checked(guard, found, request, view), memo)


def _noted_later(name: str, guard: Guard, flow: Flow[Outcome], memo: Memo) -> Flow[Outcome]:
    outcome = yield from flow
    return _noted(name, guard, outcome, memo)


def _noted(name: str, guard: Guard, outcome: Outcome, memo: Memo) -> Outcome:
    memo.outcomes[name] = outcome
    if outcome.principal is not None and guard.config.routes.no_store:
        memo.private = True
    return outcome


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """What the caller is told, by the guard that was asked last."""
    asked = memo_of(request).asked or next(iter(guards()))
    return response_of(get_guard(asked).reply(refusal), request)


def keep_private(memo: Memo, response: HttpResponseBase) -> HttpResponseBase:
    """Keep an answer to a verified caller out of caches, unless it says otherwise itself."""
    if memo.private:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def response_of(reply: Reply, request: HttpRequest) -> HttpResponse:
    """A reply of the core as a response of Django."""
    response = HttpResponse(b"" if request.method == "HEAD" else reply.body, status=reply.status)
    del response["Content-Type"]
    for name, value in reply.headers:
        if name.lower() == "set-cookie":
            response.cookies.load(value)
        else:
            # Django keeps one field a name; a list says the same (RFC 9110 section 5.3).
            response[name] = f"{response[name]}, {value}" if name in response else value
    if reply.status != 204:
        response["Content-Length"] = str(len(reply.body))
    return response


def current_principal(request: Any) -> Principal | None:
    """The caller of a request of Django or REST framework; None where there is none.

    Raises:
        RuntimeError: the request did not come through the middleware.
    """
    plain = getattr(request, "_request", request)
    memo_of(plain)
    principal: Principal | None = plain.principal
    return principal


def _welcome(request: Any, memo: Memo, principal: Principal | None) -> None:
    memo.caller = request.principal = principal
    if principal is None:
        return
    hook = user_of()
    if hook is None:
        user = request.user = TokenUser(principal)
        request.auser = user.itself
    else:
        _set_lazy_user(request, hook, principal)


def _set_lazy_user(request: Any, hook: UserOf, principal: Principal) -> None:
    @cache
    def user() -> Any:
        from django.contrib.auth.models import AnonymousUser

        return hook(principal) or AnonymousUser()

    request.user = SimpleLazyObject(user)
    request.auser = sync_to_async(user)

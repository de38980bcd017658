"""Who sent a request, and whether it may proceed."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from jwt_guard.errors import Refusal
from jwt_guard.flow import Flow
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
    "admit",
    "current_principal",
    "identify",
    "keep_private",
    "memo_of",
    "refused",
    "response_of",
]

_MEMO = "_jwt_guard"


@dataclass(slots=True)
class Memo:
    """What is known about one request.

    Attributes:
        view: the request as the core sees it, before Django has matched a route.
        outcomes: what the guards found, by name.
        asked: the guard that was asked last.
        judged: whether the view that it is for was known and has been asked about.
        is_open: whether that view is marked as public.
    """

    view: "DjangoView"
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    asked: str | None = None
    judged: bool = False
    is_open: bool = False


class DjangoView(WsgiView):
    """A request seen through Django's: the same under WSGI and ASGI."""

    __slots__ = ("_request",)

    def __init__(self, request: HttpRequest) -> None:
        match = request.resolver_match
        super().__init__(request.META, match.kwargs if match else None)
        self._request = request

    @property
    def scheme(self) -> str:
        """See `RequestView`."""
        return str(self._request.scheme)

    @property
    def path(self) -> str:
        """See `RequestView`. Under ASGI the server has decoded it already."""
        return self._request.path if hasattr(self._request, "scope") else super().path


def memo_of(request: HttpRequest) -> Memo:
    """What is known about a request.

    Raises:
        RuntimeError: it did not come through the middleware.
    """
    try:
        return cast(Memo, getattr(request, _MEMO))
    except AttributeError:
        raise RuntimeError(
            "no guard has seen this request: add jwt_guard_django.JWTGuardMiddleware to MIDDLEWARE"
        ) from None


def identify(request: HttpRequest) -> Flow[None]:
    """Ask the guards who sent a request, until one knows, and put the caller into it."""
    memo = Memo(DjangoView(request))
    setattr(request, _MEMO, memo)
    for name, guard in guards().items():
        memo.outcomes[name] = outcome = yield from _identified(guard, request, memo.view)
        if outcome.principal is not None:
            exempt(request, outcome)
            break
    default = memo.outcomes.get("default")
    _welcome(request, default.principal if default else None)


def admit(request: HttpRequest, rule: Rule) -> Flow[Principal | None]:
    """Let a request proceed, with its caller in it.

    Raises:
        Refusal: it may not.
        RuntimeError: it did not come through the middleware, or there is no such guard.
    """
    memo = memo_of(request)
    guard = get_guard(rule.guard)
    view = DjangoView(request)
    memo.asked = rule.guard
    if rule.guard not in memo.outcomes:
        memo.outcomes[rule.guard] = yield from _identified(guard, request, view)
    principal = guard.permit(
        memo.outcomes[rule.guard],
        view,
        rule.requirement,
        optional=rule.optional,
        bad_token=rule.bad_token,
    )
    _welcome(request, principal)
    return principal


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """What the caller is told, by the guard that was asked last."""
    asked = memo_of(request).asked or next(iter(guards()))
    return response_of(get_guard(asked).reply(refusal), request)


def keep_private(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Keep an answer to a verified caller out of caches, unless it says otherwise itself."""
    if not response.has_header("Cache-Control") and _is_private(memo_of(request)):
        response["Cache-Control"] = "no-store"
    return response


def _is_private(memo: Memo) -> bool:
    for name, outcome in memo.outcomes.items():
        if outcome.principal is not None and get_guard(name).config.routes.no_store:
            return True
    return False


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
    return cast(Principal | None, plain.principal)


def _identified(guard: Guard, request: HttpRequest, view: DjangoView) -> Flow[Outcome]:
    outcome = yield from guard.identify(view, own_csrf=True)
    checked_outcome = yield from checked(guard, outcome, request, view)
    return checked_outcome


def _welcome(request: Any, principal: Principal | None) -> None:
    known = getattr(request, "principal", None)
    request.principal = principal
    if principal is None or principal is known:
        return
    hook = user_of()
    if hook is None:
        _set_user(request, TokenUser(principal))
    else:
        _set_lazy_user(request, hook, principal)


def _set_user(request: Any, user: TokenUser) -> None:
    async def auser() -> TokenUser:
        return user

    request.user = user
    request.auser = auser


def _set_lazy_user(request: Any, hook: UserOf, principal: Principal) -> None:
    @cache
    def user() -> Any:
        from django.contrib.auth.models import AnonymousUser

        return hook(principal) or AnonymousUser()

    request.user = SimpleLazyObject(user)
    request.auser = sync_to_async(user)

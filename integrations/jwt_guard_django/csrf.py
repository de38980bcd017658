"""Django's own protection against forgery, for callers who come by cookie."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from jwt_guard.credentials.csrf import Proof
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import Flow
from jwt_guard.guard import Guard, Outcome
from jwt_guard.http import RequestView

__all__ = ["checked", "exempt"]


class _Check(CsrfViewMiddleware):
    """Answers the reason instead of a response, as REST framework's does."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def checked(
    guard: Guard, found: Outcome | Flow[Outcome], request: HttpRequest, view: RequestView
) -> Flow[Outcome]:
    """What a guard found; where it saw no proof, only if there is Django's token.

    Asked here rather than left to the project's middleware, which may be missing, or the view
    exempt from it.
    """
    outcome = found if isinstance(found, Outcome) else (yield from found)
    if outcome.proof is not Proof.MISSING or _bears_djangos_token(request):
        return outcome
    refusal = Refusal(Reason.CSRF_FAILED)
    for observer in guard.observers:
        yield from observer.refused(refusal, view) or ()
    return Outcome(refusal=refusal)


def exempt(request: Any, outcome: Outcome) -> None:
    """Spare a request that a bearer token authenticates: no browser adds one by itself."""
    if outcome.principal is not None and outcome.proof is None:
        request._dont_enforce_csrf_checks = True


def _bears_djangos_token(request: HttpRequest) -> bool:
    check = _Check(_nowhere)
    check.process_request(request)
    return check.process_view(request, _nowhere, (), {}) is None


def _nowhere(request: HttpRequest) -> HttpResponse:
    return HttpResponse()

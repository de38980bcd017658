"""Logging in, refreshing and logging out, as the attacks on life cycle and cookies need it."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass

from jwt_guard.attacks.context import Context, given
from jwt_guard.attacks.model import (
    Answer,
    CannotTest,
    Exchange,
    Outcome,
    Probe,
    Request,
    Step,
    ask,
    burst,
)
from jwt_guard.attacks.plan import Plan, refresh_request

ACCESS_NAMES = ("access_token", "accessToken", "access", "token", "jwt")
REFRESH_NAMES = ("refresh_token", "refreshToken", "refresh")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Pair:
    """What a login or a refresh gave: an access token, and maybe a refresh token."""

    access: str
    refresh: str | None


def log_in_request(plan: Plan) -> Request:
    """The login request of the plan. Raises CannotTest without one."""
    return given(plan.login)


def pair_of(answer: Answer) -> Pair | None:
    """The tokens in an answer, under their usual names; None when there is no access token."""
    if not 200 <= answer.status < 300:
        return None
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    access, refresh = (_first(document, names) for names in (ACCESS_NAMES, REFRESH_NAMES))
    return None if access is None else Pair(access=access, refresh=refresh)


def _first(document: dict[str, object], names: tuple[str, ...]) -> str | None:
    values = (document.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), None)


Asked = Generator[Step, tuple[Exchange, ...], Exchange]


def log_in(context: Context) -> Generator[Step, tuple[Exchange, ...], Pair]:
    """A session of its own. Raises CannotTest when the login gives no usable token."""
    request = log_in_request(context.plan)
    exchange = yield from ask(Probe(label="log in", request=request, check=None))
    pair = pair_of(exchange.answer)
    if pair is None:
        raise CannotTest(f"the login answered {exchange.answer.status} without an access token")
    first = yield from use(context, pair.access)
    if first.outcome is not Outcome.ACCEPTED:
        raise CannotTest("the login's access token does not pass at the target")
    return pair


def log_in_refreshable(context: Context) -> Generator[Step, tuple[Exchange, ...], tuple[Pair, str]]:
    """A session with a refresh token. Raises CannotTest when the login gives none."""
    pair = yield from log_in(context)
    if pair.refresh is None:
        raise CannotTest("the login gave no refresh token")
    return pair, pair.refresh


def use(context: Context, access: str, label: str = "use the access token") -> Asked:
    """Present an access token at the target; no judgement."""
    return (yield from ask(context.attempt(access, label, check=None)))


def refresh(context: Context, token: str, label: str = "refresh") -> Asked:
    """Trade a refresh token; no judgement."""
    request = refresh_request(context.plan, token)
    return (yield from ask(Probe(label=label, request=request, check=None)))


def refresh_all(
    context: Context, tokens: tuple[str, ...], *others: Request
) -> Generator[Step, tuple[Exchange, ...], tuple[Exchange, ...]]:
    """Trade refresh tokens, and send other requests, all at the same moment."""
    requests = (*(refresh_request(context.plan, token) for token in tokens), *others)
    probes = [Probe(label="at once", request=request, check=None) for request in requests]
    return (yield from burst(probes))


def end(context: Context, route: Request | None, access: str) -> Asked:
    """Call a logout-like route as that session. Raises CannotTest when it refuses."""
    request = context.request(access, base=given(route))
    exchange = yield from ask(Probe(label=f"call {request.target}", request=request, check=None))
    if exchange.answer.status >= 400 or exchange.answer.failure is not None:
        raise CannotTest(f"{request.target} answered {exchange.answer.status or exchange.outcome}")
    return exchange

"""What is asked of a request before the application sees it."""

from typing import Any, Final

from flask import Flask, Request

from jwt_guard.errors import Refusal
from jwt_guard.marks import Rule, rules_among
from jwt_guard_flask.admission import (
    Guards,
    Memo,
    admit,
    current_request,
    memo_of,
    stop,
    welcome,
)
from jwt_guard_flask.marks import has_methods, is_served_unguarded, marks_of

__all__ = ["Watch"]

_Known = tuple[Any, list[Rule] | None]
"""A view, and what it asks by its marks; None if it has none."""

_NO_VIEW: Final[_Known] = (None, None)


class Watch:
    """Asks an application's guards before all of its hooks, which may look things up, or answer.

    Args:
        app: the application; its guards are among its extensions already.
    """

    def __init__(self, app: Flask) -> None:
        self._guards: Guards = app.extensions["jwt_guard"]
        self._app = app
        self._known: dict[str | None, _Known] = {}
        self._preprocess = app.preprocess_request

    def preprocess(self, *context: Any) -> Any:
        """Stands for `Flask.preprocess_request`."""
        current = current_request()
        if current.method == "OPTIONS" and _is_preflight(current):
            return self._app.make_default_options_response()
        memo = memo_of(current, self._guards)
        rules = self._rules(current, memo)
        if not rules:
            welcome(memo)
        try:
            for rule in rules:
                admit(memo, rule)
        except Refusal as refusal:
            stop(refusal)
        return self._preprocess(*context)

    def _rules(self, current: Request, memo: Memo) -> list[Rule]:
        """What the matched view asks; where it says nothing, what the guards ask of everybody."""
        endpoint = current.endpoint
        view = self._app.view_functions.get(endpoint) if endpoint else None
        known, rules = self._known.get(endpoint, _NO_VIEW)
        if known is not view or (view is not None and is_served_unguarded(view)):
            rules = self._learn(endpoint, view, current.method)
        return self._guards.asking(memo.view) if rules is None else rules

    def _learn(self, endpoint: str | None, view: Any, method: str) -> list[Rule] | None:
        """What a view asks by its marks; kept, unless that depends on the method."""
        marks = [] if view is None else marks_of(view, method)
        rules = rules_among(marks) if marks else None
        if not has_methods(view):
            self._known[endpoint] = view, rules
        return rules


def _is_preflight(current: Request) -> bool:
    """Whether a browser asks what pages of other origins may send, and no view answers.

    Such a question never bears credentials (Fetch, section 4.8). Nothing but Flask's own answer is
    given: hooks before a request may look things up, which only callers may have them do.
    """
    answers = getattr(current.url_rule, "provide_automatic_options", False)
    names = "Origin", "Access-Control-Request-Method"
    return answers and all(name in current.headers for name in names)

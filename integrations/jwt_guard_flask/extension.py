"""The extension: installs guards in applications and asks them before everything else."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from flask import Flask, current_app, request

from jwt_guard.config import Source
from jwt_guard.errors import ConfigurationError, Problem, Refusal
from jwt_guard.guard import Guard
from jwt_guard.marks import Rule, rules_among
from jwt_guard.routes import PathList
from jwt_guard_flask.admission import (
    Installed,
    Memo,
    admit,
    behind,
    keep_private,
    memo_of,
    refused,
    stop,
    welcome,
)
from jwt_guard_flask.marks import marks_of
from jwt_guard_flask.signals import announce

__all__ = ["JWTGuard"]


class JWTGuard:
    """Guards an application's views.

        app.config["JWT_GUARD"] = "jwt_guard.toml"  # or a mapping with the same keys
        JWTGuard(app)

    The extension holds no state: one object serves several applications. Several guards serve one
    application, by name.

    Args:
        app: the application, or none to call `init_app` later.
        name: the guard's name. Its configuration is `app.config["JWT_GUARDS"][name]`, or
            `app.config["JWT_GUARD"]` for `default`.
        guard: a guard made already, instead of a configuration.
        public: further public paths, beside those of the configuration.
        protect: `all` or `marked`, instead of what the configuration says.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        name: str = "default",
        guard: Guard | None = None,
        public: Iterable[str] = (),
        protect: str | None = None,
    ) -> None:
        if protect not in {None, "all", "marked"}:
            raise ValueError("protect is 'all' or 'marked'")
        self.name = name
        self._guard = guard
        self._public = PathList(public)
        self._protect = protect
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Install the guard.

        Raises:
            ConfigurationError: with every mistake that the configuration holds.
            RuntimeError: the application has a guard of that name.
        """
        guards = app.extensions.setdefault("jwt_guard", {})
        if self.name in guards:
            raise RuntimeError(f"this application has a guard {self.name!r} already")
        guard = self._guard or Guard.from_config(_source(app, self.name))
        if not guards:
            _watch(app)
        protect = self._protect or guard.config.routes.protect
        public = tuple(listed for listed in (guard.public_paths, self._public) if listed)
        guards[self.name] = Installed(
            guard=guard, public=public, protect=protect, rule=Rule(guard=self.name)
        )
        announce(guard)

    def guard_of(self, app: Flask | None = None) -> Guard:
        """The guard in an application, by default in the current one.

        Raises:
            KeyError: it is not installed there.
        """
        found: Installed = (app or current_app).extensions["jwt_guard"][self.name]
        return found.guard


def _source(app: Flask, name: str) -> Source:
    found: Any = app.config.get("JWT_GUARD")
    if name != "default":
        found = app.config.get("JWT_GUARDS", {}).get(name)
    if found is None:
        place = "JWT_GUARD" if name == "default" else f"JWT_GUARDS[{name!r}]"
        remedy = "set it in app.config to a mapping or to the path of a TOML file"
        raise ConfigurationError(Problem(path=place, message="is missing", remedy=remedy))
    source: Source = found
    return source


def _watch(app: Flask) -> None:
    # The earliest hook of a request: later ones may already look things up, or answer.
    app.url_value_preprocessors.setdefault(None, []).insert(0, partial(_before_everything, app))
    app.register_error_handler(Refusal, refused)
    app.after_request(keep_private)


def _before_everything(app: Flask, endpoint: str | None, view_args: dict[str, Any] | None) -> None:
    current = behind(request)
    memo = memo_of(current, app)
    view = app.view_functions.get(endpoint) if endpoint else None
    rules = _rules(view, current.method, memo)
    if not rules:
        welcome(memo)
    try:
        for rule in rules:
            admit(memo, rule)
    except Refusal as refusal:
        stop(refusal)


def _rules(view: Any, method: str, memo: Memo) -> list[Rule]:
    """What the matched view asks; where it asks nothing, what the guards ask of every request."""
    marks = [] if view is None else marks_of(view, method)
    if marks:
        return rules_among(marks)
    return [one.rule for one in memo.guards.values() if one.protects(memo.view)]

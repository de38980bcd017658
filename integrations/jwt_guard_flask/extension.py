"""The extension: installs guards in applications and asks them before everything else."""

from collections.abc import Iterable
from typing import Any

from flask import Flask, current_app

from jwt_guard.config import Source
from jwt_guard.errors import ConfigurationError, Problem, Refusal
from jwt_guard.guard import Guard
from jwt_guard.marks import Rule
from jwt_guard.routes import PathList
from jwt_guard_flask.admission import Guards, Installed, keep_private, refused
from jwt_guard_flask.signals import announce
from jwt_guard_flask.watch import Watch

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
        guards = app.extensions.setdefault("jwt_guard", Guards())
        if self.name in guards:
            raise RuntimeError(f"this application has a guard {self.name!r} already")
        guard = self._guard or Guard.from_config(_source(app, self.name))
        if not guards:
            _watch(app)
        protect = self._protect or guard.config.routes.protect
        public = tuple(listed for listed in (guard.public_paths, self._public) if listed)
        rule = Rule(guard=self.name)
        guards.add(Installed(guard=guard, public=public, protect=protect, rule=rule))
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
    app.register_error_handler(Refusal, refused)
    app.after_request(keep_private)
    # Earlier than any hook, and without asking Flask's proxies for what a hook is told.
    app.preprocess_request = Watch(app).preprocess  # type: ignore[method-assign]

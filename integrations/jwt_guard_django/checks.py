"""System checks: `manage.py check` tells of mistakes before a request can."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from jwt_guard.assurance.checks import findings
from jwt_guard.errors import ConfigurationError
from jwt_guard_django.guards import guards, user_of
from jwt_guard_django.middleware import JWTGuardMiddleware

__all__ = ["check_configuration", "check_middleware", "check_weaknesses"]

Apps = Sequence[AppConfig] | None

_AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
_LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


def check_configuration(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E001 for every mistake in `JWT_GUARD` and `JWT_GUARDS`, E002 for `JWT_GUARD_USER`."""
    found: list[CheckMessage] = []
    try:
        guards()
    except ConfigurationError as error:
        found += [
            Error(f"{problem.path}: {problem.message}", hint=problem.remedy, id="jwt_guard.E001")
            for problem in error.problems
        ]
    return found + _check_user_of()


def _check_user_of() -> list[CheckMessage]:
    try:
        hook = user_of()
    except ImportError as error:
        return [_no_user_of(str(error))]
    return [] if hook is None or callable(hook) else [_no_user_of("is nothing to call")]


def _no_user_of(why: str) -> CheckMessage:
    remedy = "name a function that takes a principal and answers a user or None"
    return Error(f"JWT_GUARD_USER: {why}", hint=remedy, id="jwt_guard.E002")


def check_weaknesses(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W003 for every setting that weakens a guard, as `jwt-guard check` warns of it."""
    try:
        made = guards()
    except ConfigurationError:
        return []  # told as E001
    return [
        checks.Warning(
            f"{_setting_of(name)}.{found.path}: {found.message}",
            hint=f"{found.remedy} ({found.reference})",
            id="jwt_guard.W003",
        )
        for name, guard in made.items()
        for found in findings(guard.config)
        if found.level == "warning"
    ]


def _setting_of(name: str) -> str:
    return "JWT_GUARD" if name == "default" else f"JWT_GUARDS[{name!r}]"


def check_middleware(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W001 for a middleware in the wrong place, W002 for none at all."""
    ours = _place_of(JWTGuardMiddleware)
    if ours is None:
        remedy = "add jwt_guard_django.JWTGuardMiddleware"
        return [checks.Warning("MIDDLEWARE: nothing is guarded", hint=remedy, id="jwt_guard.W002")]
    authentication = _place_of(import_string(_AUTHENTICATION))
    login_required = _place_of(import_string(_LOGIN_REQUIRED))
    found: list[CheckMessage] = []
    if authentication is not None and authentication > ours:
        found.append(_misplaced("overwrites request.user", f"put it after {_AUTHENTICATION}"))
    if login_required is not None and login_required < ours:
        found.append(_misplaced("does not know callers yet", f"put it before {_LOGIN_REQUIRED}"))
    return found


def _misplaced(why: str, remedy: str) -> CheckMessage:
    message = f"MIDDLEWARE: JWTGuardMiddleware stands where another {why}"
    return checks.Warning(message, hint=remedy, id="jwt_guard.W001")


def _place_of(wanted: type) -> int | None:
    """Where a middleware, or one made of it, stands; the last place if there are several."""
    found = None
    for place, name in enumerate(settings.MIDDLEWARE):
        middleware = import_string(name)
        if isinstance(middleware, type) and issubclass(middleware, wanted):
            found = place
    return found

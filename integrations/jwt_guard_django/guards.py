"""The guards of a project, made of its settings.

JWT_GUARD = BASE_DIR / "jwt_guard.toml"     # or a mapping with the same keys, or a Guard
JWT_GUARDS = {"admin": {...}}               # further guards by name
JWT_GUARD_USER = "project.users.user_of"    # from a principal to a user of Django
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from threading import Lock
from typing import Any, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import import_string

from jwt_guard.assembly import opened_store
from jwt_guard.config import Config
from jwt_guard.errors import ConfigurationError, Problem
from jwt_guard.guard import Guard
from jwt_guard.marks import Rule
from jwt_guard.principal import Principal
from jwt_guard.routes import PathList
from jwt_guard.stores.opening import is_djangos
from jwt_guard.stores.protocol import Store, UnusableStore

__all__ = ["UserOf", "default_rules", "get_guard", "guards", "open_paths", "user_of"]

UserOf = Callable[[Principal], Any]
"""From a verified caller to a user of Django; None where there is no such user."""

_making = Lock()


@cache
def guards() -> Mapping[str, Guard]:
    """All guards of the project by name, the default one first.

    Raises:
        ConfigurationError: with every mistake that their configurations hold.
    """
    with _making:  # or two threads that ask first would make two of each
        return _made()


@cache
def _made() -> Mapping[str, Guard]:
    made: dict[str, Guard] = {}
    problems: list[Problem] = []
    for name, place, source in _sources():
        try:
            made[name] = _guard(source)
        except ConfigurationError as error:
            problems += [_at(place, problem) for problem in error.problems]
    if not made and not problems:
        remedy = "set it to a mapping or to the path of a TOML file"
        problems.append(Problem(path="JWT_GUARD", message="is missing", remedy=remedy))
    if problems:
        raise ConfigurationError(*problems)
    return made


def get_guard(name: str = "default") -> Guard:
    """A guard of the project.

    Raises:
        ConfigurationError: as `guards`.
        RuntimeError: there is none of that name.
    """
    found = guards().get(name)
    if found is None:
        raise RuntimeError(f"the settings have no guard {name!r}: see JWT_GUARD and JWT_GUARDS")
    return found


@cache
def default_rules() -> tuple[Rule, ...]:
    """What guards ask of each view that says nothing itself, except on their open paths.

    Raises:
        ConfigurationError: as `guards`.
    """
    made = guards().items()
    return tuple(Rule(guard=name) for name, each in made if each.config.routes.protect == "all")


@cache
def open_paths() -> Mapping[str, PathList]:
    """The paths where guards ask nothing by default, by the names of the guards that have any.

    Raises:
        ConfigurationError: as `guards`.
    """
    return {name: each.public_paths for name, each in guards().items() if each.public_paths}


@cache
def user_of() -> UserOf | None:
    """The project's way from a caller to a user, if it has one.

    Raises:
        ImportError: the setting names nothing.
    """
    # Django looks anew, and at length, each time that it is asked for a setting that is not there.
    hook = getattr(settings, "JWT_GUARD_USER", None)
    return cast(UserOf | None, import_string(hook) if isinstance(hook, str) else hook)


def _guard(source: Any) -> Guard:
    if isinstance(source, Guard):
        return source
    return Guard.from_config(source, open_store=_opened_store)


def _opened_store(config: Config) -> Store:
    """The store that a configuration names, which may be one of the project's databases."""
    if not is_djangos(config.store.url):
        return opened_store(config)
    from jwt_guard_django.store import DjangoStore  # models wait for the apps to be ready

    try:
        return DjangoStore.from_url(config.store.url)
    except UnusableStore as error:
        problem = Problem(path="store.url", message=str(error), remedy="name a database's alias")
        raise ConfigurationError(problem) from None


def _sources() -> Iterator[tuple[str, str, Any]]:
    """Name, place in the settings, and configuration of each guard."""
    if hasattr(settings, "JWT_GUARD"):
        yield "default", "JWT_GUARD", settings.JWT_GUARD
    for name, source in getattr(settings, "JWT_GUARDS", {}).items():
        yield name, f"JWT_GUARDS[{name!r}]", source


def _at(place: str, problem: Problem) -> Problem:
    return Problem(path=f"{place}.{problem.path}", message=problem.message, remedy=problem.remedy)


@receiver(setting_changed)
def _forget(setting: str, **kwargs: Any) -> None:
    if setting in {"JWT_GUARD", "JWT_GUARDS"}:
        for made in (_made, guards, default_rules, open_paths):
            made.cache_clear()
    if setting == "JWT_GUARD_USER":
        user_of.cache_clear()

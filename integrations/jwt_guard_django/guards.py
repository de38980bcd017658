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
from jwt_guard.stores.protocol import Store, UnusableStore

__all__ = ["UserOf", "default_rules", "get_guard", "guards", "user_of"]

UserOf = Callable[[Principal], Any]
"""From a verified caller to a user of Django; None where there is no such user."""

_made: dict[str, Guard] = {}
_hooks: list[UserOf | None] = []
_making = Lock()


def guards() -> Mapping[str, Guard]:
    """All guards of the project by name, the default one first.

    Raises:
        ConfigurationError: with every mistake that their configurations hold.
    """
    if not _made:
        with _making:
            if not _made:
                _made.update(_make())
    return _made


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
def default_rules() -> tuple[tuple[Rule, PathList | None], ...]:
    """What guards ask of each view that says nothing itself, except on these paths, if any.

    Raises:
        ConfigurationError: as `guards`.
    """
    return tuple(
        (Rule(guard=name), guard.public_paths or None)
        for name, guard in guards().items()
        if guard.config.routes.protect == "all"
    )


def user_of() -> UserOf | None:
    """The project's way from a caller to a user, if it has one.

    Raises:
        ImportError: the setting names nothing.
    """
    if not _hooks:
        _hooks.append(_hook())
    return _hooks[0]


def _hook() -> UserOf | None:
    # Django looks anew, and at length, each time that it is asked for a setting that is not there.
    hook = getattr(settings, "JWT_GUARD_USER", None)
    return cast(UserOf | None, import_string(hook) if isinstance(hook, str) else hook)


def _make() -> dict[str, Guard]:
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


def _guard(source: Any) -> Guard:
    if isinstance(source, Guard):
        return source
    return Guard.from_config(source, open_store=_opened_store)


def _opened_store(config: Config) -> Store:
    """The store that a configuration names, which may be one of the project's databases."""
    if not config.store.url.startswith("django:"):
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
        _made.clear()
        default_rules.cache_clear()
    if setting == "JWT_GUARD_USER":
        _hooks.clear()

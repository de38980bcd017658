"""First-party login with Django's own users: their backends check, their groups are the roles.

from jwt_guard.login import login_endpoints
from jwt_guard_django.login import check_credentials, still_valid

guard = get_guard()
guard.sessions.still_valid = still_valid
urlpatterns += jwt_guard_django.urlpatterns(guard, login_endpoints(check_credentials))

In the settings, `JWT_GUARD_USER = "jwt_guard_django.login.user_of"` makes it `request.user`.
"""

from typing import Any

from django.contrib.auth import authenticate, get_user_model
from django.core.exceptions import ValidationError

from jwt_guard.login import Identity
from jwt_guard.principal import Principal
from jwt_guard.sessions.hooks import User
from jwt_guard.stores.protocol import Session
from jwt_guard_django.guards import guards

__all__ = ["check_credentials", "still_valid", "user_of"]


def check_credentials(name: str, password: str) -> Identity | None:
    """Whoever Django's authentication backends say that is; they refuse inactive users.

    The subject is the user's primary key, which is never given to another, and the roles are the
    names of the user's groups.
    """
    user: Any = authenticate(username=name, password=password)
    if user is None:
        return None
    return Identity(subject=str(user.pk), roles=_roles(user))


def still_valid(session: Session) -> User | None:
    """Asked at each refresh: the user's groups as they are now; None for one who may not go on.

    A user who was removed or made inactive ends the session.
    """
    user = _active(session.subject)
    return None if user is None else User(roles=_roles(user))


def user_of(principal: Principal) -> Any:
    """The user whom a token of ours is about; None for other issuers' and for inactive users.

    The subject of another issuer is no primary key here, even if it looks like one. Ours are the
    issuers of all guards of the project: where one logs in others than `check_credentials` does,
    name a function of your own.
    """
    ours = {each.config.tokens.issuer for each in guards().values() if each.config.tokens}
    return _active(principal.subject) if principal.issuer in ours else None


def _active(subject: str) -> Any:
    users: Any = get_user_model()._default_manager
    try:
        user: Any = users.filter(pk=subject).first()
    except (ValidationError, ValueError, OverflowError):
        return None
    # A key may be read from several texts, of which it is written as one.
    if user is None or str(user.pk) != subject:
        return None
    return user if user.is_active else None


def _roles(user: Any) -> tuple[str, ...]:
    return tuple(user.groups.values_list("name", flat=True).order_by("name"))

"""A caller where Django's own code expects a user."""

from collections.abc import Iterable
from typing import Any, Self

from jwt_guard.principal import Principal

__all__ = ["TokenUser"]


class TokenUser:
    """A principal in the shape of a user: what a principal has not, Django's code may still ask.

    Every attribute of the principal is one of the user too. Nothing is looked up anywhere.
    """

    is_active = True
    is_authenticated = True
    is_anonymous = False
    is_staff = False
    is_superuser = False

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    @property
    def pk(self) -> str:
        """The caller's key: issuer and subject."""
        return self.principal.identity

    id = pk

    async def itself(self) -> Self:
        """What `request.auser()` answers."""
        return self

    @property
    def username(self) -> str:
        """The subject."""
        return self.principal.subject

    def get_username(self) -> str:
        """The subject."""
        return self.principal.subject

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Whether the token grants a permission, on everything."""
        return perm in self.principal.permissions

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Whether the token grants all of these permissions."""
        return self.principal.permissions.issuperset(perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Whether the token grants a permission of that app, named `app.permission`."""
        return any(name.startswith(f"{app_label}.") for name in self.principal.permissions)

    def __getattr__(self, name: str) -> Any:
        if name == "principal":  # not set yet, as while it is being copied
            raise AttributeError(name)
        return getattr(self.principal, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenUser) and self.principal == other.principal

    def __hash__(self) -> int:
        return hash(self.principal)

    def __str__(self) -> str:
        return self.principal.subject

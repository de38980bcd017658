"""The one small application that every client mounts, written down without any framework."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jwt_guard import Guard, Principal, Requirement, acr, fresh, role, scope, tenant

PUBLIC_PATHS = ("/health", "/static/*")
INTERNAL = "internal"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One route.

    Attributes:
        path: its path; `{name}` is a parameter, `{name:path}` one that may hold slashes.
        method: the method that it answers; GET answers HEAD too.
        asks: the arguments of `require`; None for a handler without it.
        public: whether its handler is marked as public.
        acts: what the handler itself asks of its caller, by `guard.authorize`.
    """

    path: str
    method: str = "GET"
    asks: Mapping[str, Any] | None = None
    public: bool = False
    acts: Requirement | None = None

    @property
    def methods(self) -> list[str]:
        """The methods that it answers."""
        return ["GET", "HEAD"] if self.method == "GET" else [self.method]

    def spelled(self, parameter: str, whole: str) -> str:
        """The path in a framework's own spelling of parameters, given as format strings."""
        path = re.sub(r"{(\w+):path}", lambda found: whole.format(found[1]), self.path)
        return re.sub(r"{(\w+)}", lambda found: parameter.format(found[1]), path)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters in a path of this route; None for another path."""
        pattern = self.spelled("(?P<{}>[^/]+)", "(?P<{}>.*)")
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict()


def _asks(requirement: Requirement | None = None, **options: Any) -> Mapping[str, Any]:
    return {"requirement": requirement, **options}


ROUTES = (
    Route(path="/plain"),
    Route(path="/plain", method="POST"),
    Route(path="/me", asks=_asks()),
    Route(path="/reports", asks=_asks(role("analyst"))),
    Route(path="/reports", method="POST", asks=_asks(scope("reports:write"))),
    Route(path="/users/{id}", method="DELETE", asks=_asks(role("admin") & fresh(minutes=5))),
    Route(path="/mfa", asks=_asks(acr("mfa"))),
    Route(path="/tenants/{tenant}/invoices", asks=_asks(tenant(path="tenant"))),
    Route(path="/optional", asks=_asks(optional=True)),
    Route(path="/anonymous", asks=_asks(optional=True, bad_token="anonymous")),
    Route(path="/optional-admin", asks=_asks(role("admin"), optional=True)),
    Route(path="/public", public=True),
    Route(path="/health"),
    Route(path="/static/{name:path}"),
    Route(path="/acts", asks=_asks(), acts=role("admin")),
    Route(path="/internal", asks=_asks(guard=INTERNAL)),
)
"""Every client serves exactly these."""


@dataclass
class Application:
    """What the routes do, whatever serves them.

    Attributes:
        guard: the default guard.
        internal: the guard named `internal`, which protects only what is marked for it.
        seen: the principals that handlers saw since it was last emptied.
    """

    guard: Guard
    internal: Guard
    seen: list[Principal | None] = field(default_factory=list)

    def answer(self, route: Route, principal: Principal | None) -> bytes:
        """The body of a handler's answer.

        Raises:
            Refusal: the handler itself asks more of its caller.
        """
        if route.acts is not None:
            assert principal is not None
            self.guard.authorize(principal, route.acts)
        self.seen.append(principal)
        subject = principal.subject if principal else None
        return json.dumps({"subject": subject, "path": route.path}).encode()

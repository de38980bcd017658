"""How well-known providers name themselves, so that a name that no token bears is told at start.

Not all have a place here: Keycloak, and others under a host of one's own, have no form that could
be told.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["right_form"]

_GUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """The names of the issuers at some hosts.

    Attributes:
        hosts: a pattern of the hosts.
        path: a pattern of what follows the host.
        written: what to write, for people.
    """

    hosts: str
    path: str
    written: str


_OKTA = _Form(
    hosts=r"[^/]+\.okta(preview|-emea|-gov)?\.com",
    path="(/oauth2/[^/]+)?",
    written="https://<you>.okta.com/oauth2/<authorization server>, without a slash at its end",
)
_FORMS = (
    _Form(
        hosts=r"login\.microsoftonline\.com",
        path=rf"/{_GUID}/v2\.0",
        written="https://login.microsoftonline.com/<tenant's GUID>/v2.0 (tokens never name `common`"
        " or `organizations`: write {tenant} and list `tenants`)",
    ),
    _Form(
        hosts=r"sts\.windows\.net",
        path=rf"/{_GUID}/",
        written="https://sts.windows.net/<tenant's GUID>/, with the slash",
    ),
    _Form(hosts=r"[^/]+\.auth0\.com", path="/", written="https://<tenant>.auth0.com/, slash too"),
    _OKTA,
    _Form(
        hosts=r"cognito-idp\.[a-z0-9-]+\.amazonaws\.com(\.cn)?",
        path=r"/[a-z0-9-]+_[A-Za-z0-9]+",
        written="https://cognito-idp.<region>.amazonaws.com/<user pool id>",
    ),
    _Form(hosts=r"accounts\.google\.com", path="", written="https://accounts.google.com"),
)


def right_form(issuer: str, profile: str) -> str | None:
    """How an issuer is named, where the name is not in that form; else None.

    Args:
        issuer: its name, whose host tells whose form that is.
        profile: the kind of its tokens. Okta's access tokens for others come from a custom
            authorization server, also under a host of one's own.
    """
    if profile == "okta" and "/oauth2/" not in issuer:
        return _OKTA.written
    try:
        parts = urlsplit(issuer)
    except ValueError:
        return None
    host = parts.netloc.lower()
    form = next((each for each in _FORMS if re.fullmatch(each.hosts, host)), None)
    if form is None or re.fullmatch(form.path, issuer.partition(parts.netloc)[2]):
        return None
    return form.written

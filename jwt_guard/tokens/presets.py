"""The tokens of well-known providers, as their documentation describes them.

Providers that issue `at+jwt` need no preset: that is `rfc9068`. All others mark their access tokens
by claims; a preset asks for the marks, so that an ID token or a refresh token of the same provider
is refused, and knows where roles, scopes, permissions and the tenant stand.
"""

from dataclasses import replace

from jwt_guard.tokens.profiles import LEGACY, RFC9068, Profile

__all__ = ["PROFILES"]

_JWT = frozenset({"jwt"})
_JWT_OR_AT = frozenset({"jwt", "at+jwt"})
_UNTYPED_TOO = frozenset({None, "jwt", "at+jwt"})
_REQUIRED = ("iss", "exp", "aud", "sub", "iat")

_BASE = replace(LEGACY, fixed={}, tenant=None, permissions=())

_KEYCLOAK = replace(
    _BASE,
    name="keycloak",
    types=_JWT_OR_AT,
    required=(*_REQUIRED, "typ"),
    fixed={"typ": frozenset({"Bearer", "DPoP"})},
    roles=(("realm_access", "roles"), ("resource_access", "{audience}", "roles")),
)
"""Access tokens say `typ: Bearer` in the claims; ID tokens say `ID`, refresh tokens `Refresh`."""

_ENTRA = replace(
    _BASE,
    name="entra",
    types=_JWT,
    required=(*_REQUIRED, "azp", "tid", "ver"),
    fixed={"ver": frozenset({"2.0"})},
    scopes=("scp",),
    tenant="tid",
)
"""Version 2.0. Access tokens name the client in `azp`; ID tokens do not."""

_ENTRA_V1 = replace(
    _ENTRA,
    name="entra-v1",
    required=(*_REQUIRED, "appid", "tid", "ver"),
    fixed={"ver": frozenset({"1.0"})},
    renamed={"client_id": "appid"},
)
"""Version 1.0, which applications get that ask for it or state nothing."""

_AUTH0 = replace(
    _BASE,
    name="auth0",
    types=_JWT_OR_AT,
    required=_REQUIRED,
    roles=(),
    permissions=("permissions",),
    tenant="org_id",
)
"""Roles stand under a URL of your own, where a post-login action puts them."""

_OKTA = replace(
    _BASE,
    name="okta",
    types=_UNTYPED_TOO,
    required=(*_REQUIRED, "cid"),
    renamed={"client_id": "cid"},
    roles=("groups",),
    scopes=("scp",),
)
"""Of a custom authorization server. Access tokens name the client in `cid`; ID tokens do not."""

_COGNITO = replace(
    _BASE,
    name="cognito",
    types=_UNTYPED_TOO,
    required=("iss", "exp", "client_id", "sub", "iat", "token_use"),
    audience="client_id",
    fixed={"token_use": frozenset({"access"})},
    roles=("cognito:groups",),
)
"""Access tokens have no `aud`: the audience to configure is the app client's identifier."""

_ID_TOKEN = replace(
    _BASE,
    name="id-token",
    types=frozenset({None, "jwt"}),
    required=_REQUIRED,
    absent=frozenset({"events", "htm", "htu"}),
    roles=(),
    scopes=(),
)
"""OpenID Connect ID tokens, for applications that have nothing else; the audience is the client."""

_GOOGLE = replace(_ID_TOKEN, name="google", tenant="hd")
"""ID tokens of Google; the tenant is the Workspace domain."""

_OIDC = replace(
    LEGACY, name="oidc", types=_UNTYPED_TOO, required=_REQUIRED, roles=("roles", "groups")
)
"""Access tokens of any other OpenID provider that issues them as JWT without `at+jwt`."""

_SIMPLEJWT = replace(
    _BASE,
    name="simplejwt",
    types=_JWT,
    required=("iss", "exp", "aud", "user_id", "jti", "token_type"),
    fixed={"token_type": frozenset({"access"})},
    renamed={"sub": "user_id"},
)
"""Of djangorestframework-simplejwt, with ISSUER and AUDIENCE set."""

_FLASK_JWT_EXTENDED = replace(
    _BASE,
    name="flask-jwt-extended",
    types=_JWT,
    required=(*_REQUIRED, "jti", "type"),
    fixed={"type": frozenset({"access"})},
)
"""Of Flask-JWT-Extended, with JWT_ENCODE_ISSUER and JWT_ENCODE_AUDIENCE set."""

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        RFC9068,
        LEGACY,
        _KEYCLOAK,
        _ENTRA,
        _ENTRA_V1,
        _AUTH0,
        _OKTA,
        _COGNITO,
        _GOOGLE,
        _OIDC,
        _ID_TOKEN,
        _SIMPLEJWT,
        _FLASK_JWT_EXTENDED,
    )
}
"""Every profile that a configuration can name."""

"""An API on Starlette and PyJWT: `python -m tests.attacks.sound.pyjwt_server [default]`.

Careful, or as the documentation's first example has it.
"""

from __future__ import annotations

import json
import secrets
import sys
import time

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.attacks.sound.announce import announced

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ISSUER, AUDIENCE = "https://issuer.test", "https://api.test"
DEFAULT = sys.argv[1:] == ["default"]
NO_STORE = {"Cache-Control": "no-store"}


def issue() -> str:
    """A good token."""
    now = int(time.time())
    claims = {"sub": "ada", "iat": now, "exp": now + 600}
    claims |= {} if DEFAULT else {"iss": ISSUER, "aud": AUDIENCE}
    claims |= {"jti": secrets.token_hex(8), "client_id": "web", "roles": ["admin"]}
    return jwt.encode(claims, PEM, algorithm="RS256", headers={"typ": "at+jwt", "kid": "rsa-1"})


def claims_of(request: Request) -> dict[str, object] | None:
    """The claims of a good token, by everything that PyJWT offers."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        if DEFAULT:
            return jwt.decode(text, PUBLIC, algorithms=["RS256"])
        if jwt.get_unverified_header(text).get("typ") != "at+jwt":
            return None
        return jwt.decode(
            text,
            PUBLIC,
            algorithms=["RS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
    except jwt.PyJWTError:
        return None


async def me(request: Request) -> JSONResponse:
    """Who is calling."""
    claims = claims_of(request)
    if claims is None:
        sent = "authorization" in request.headers
        challenge = 'Bearer error="invalid_token"' if sent else "Bearer"
        headers = {**NO_STORE, "WWW-Authenticate": challenge}
        return JSONResponse({"title": "Refused"}, 401, headers)
    return JSONResponse({"subject": claims.get("sub")}, headers=NO_STORE)


async def jwks(_request: Request) -> JSONResponse:
    """The public key."""
    jwk = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
    return JSONResponse({"keys": [{**jwk, "kid": "rsa-1", "alg": "RS256", "use": "sig"}]})


app = Starlette(routes=[Route("/me", me), Route("/.well-known/jwks.json", jwks)])

if __name__ == "__main__":
    with announced(token=issue(), signing_key=PEM, versions=f"PyJWT {jwt.__version__}") as sock:
        uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[sock])

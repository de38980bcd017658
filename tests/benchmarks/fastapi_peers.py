"""What others offer FastAPI, as dependencies that ask for an RS256 token of ours."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from importlib.util import find_spec
from threading import Thread
from typing import Any

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tests.benchmarks import material
from tests.support import tokens

__all__ = ["Peer", "decoded", "dependencies", "key_server"]

Peer = tuple[Any, str]
"""A dependency, and a token that it accepts."""


@contextmanager
def key_server() -> Generator[str]:
    """Serve our public key to those who take keys from nowhere else; gives its URL."""

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/jwk-set+json")
            self.end_headers()
            self.wfile.write(json.dumps(tokens.jwks("RS256")).encode())

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Not worth a line."""

    with HTTPServer(("127.0.0.1", 0), Keys) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/jwks"
        server.shutdown()


def dependencies(jwks_uri: str) -> dict[str, Peer]:
    """All that are installed, by name; they may ask for the keys there once, at first use."""
    made: dict[str, tuple[str, Callable[[], Peer]]] = {
        "HTTPBearer + PyJWT": ("jwt", lambda: (_bearer, material.token())),
        "authx": ("authx", _authx),
        "axioms": ("axioms_fastapi", lambda: _axioms(jwks_uri)),
        "auth0": ("fastapi_plugin", _auth0),
    }
    return {name: make() for name, (module, make) in made.items() if find_spec(module)}


def decoded(token: str) -> Any:
    """The claims by PyJWT, as its documentation shows."""
    key: Any = tokens.key("RS256").public_key
    return jwt.decode(token, key, ["RS256"], audience=tokens.AUDIENCE, issuer=tokens.ISSUER)


_scheme = HTTPBearer()


async def _bearer(found: HTTPAuthorizationCredentials = Depends(_scheme)) -> Any:  # noqa: B008
    try:
        return decoded(found.credentials)
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None


def _authx() -> Peer:
    authx: Any = import_module("authx")
    config = authx.AuthXConfig(
        JWT_ALGORITHM="RS256",
        JWT_PUBLIC_KEY=tokens.public_pem("RS256").decode(),
        JWT_DECODE_AUDIENCE=tokens.AUDIENCE,
        JWT_DECODE_ISSUER=tokens.ISSUER,
        JWT_TOKEN_LOCATION=["headers"],
    )
    return authx.AuthX(config=config).access_token_required, _minted(
        type="access", fresh=False, csrf=""
    )


def _axioms(jwks_uri: str) -> Peer:
    axioms: Any = import_module("axioms_fastapi")
    axioms.init_axioms(
        AXIOMS_AUDIENCE=tokens.AUDIENCE, AXIOMS_ISS_URL=tokens.ISSUER, AXIOMS_JWKS_URL=jwks_uri
    )
    return axioms.require_auth, material.token()


def _auth0() -> Peer:
    issuer = "https://issuer.example.test/"
    documents = {
        f"{issuer}.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": "keys"},
        "keys": tokens.jwks("RS256"),
    }

    async def fetch(url: str) -> Any:
        return documents[url]

    plugin: Any = import_module("fastapi_plugin")
    auth0 = plugin.Auth0FastAPI(
        domain="issuer.example.test", audience=tokens.AUDIENCE, custom_fetch=fetch
    )
    return auth0.require_auth(), _minted(iss=issuer)


def _minted(**claims: Any) -> str:
    return tokens.mint(material.claims(**claims), algorithm="RS256")

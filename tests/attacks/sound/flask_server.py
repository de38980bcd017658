"""An API on Flask-JWT-Extended: `python -m tests.attacks.sound.flask_server [default]`.

Careful, or as the documentation's first example has it.
"""

from __future__ import annotations

import secrets
import sys
from importlib.metadata import version
from typing import Any

from flask import Flask, Response, jsonify
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
)
from werkzeug.serving import make_server

from tests.attacks.sound.announce import announced

DEFAULT = sys.argv[1:] == ["default"]
SECRET = "super-secret" if DEFAULT else secrets.token_hex(48)
app = Flask(__name__)
app.config.update(JWT_SECRET_KEY=SECRET)
CAREFUL: dict[str, Any] = {
    "JWT_ALGORITHM": "HS256",
    "JWT_DECODE_ALGORITHMS": ["HS256"],
    "JWT_ENCODE_ISSUER": "https://issuer.test",
    "JWT_DECODE_ISSUER": "https://issuer.test",
    "JWT_ENCODE_AUDIENCE": "https://api.test",
    "JWT_DECODE_AUDIENCE": "https://api.test",
    "JWT_TOKEN_LOCATION": ["headers"],
}
if not DEFAULT:
    app.config.update(CAREFUL)
manager = JWTManager(app)
ended: set[str] = set()


@manager.token_in_blocklist_loader
def is_ended(_header: dict[str, Any], claims: dict[str, Any]) -> bool:
    """Whether the session was logged out, of which both kinds of token tell."""
    return claims["sid"] in ended


@app.post("/auth/login")
def login() -> Response:
    """Two tokens of one session."""
    session = {"sid": secrets.token_hex(8)}
    return jsonify(
        access_token=create_access_token(identity="ada", additional_claims=session),
        refresh_token=create_refresh_token(identity="ada", additional_claims=session),
    )


@app.post("/auth/refresh")
@jwt_required(refresh=True)  # type: ignore[untyped-decorator]
def refresh() -> Response:
    """A new access token."""
    session = {"sid": get_jwt()["sid"]}
    access = create_access_token(identity=get_jwt_identity(), additional_claims=session)
    return jsonify(access_token=access)


@app.post("/auth/logout")
@jwt_required()  # type: ignore[untyped-decorator]
def logout() -> Response:
    """End this session."""
    ended.add(get_jwt()["sid"])
    return jsonify({})


@app.get("/me")
@jwt_required()  # type: ignore[untyped-decorator]
def me() -> Response:
    """Who is calling."""
    return jsonify(subject=get_jwt_identity())


@app.after_request
def no_store(response: Response) -> Response:
    """Nothing of it belongs in a cache."""
    if not DEFAULT:
        response.headers["Cache-Control"] = "no-store"
    return response


if __name__ == "__main__":
    with app.app_context():
        token = create_access_token(identity="ada", additional_claims={"sid": "first"})
    routes = {"login": "/auth/login", "refresh": "/auth/refresh", "logout": "/auth/logout"}
    with announced(
        token=token,
        signing_key=SECRET,
        refresh_as_bearer=True,
        versions=f"Flask-JWT-Extended {version('flask-jwt-extended')}",
        **routes,
    ) as sock:
        make_server("127.0.0.1", 0, app, threaded=True, fd=sock.fileno()).serve_forever()

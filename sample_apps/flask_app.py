"""The sample application of Flask: `python -m sample_apps.flask_app --port 8002`."""

from typing import Any

from flask import Flask

from jwt_guard import Config, Guard
from jwt_guard_flask import JWTGuard, blueprint, current_principal, public, require
from sample_apps import shared
from sample_apps.shared import REQUIREMENTS
from sample_apps.wsgi_server import serve

__all__ = ["create_app", "main"]

Answer = dict[str, Any]


def create_app(config: Config) -> Flask:
    """The application, trusting whom the configuration names."""
    app = Flask(__name__)
    guard = Guard.from_config(config)
    JWTGuard(app, guard=guard)
    app.register_blueprint(blueprint(guard, shared.endpoints()))
    _add_views(app)
    return app


def _add_views(app: Flask) -> None:
    app.get("/public")(welcome)
    app.get("/me")(me)
    app.get("/reports")(reports)
    app.post("/reports")(save_report)
    app.delete("/admin/users/<user_id>")(remove_user)
    app.get("/tenants/<tenant>/invoices")(invoices)


@public
def welcome() -> Answer:
    """Open to everybody."""
    return shared.welcome()


@require(REQUIREMENTS["GET /me"])
def me() -> Answer:
    """The caller."""
    return shared.me(current_principal)


@require(REQUIREMENTS["GET /reports"])
def reports() -> Answer:
    """All reports."""
    return shared.reports()


@require(REQUIREMENTS["POST /reports"])
def save_report() -> tuple[Answer, int]:
    """Save a report."""
    return shared.saved(), 201


@require(REQUIREMENTS["DELETE /admin/users/{id}"])
def remove_user(user_id: str) -> Answer:
    """Remove a user."""
    return shared.removed(user_id)


@require(REQUIREMENTS["GET /tenants/{tenant}/invoices"])
def invoices(tenant: str) -> Answer:
    """A tenant's invoices."""
    return shared.invoices(tenant)


def main() -> None:
    """Serve until told to stop."""
    shared.start(create_app, serve)


if __name__ == "__main__":
    main()

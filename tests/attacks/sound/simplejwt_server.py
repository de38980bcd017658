"""An API on Django and simplejwt: `python -m tests.attacks.sound.simplejwt_server [default]`.

Careful, or as the documentation's first example has it.
"""

from __future__ import annotations

import logging
import secrets
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import path
from werkzeug.serving import make_server

from tests.attacks.sound.announce import announced

DEFAULT = sys.argv[1:] == ["default"]
SECRET = secrets.token_hex(48)


CAREFUL = {
    "ALGORITHM": "HS256",
    "ISSUER": "https://issuer.test",
    "AUDIENCE": "https://api.test",
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}


def configure(folder: str) -> None:
    """Rotation, blacklist, issuer and audience: all that the documentation offers."""
    settings.configure(
        SECRET_KEY=secrets.token_hex(32),
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        APPEND_SLASH=False,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": Path(folder) / "db.sqlite3",
                "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
            }
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "rest_framework",
            "rest_framework_simplejwt",
            "rest_framework_simplejwt.token_blacklist",
        ],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [
                "rest_framework_simplejwt.authentication.JWTAuthentication"
            ],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        },
        SIMPLE_JWT={"SIGNING_KEY": SECRET, **({} if DEFAULT else CAREFUL)},
    )
    django.setup()
    call_command("migrate", verbosity=0)


def routes() -> list[Any]:
    """The library's own views, and /me."""
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.views import APIView
    from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

    class Me(APIView):
        def get(self, request: Request) -> Response:
            headers = {"Cache-Control": "no-store"}
            return Response({"subject": request.user.get_username()}, headers=headers)

    return [
        path("me", Me.as_view()),
        path("auth/login", TokenObtainPairView.as_view()),
        path("auth/refresh", TokenRefreshView.as_view()),
    ]


def main(folder: str) -> None:
    """Serve."""
    configure(folder)
    from django.contrib.auth.models import User
    from rest_framework_simplejwt.tokens import AccessToken

    globals()["urlpatterns"] = routes()
    ada = User.objects.create_user("ada", password="ada-demo")
    with announced(
        token=str(AccessToken.for_user(ada)),
        signing_key=SECRET,
        login="/auth/login",
        login_body='{"username": "ada", "password": "ada-demo"}',
        refresh="/auth/refresh",
        refresh_body='{"refresh": "{refresh_token}"}',
        versions=f"djangorestframework-simplejwt {version('djangorestframework-simplejwt')}",
    ) as sock:
        app = get_wsgi_application()
        make_server("127.0.0.1", 0, app, threaded=True, fd=sock.fileno()).serve_forever()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        main(folder)

"""The Django project that the tests are."""

from jwt_guard.keys.signing import generate_key

ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.sessions",
    "rest_framework",
    "drf_spectacular",
    "jwt_guard_django",
]
JWT_GUARD = {
    "audience": "https://api.example",
    "routes": {"public": ["/open", "/files/*"]},
    "tokens": {
        "issuer": "https://app.example",
        "signing_keys": {"keys": [generate_key("ES256")]},
    },
}
JWT_GUARDS = {
    "admin": {
        "audience": "https://api.example",
        "realm": "admin",
        "routes": {"protect": "marked"},
        "tokens": {
            "issuer": "https://admin.example",
            "signing_keys": {"keys": [generate_key("ES256")]},
        },
    },
}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "jwt_guard_django.JWTGuardMiddleware",
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["jwt_guard_django.rest_framework.JWTAuthentication"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
ROOT_URLCONF = "tests.adapters.django.urls"
SECRET_KEY = "only for tests, and for nothing else at all"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

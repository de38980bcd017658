"""The server of the WSGI samples: gunicorn, in this process, without its command line."""

from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

from sample_apps.shared import Arguments, ready

__all__ = ["serve"]

_LONGEST_FIELD = 65_536
"""As uvicorn's, so that a long token gets the guard's answer here too, and not gunicorn's 431."""


def serve(application: Callable[..., Any], arguments: Arguments) -> None:
    """Serve until told to stop, by one process with threads, so that its memory is shared."""
    _Server(application, arguments).run()


class _Server(BaseApplication):
    def __init__(self, application: Callable[..., Any], at: Arguments) -> None:
        self._application = application
        self._at = at
        super().__init__()

    def load_config(self) -> None:
        host = f"[{self._at.host}]" if ":" in self._at.host else self._at.host
        settings = {
            "bind": f"{host}:{self._at.port}",
            "worker_class": "gthread",
            "threads": 8,
            "loglevel": "warning",
            "control_socket_disable": True,
            "limit_request_field_size": _LONGEST_FIELD,
            "when_ready": self._ready,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        return self._application

    def _ready(self, arbiter: Any) -> None:
        ready(self._at.host, arbiter.LISTENERS[0].getsockname()[1])

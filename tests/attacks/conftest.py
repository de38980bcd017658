"""The real stores, for every test in here."""

from tests.support.servers import (
    postgresql_server,
    postgresql_url,
    valkey_server,
    valkey_url,
)

__all__ = ["postgresql_server", "postgresql_url", "valkey_server", "valkey_url"]

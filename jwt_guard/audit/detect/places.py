"""Where addresses are, by your own GeoIP2 database."""

from functools import lru_cache
from pathlib import Path

from jwt_guard.audit.detect.stolen import Locator

__all__ = ["geoip_locator"]

_REMEMBERED = 20_000


def geoip_locator(database: Path) -> Locator:
    """A locator that reads a GeoIP2 or GeoLite2 city database.

    Raises:
        ImportError: `geoip2` is not installed.
        OSError: the database cannot be read.
        ValueError: it is none, or one without places.
    """
    try:
        from geoip2.database import Reader
        from geoip2.errors import GeoIP2Error
        from maxminddb import InvalidDatabaseError
    except ImportError:
        raise ImportError("impossible travel needs geoip2: pip install geoip2") from None
    try:
        reader = Reader(str(database))
    except InvalidDatabaseError as error:
        raise ValueError(f"{database.name}: {error}") from None
    if "City" not in reader.metadata().database_type:
        raise ValueError(f"{database.name} tells no cities")

    @lru_cache(_REMEMBERED)
    def locate(address: str) -> tuple[float, float] | None:
        try:
            location = reader.city(address).location
        except (GeoIP2Error, ValueError):
            return None
        if location.latitude is None or location.longitude is None:
            return None
        return location.latitude, location.longitude

    return locate

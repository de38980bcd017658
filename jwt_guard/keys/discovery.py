"""Where an issuer's keys are, by its own metadata (OpenID Connect Discovery 1.0, RFC 8414).

Only what the configuration names is ever asked, and the metadata must name it back exactly.
"""

import logging
from typing import Any

import msgspec
from authlib.oauth2.rfc8414 import (  # type: ignore[import-untyped]
    AuthorizationServerMetadata,
    get_well_known_url,
)
from authlib.oidc.discovery import OpenIDProviderMetadata  # type: ignore[import-untyped]
from authlib.oidc.discovery import get_well_known_url as get_openid_url

from jwt_guard.flow import Flow
from jwt_guard.keys.documents import KeysNotLoaded
from jwt_guard.keys.fetch import FetchFailed, Get
from jwt_guard.keys.reach import Reach
from jwt_guard.keys.urls import is_fetchable

__all__ = ["Discovery"]

_log = logging.getLogger("jwt_guard.keys")


class Discovery:
    """The metadata of one issuer.

    Args:
        issuer: its exact name, a URL.
        reach: which addresses may be asked; this very host also over http.
    """

    def __init__(self, issuer: str, *, reach: Reach) -> None:
        self.issuer = issuer
        self._reach = reach

    def jwks_uri(self, deadline: float) -> Flow[str]:
        """Where the issuer's key set is. OpenID metadata are tried first, then OAuth's.

        Args:
            deadline: when all must have been done, in seconds of `time.monotonic`.

        Raises:
            KeysNotLoaded: there are no metadata, or they are not to be believed.
        """
        try:
            body = yield from self._get(get_openid_url(self.issuer, external=True), deadline)
            kind: type[AuthorizationServerMetadata] = OpenIDProviderMetadata
        except FetchFailed as error:
            if error.status not in {403, 404, 405, 410}:
                raise
            body = yield from self._get(get_well_known_url(self.issuer, external=True), deadline)
            kind = AuthorizationServerMetadata
        return self._believed(kind, _parsed(body))

    def _get(self, url: str, deadline: float) -> Flow[bytes]:
        return (yield from Get(url=url, deadline=deadline, reach=self._reach))

    def _believed(self, kind: type[AuthorizationServerMetadata], document: dict[str, Any]) -> str:
        if document.get("issuer") != self.issuer:
            raise KeysNotLoaded("metadata that name another issuer")
        uri = document.get("jwks_uri")
        if not isinstance(uri, str) or not is_fetchable(uri, self._reach):
            raise KeysNotLoaded("metadata without a jwks_uri that may be asked")
        self._validate(kind(document), decisive={"issuer", "jwks_uri"})
        return uri

    def _validate(self, metadata: AuthorizationServerMetadata, *, decisive: set[str]) -> None:
        """What is wrong with a member that we use counts; the rest is worth a line in the log."""
        for name in metadata.REGISTRY_KEYS:
            try:
                getattr(metadata, f"validate_{name}")()
            except Exception as error:  # noqa: BLE001 - members of wrong types raise anything
                if name in decisive and not self._reach.loopback:
                    raise KeysNotLoaded(f"metadata whose {name} is not valid") from None
                _log.debug("metadata of %s: %s: %s", self.issuer, name, type(error).__name__)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise KeysNotLoaded("metadata that are not a JSON object") from None

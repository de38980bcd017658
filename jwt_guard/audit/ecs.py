"""Events as Elastic Common Schema 9 JSON, by option."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from jwt_guard.audit.chain import Encoded
from jwt_guard.audit.shown import OWN, Shown

__all__ = ["OPENING", "EcsEncoder"]

OPENING = b'{"event":{"sequence":'
VERSION = "9.0.0"

_encode = msgspec.json.Encoder().encode
_FAILURES = frozenset(
    {"refused", "denied", "login_failed", "refresh_failed", "reuse_detected", "keys_down"}
)
_TYPES = {
    "authenticated": ["allowed"],
    "refused": ["denied"],
    "denied": ["denied"],
    "login": ["start"],
    "login_failed": ["start", "denied"],
    "issued": ["creation"],
    "refreshed": ["change"],
    "refresh_failed": ["change", "denied"],
    "reuse_detected": ["indicator", "denied"],
    "logged_out": ["end"],
    "revoked": ["deletion"],
    "key_rotated": ["change"],
    "keys_down": ["error"],
    "configuration_weakened": ["change"],
    "alert": ["indicator"],
    "purged": ["deletion"],
    "erased": ["deletion"],
}
_CATEGORIES = {
    "denied": ["api"],
    "key_rotated": ["configuration"],
    "keys_down": ["configuration"],
    "keys_recovered": ["configuration"],
    "configuration_weakened": ["configuration"],
    "alert": ["threat"],
    "issued": ["authentication", "session"],
    "refreshed": ["authentication", "session"],
    "revoked": ["session"],
    "logged_out": ["authentication", "session"],
}


class EcsEncoder:
    """Writes what may be shown as ECS.

    Args:
        service: the API's name.
        version: this product's version.
    """

    openings = (OPENING,)

    def __init__(self, *, service: str, version: str) -> None:
        self._service = {"name": service, "type": "jwt_guard", "version": version}

    def encode(self, shown: Shown) -> Encoded:
        """A record that waits for its sequence number."""
        body: dict[str, Any] = {
            "@timestamp": _instant(shown.time),
            "ecs": {"version": VERSION},
            "service": self._service,
            **_who(shown),
            **_request(shown),
            "jwt_guard": _own(shown),
        }
        text = b"," + _encode(_event(shown))[1:] + b"," + _encode(body)[1:-2]
        return Encoded(OPENING, text, shown.time)


def _instant(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")


def _event(shown: Shown) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": shown.uid,
        "kind": "alert" if shown.name in {"alert", "reuse_detected"} else "event",
        "category": ["host"] if shown.name in OWN else _CATEGORIES.get(shown.name, _DEFAULT),
        "type": _TYPES.get(shown.name, ["info"]),
        "action": shown.name,
        "outcome": "failure" if shown.name in _FAILURES else "success",
        "dataset": "jwt_guard.audit",
    }
    if shown.reason is not None:
        told["reason"] = shown.reason
    if shown.since is not None:
        told |= {"start": _instant(shown.since), "end": _instant(shown.time)}
    return told


_DEFAULT = ["authentication"]


def _who(shown: Shown) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if shown.user is not None:
        told["user"] = {"id": shown.user}
    if shown.tenant is not None:
        told["organization"] = {"id": shown.tenant}
    if shown.trace is not None:
        told["trace"] = {"id": shown.trace}
    if shown.name == "alert" and shown.detail:
        told["rule"] = {"id": str(shown.detail.get("rule", "alert"))}
    return told


def _request(shown: Shown) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if shown.address is not None:
        told["source"] = {"address": shown.address}
        if shown.address != "invalid":
            told["source"]["ip"] = shown.address
    if shown.method is not None:
        told["http"] = {"request": {"method": shown.method}}
        told["url"] = {"path": shown.path or ""}
    if shown.agent is not None:
        told["user_agent"] = {"original": shown.agent}
    return told


def _own(shown: Shown) -> dict[str, Any]:
    told: dict[str, Any] = {"event": shown.name}
    if shown.count != 1:
        told["count"] = shown.count
    for name in ("session", "token", "issuer", "client_id", "claim"):
        value = getattr(shown, name)
        if value is not None:
            told[name] = value
    for name in ("presented", "detail", "claims"):
        value = getattr(shown, name)
        if value is not None:
            told[name] = value
    return told

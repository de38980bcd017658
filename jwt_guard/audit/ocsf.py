"""Events as OCSF 1.8.0 JSON.

Tokens and logins are Authentication (3002), denials API Activity (6003), keys and settings Entity
Management (3004), a key source's outage Application Error (6008), alerts Detection Finding (2004),
and what befalls the log itself Event Log Activity (1008).
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from jwt_guard.audit.chain import Encoded
from jwt_guard.audit.shown import UNVERIFIED, Shown
from jwt_guard.errors import Reason

__all__ = ["OPENING", "OcsfEncoder"]

OPENING = b'{"metadata":{"sequence":'
VERSION = "1.8.0"

_ALLOWED = (1, 1)
_BLOCKED = (2, 2)
_OBSERVED = (3, 17)
_ALERTED = (3, 19)
_REVOKED = (2, 24)
_SUCCESS, _FAILURE = 1, 2
_OAUTH_2 = 6
_STATUS = {reason.value: reason.kind.status for reason in Reason}
_REMEMBERED = 10_000
_API_ACTIVITY = 6003
_CALLED = frozenset({3002, _API_ACTIVITY})
_NOWHERE = {"name": "unknown"}
_UID = b',"uid":"'
_NO_TIME = b'"time":0,'
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Kind:
    """How an event is classified: class, activity and its name, severity, status, action."""

    class_uid: int
    activity_id: int
    activity: str
    severity_id: int = 1
    status_id: int = _SUCCESS
    action: tuple[int, int] = _OBSERVED

    @property
    def alert(self) -> bool:
        return self.severity_id >= 4


_LOG_ACTIVITY = {
    "checkpoint": (99, "Checkpoint"),
    "rotated": (5, "Rotate"),
    "recovered": (8, "Restart"),
    "purged": (2, "Delete"),
    "erased": (99, "Erase Subject"),
    "exported": (3, "Export"),
    "gap": (99, "Gap"),
}

_KINDS = {
    "authenticated": _Kind(3002, 99, "Token Verified", action=_ALLOWED),
    "refused": _Kind(3002, 99, "Token Rejected", 2, _FAILURE, _BLOCKED),
    "denied": _Kind(6003, 99, "Call", 2, _FAILURE, _BLOCKED),
    "login": _Kind(3002, 1, "Logon", action=_ALLOWED),
    "login_failed": _Kind(3002, 1, "Logon", 2, _FAILURE, _BLOCKED),
    "issued": _Kind(3002, 99, "Token Issued", action=_ALLOWED),
    "refreshed": _Kind(3002, 99, "Token Refreshed", action=_ALLOWED),
    "refresh_failed": _Kind(3002, 99, "Token Refresh Refused", 2, _FAILURE, _BLOCKED),
    "reuse_detected": _Kind(3002, 99, "Refresh Token Reused", 4, _FAILURE, _BLOCKED),
    "logged_out": _Kind(3002, 2, "Logoff", action=_ALLOWED),
    "revoked": _Kind(3002, 99, "Token Revoked", 2, action=_REVOKED),
    "key_rotated": _Kind(3004, 3, "Update"),
    "keys_down": _Kind(6008, 1, "General Error", 4, _FAILURE),
    "keys_recovered": _Kind(6008, 99, "Recovered"),
    "configuration_weakened": _Kind(3004, 3, "Update", 3),
    "alert": _Kind(2004, 1, "Create", 4, action=_ALERTED),
} | {
    name: _Kind(1008, activity, caption, 3 if name in {"gap", "recovered"} else 1)
    for name, (activity, caption) in _LOG_ACTIVITY.items()
}
_METHODS = {
    "GET": (2, "Read"),
    "HEAD": (2, "Read"),
    "POST": (1, "Create"),
    "PUT": (3, "Update"),
    "PATCH": (3, "Update"),
    "DELETE": (4, "Delete"),
}


class OcsfEncoder:
    """Writes what may be shown as OCSF.

    Args:
        service: the API's name.
        version: this product's version.
    """

    openings = (OPENING,)

    def __init__(self, *, service: str, version: str) -> None:
        self._service = service
        self._known: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
        self._product = {"name": "jwt_guard", "vendor_name": "jwt-guard-web", "version": version}

    def encode(self, shown: Shown) -> Encoded:
        """A record that waits for its sequence number."""
        if shown.name != "authenticated" or shown.count != 1 or shown.trace or shown.claims:
            return Encoded(OPENING, self._text(shown), shown.time)
        return self._repeated(shown)

    def _text(self, shown: Shown) -> bytes:
        kind = _KINDS[shown.name]
        event = {"uid": shown.uid, **self._metadata(shown)}
        body = {**_classified(kind, shown), **self._about(kind, shown), "unmapped": _rest(shown)}
        # The sequence number goes in front of metadata's first member, the attestation behind
        # unmapped's last: two closing braces are left away.
        return b"," + _encode(event)[1:] + b"," + _encode(body)[1:-2]

    def _repeated(self, shown: Shown) -> Encoded:
        """Verified requests resemble each other: all but the id and the time is remembered."""
        key = msgspec.structs.astuple(shown)[3:]
        known = self._known.get(key)
        if known is None:
            text = self._text(msgspec.structs.replace(shown, uid="", time=0))
            # In text from strangers every quote is escaped, so that these occur but once.
            before, _, after = text.removeprefix(_UID).partition(_NO_TIME)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = (before, after)
        text = b'%b%b%b"time":%d,%b' % (
            _UID,
            shown.uid.encode(),
            known[0],
            int(shown.time * 1000),
            known[1],
        )
        return Encoded(OPENING, text, shown.time)

    def _metadata(self, shown: Shown) -> dict[str, Any]:
        told = {
            "version": VERSION,
            "product": self._product,
            "profiles": ["security_control"],
            "event_code": shown.name,
            "log_name": "jwt_guard.audit",
            "correlation_uid": _correlation(shown),
        }
        if shown.tenant is not None:
            told["tenant_uid"] = shown.tenant
        return told

    def _about(self, kind: _Kind, shown: Shown) -> dict[str, Any]:
        told: dict[str, Any] = {"service": {"name": self._service}}
        if kind.class_uid in _CALLED:
            told["src_endpoint"] = _NOWHERE
        told |= _request(shown)
        told |= _BY_CLASS.get(kind.class_uid, _nothing_more)(shown)
        if kind.class_uid == _API_ACTIVITY:
            told["api"]["service"] = told["service"]
        return told


def _classified(kind: _Kind, shown: Shown) -> dict[str, Any]:
    activity_id, activity = kind.activity_id, kind.activity
    if shown.name == "denied":
        activity_id, activity = _METHODS.get(shown.method or "", (99, shown.method or "Other"))
    told: dict[str, Any] = {
        "class_uid": kind.class_uid,
        "category_uid": kind.class_uid // 1000,
        "activity_id": activity_id,
        "activity_name": activity,
        "type_uid": kind.class_uid * 100 + activity_id,
        "severity_id": _severity(kind, shown),
        "status_id": kind.status_id,
        "status_code": shown.reason or shown.name,
        "time": int(shown.time * 1000),
        "action_id": kind.action[0],
        "disposition_id": kind.action[1],
    }
    if kind.alert:
        told["is_alert"] = True
    if shown.count != 1:
        told |= {"count": shown.count, "end_time": told["time"]}
        told["start_time"] = int((shown.since or shown.time) * 1000)
    return told


def _correlation(shown: Shown) -> str:
    """What leads to the events that belong together, by the narrowest thing that is known."""
    user = None if shown.user == UNVERIFIED else shown.user
    said = shown.presented or {}
    known = (shown.trace, shown.session, shown.token, said.get("credential"), user)
    return next((each for each in known if each), shown.uid)


def _severity(kind: _Kind, shown: Shown) -> int:
    told = shown.detail.get("severity") if shown.name == "alert" and shown.detail else None
    return told if isinstance(told, int) and 1 <= told <= 5 else kind.severity_id


def _user(shown: Shown) -> dict[str, str]:
    return {"uid": shown.user or UNVERIFIED}


def _session(shown: Shown) -> dict[str, str] | None:
    told = {"uid": shown.session, "credential_uid": shown.token, "issuer": shown.issuer}
    return {name: value for name, value in told.items() if value is not None} or None


def _request(shown: Shown) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if shown.address is not None:
        told["src_endpoint"] = {"ip": shown.address}
    if shown.method is not None:
        request: dict[str, Any] = {"http_method": shown.method, "url": {"path": shown.path or ""}}
        if shown.agent is not None:
            request["user_agent"] = shown.agent
        told["http_request"] = request
    return told


def _authentication(shown: Shown) -> dict[str, Any]:
    told: dict[str, Any] = {"user": _user(shown), "auth_protocol_id": _OAUTH_2}
    session = _session(shown)
    if session is not None:
        told["session"] = session
    return told


def _api_call(shown: Shown) -> dict[str, Any]:
    actor: dict[str, Any] = {"user": _user(shown)}
    session = _session(shown)
    if session is not None:
        actor["session"] = session
    operation = f"{shown.method} {shown.path}" if shown.method else "authorize"
    told: dict[str, Any] = {
        "actor": actor,
        "api": {
            "operation": operation,
            "response": {"code": _STATUS.get(shown.reason or "", 403)},
        },
        "authorizations": [{"decision": "denied", "policy": {"name": shown.reason}}],
    }
    return told


def _changed_entity(shown: Shown) -> dict[str, Any]:
    detail = shown.detail or {}
    name = detail.get("kid") or detail.get("setting") or shown.issuer or shown.name
    return {"entity": {"name": str(name), "type": shown.name.partition("_")[0]}}


def _finding(shown: Shown) -> dict[str, Any]:
    detail = shown.detail or {}
    rule = str(detail.get("rule", "alert"))
    told: dict[str, Any] = {
        "finding_info": {
            "uid": shown.uid,
            "title": str(detail.get("title", rule)),
            "analytic": {"name": rule, "type_id": 1, "uid": rule},
            "created_time": int(shown.time * 1000),
        }
    }
    if shown.user is not None:
        told["evidences"] = [{"actor": {"user": _user(shown), "session": _session(shown) or {}}}]
    return told


def _log_activity(shown: Shown) -> dict[str, Any]:
    return {"log_name": "jwt_guard.audit"}


def _nothing_more(shown: Shown) -> dict[str, Any]:
    return {}


_BY_CLASS = {
    1008: _log_activity,
    2004: _finding,
    3002: _authentication,
    3004: _changed_entity,
    _API_ACTIVITY: _api_call,
}


def _rest(shown: Shown) -> dict[str, Any]:
    told: dict[str, Any] = {"event": shown.name}
    for name in ("claim", "client_id", "presented", "detail", "claims"):
        value = getattr(shown, name)
        if value is not None:
            told[name] = value
    return told

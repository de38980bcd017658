"""OpenTelemetry: what became of a request on its current span, and records as OTel logs."""

import importlib
from collections.abc import Sequence
from typing import Any

import msgspec

from jwt_guard.audit.chain import Encoded, unlinked
from jwt_guard.audit.observer import Occurrence, Pending
from jwt_guard.audit.sinks import Format
from jwt_guard.errors import Refusal
from jwt_guard.http import RequestView
from jwt_guard.principal import Principal

__all__ = ["OtelLogSink", "SpanObserver", "current_trace"]

_INFO, _WARN, _ERROR = 9, 13, 17


def _api(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImportError(
            "OpenTelemetry is not installed: pip install 'jwt-guard-web[otel]'"
        ) from None


def current_trace() -> str | None:
    """The id of the trace that this request belongs to, as W3C Trace Context writes it."""
    context = _api("opentelemetry.trace").get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


class SpanObserver:
    """Sets `jwt_guard.*` attributes on the current span. An `Observer`.

    Args:
        user: whether the subject is told too, as `user.id`; traces are often kept by others.

    Raises:
        ImportError: OpenTelemetry is not installed.
    """

    def __init__(self, *, user: bool = False) -> None:
        self._trace = _api("opentelemetry.trace")
        self._user = user

    def authenticated(self, principal: Principal, view: RequestView | None) -> Pending:
        """See `Observer`."""
        span = self._trace.get_current_span()
        if span.is_recording():
            span.set_attribute("jwt_guard.result", "accepted")
            span.set_attribute("jwt_guard.issuer", principal.issuer)
            if self._user:
                span.set_attribute("user.id", principal.subject)
        return None

    def refused(self, refusal: Refusal, view: RequestView | None) -> Pending:
        """See `Observer`."""
        self._set("refused", refusal)
        return None

    def denied(self, refusal: Refusal, principal: Principal, view: RequestView | None) -> Pending:
        """See `Observer`."""
        self._set("denied", refusal)
        return None

    def happened(self, occurrence: Occurrence) -> Pending:
        """See `Observer`: an event of the span."""
        span = self._trace.get_current_span()
        if span.is_recording():
            span.add_event(f"jwt_guard.{occurrence.name.value}")
        return None

    def _set(self, result: str, refusal: Refusal) -> None:
        span = self._trace.get_current_span()
        if span.is_recording():
            span.set_attribute("jwt_guard.result", result)
            span.set_attribute("jwt_guard.reason", refusal.reason.value)


class OtelLogSink:
    """Emits each record as an OpenTelemetry log record, whose body is the record.

    Raises:
        ImportError: OpenTelemetry is not installed.
    """

    durable = False

    def __init__(self, format: Format = "ocsf") -> None:  # noqa: A002 - as sinks call it
        self.name = "otel:"
        self.format: Format = format
        self._logs = _api("opentelemetry._logs")
        self._logger = self._logs.get_logger("jwt_guard.audit")
        self._sequence = 0

    def write(self, records: Sequence[Encoded]) -> None:
        """See `Sink`."""
        for record in records:
            self._sequence += 1
            body = msgspec.json.decode(unlinked(record, self._sequence))
            self._logger.emit(self._record(record, body))

    def close(self) -> None:
        """See `Sink`: the provider is the application's."""

    def _record(self, record: Encoded, body: dict[str, Any]) -> Any:
        own = body.get("unmapped") or body["jwt_guard"]
        severity = _severity(body)
        return self._logs.LogRecord(
            timestamp=int(record.time * 1e9),
            severity_number=self._logs.SeverityNumber(severity),
            severity_text={_INFO: "INFO", _WARN: "WARN", _ERROR: "ERROR"}[severity],
            body=body,
            attributes={"event.name": f"jwt_guard.{own['event']}"},
        )


def _severity(body: dict[str, Any]) -> int:
    """OCSF counts from informational (1) to critical (5); ECS has outcome and kind."""
    told = body.get("severity_id")
    if told is None:
        event = body["event"]
        told = 4 if event["kind"] == "alert" else 1 + (event["outcome"] == "failure")
    return _ERROR if told >= 4 else _WARN if told >= 2 else _INFO

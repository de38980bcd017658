"""Metrics, traces and logs as Prometheus and OpenTelemetry see them."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jwt_guard import Guard, role
from jwt_guard.audit.metrics import BUCKETS, Histogram, Metrics
from jwt_guard.audit.observer import EventName, Occurrence, tell_now
from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from tests.core.audit.conftest import MakeGuard, lines, view


def token_of(guard: Guard) -> str:
    """A token of the guard's own."""
    assert guard.issuer is not None
    return guard.issuer.issue("ada", client_id="web")


def use(guard: Guard) -> None:
    """Two good requests, a forged one, a denied one, a refresh."""
    token = token_of(guard)
    good = run(guard.identify(view(token)))
    run(guard.identify(view(token)))
    run(guard.identify(view(token[:-8] + "AAAAAAAA")))
    with pytest.raises(Refusal):
        guard.permit(good, view(token), role("admin"))
    tell_now(guard.observers, Occurrence(name=EventName.REFRESHED, subject="ada"))
    assert guard.trail is not None
    guard.trail.flush()


def test_prometheus_reads_our_text(make_guard: MakeGuard) -> None:
    """Every sample has a name, labels and a number, in the text format's grammar."""
    guard = make_guard()
    use(guard)
    assert guard.trail is not None
    text = guard.trail.metrics.text()
    for line in (
        'jwt_guard_verifications_total{result="accepted",reason=""} 2',
        'jwt_guard_verifications_total{result="refused",reason="signature_invalid"} 1',
        'jwt_guard_verifications_total{result="denied",reason="role_missing"} 1',
        'jwt_guard_events_total{event="refreshed"} 1',
        "jwt_guard_cache_hits_total 1",
        "jwt_guard_verification_seconds_count 3",
        "jwt_guard_audit_queue_depth 0",
    ):
        assert line in text.splitlines()
    parser = pytest.importorskip("prometheus_client.parser")
    families = {each.name: each for each in parser.text_string_to_metric_families(text)}
    assert families["jwt_guard_verifications"].type == "counter"
    assert families["jwt_guard_verification_seconds"].type == "histogram"


def test_what_strangers_say_cannot_break_the_text() -> None:
    """Quotes, backslashes and line breaks in a label are escaped."""
    counted = Metrics()
    counted.alert('a"b\\c\nd')
    assert 'rule="a\\"b\\\\c\\nd"' in counted.text()


def test_a_great_number_keeps_all_its_digits() -> None:
    """A counter that was rounded would stand still, and then leap."""
    counted = Metrics()
    counted.gauge("many", "Many.", lambda: {(): 123_456_789.0}, kind="counter")
    counted.gauge("age", "A time.", lambda: {(): 1_790_000_000.25})
    assert "jwt_guard_many_total 123456789\n" in counted.text()
    assert "jwt_guard_age 1790000000.25\n" in counted.text()


def test_a_time_falls_into_its_bucket() -> None:
    """Cumulative, upper bounds included."""
    histogram = Histogram((1.0, 2.0))
    for seconds in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(seconds)
    assert histogram.read() == ([2, 3, 4], 12.0)


def test_metrics_without_any_sink(make_guard: MakeGuard, tmp_path: Path) -> None:
    """`metrics = true` counts, and writes nothing."""
    guard = make_guard(sink=[], metrics=True)
    use(guard)
    assert guard.trail is not None
    assert 'result="accepted"' in guard.trail.metrics.text()
    assert not (tmp_path / "audit.jsonl").exists()


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """The spans that were ended; OpenTelemetry knows one provider a process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(scope="module")
def measured() -> Iterator[InMemoryMetricReader]:
    """What a reader of metrics collects."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    metrics.set_meter_provider(provider)
    yield reader
    provider.shutdown()


def test_outcomes_stand_on_the_span_and_the_trace_in_the_record(
    make_guard: MakeGuard, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    """Correlated both ways; the subject only where it is asked for, a token never."""
    spans.clear()
    guard = make_guard(otel={"spans": True})
    token = token_of(guard)
    tracer = trace.get_tracer("test")
    with tracer.start_as_current_span("good"):
        good = run(guard.identify(view(token)))
        with pytest.raises(Refusal):
            guard.permit(good, view(token), role("admin"))
        tell_now(guard.observers, Occurrence(name=EventName.REVOKED))
    with tracer.start_as_current_span("bad"):
        run(guard.identify(view("a.b.c")))
    guard.close()
    first, second = spans.get_finished_spans()
    assert dict(first.attributes or {}) == {
        "jwt_guard.result": "denied",
        "jwt_guard.reason": "role_missing",
        "jwt_guard.issuer": "https://app.example.test",
    }
    assert [event.name for event in first.events] == ["jwt_guard.revoked"]
    assert dict(second.attributes or {})["jwt_guard.reason"] == "token_malformed"
    record = lines(tmp_path / "audit.jsonl")[0]
    assert first.context is not None
    assert record["metadata"]["correlation_uid"] == format(first.context.trace_id, "032x")


def test_the_subject_stands_on_the_span_by_setting(
    make_guard: MakeGuard, spans: InMemorySpanExporter
) -> None:
    """`user.id`, opt-in."""
    spans.clear()
    guard = make_guard(otel={"spans": True, "user": True})
    with trace.get_tracer("test").start_as_current_span("good"):
        run(guard.identify(view(token_of(guard))))
    assert dict(spans.get_finished_spans()[0].attributes or {})["user.id"] == "ada"


def test_readers_of_opentelemetry_get_our_metrics(
    make_guard: MakeGuard, measured: InMemoryMetricReader
) -> None:
    """The same numbers."""
    guard = make_guard(otel={"metrics": True})
    use(guard)
    data = measured.get_metrics_data()
    assert data is not None
    found = {
        metric.name: metric.data.data_points
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    values = {
        (point.attributes or {}).get("result"): point.value  # type: ignore[union-attr]
        for point in found["jwt_guard.verifications"]
    }
    assert values == {"accepted": 2, "refused": 1, "denied": 1}
    assert found["jwt_guard.audit_queue_depth"]
    (times,) = found["jwt_guard.verification"]
    assert isinstance(times, HistogramDataPoint)
    assert times.count == 3
    assert times.explicit_bounds == BUCKETS


def test_records_as_opentelemetry_logs(make_guard: MakeGuard) -> None:
    """Body, severity and name of the event."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    _logs.set_logger_provider(provider)
    guard = make_guard(sink="otel:", privacy={"subjects": "plain"})
    use(guard)
    guard.close()
    told = [
        ((each.log_record.attributes or {})["event.name"], each.log_record.severity_text)
        for each in exporter.get_finished_logs()
    ]
    assert told == [
        ("jwt_guard.authenticated", "INFO"),
        ("jwt_guard.authenticated", "INFO"),
        ("jwt_guard.refused", "WARN"),
        ("jwt_guard.denied", "WARN"),
        ("jwt_guard.refreshed", "INFO"),
    ]
    body = exporter.get_finished_logs()[0].log_record.body
    assert isinstance(body, dict)
    assert body["class_uid"] == 3002


def test_the_grafana_dashboard_asks_for_metrics_that_there_are(make_guard: MakeGuard) -> None:
    """And shows every one of them, but for the histogram's own sum and count."""
    guard = make_guard()
    use(guard)
    assert guard.trail is not None
    guard.trail.metrics.alert("burst_address")
    text = guard.trail.metrics.text()
    there = set(re.findall(r"^(jwt_guard_\w+?)(?:\{| )", text, re.MULTILINE))
    there |= {"jwt_guard_keys_age_seconds"}
    dashboard = msgspec.json.decode(
        resources.files("jwt_guard.audit").joinpath("grafana.json").read_bytes()
    )
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = set(re.findall(r"jwt_guard_\w+", " ".join(queries)))
    assert asked <= there
    assert there - asked == {
        "jwt_guard_verification_seconds_sum",
        "jwt_guard_verification_seconds_count",
    }

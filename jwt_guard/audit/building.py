"""From `[audit]` to the trail that records."""

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from jwt_guard.audit.detect.actions import for_rules
from jwt_guard.audit.detect.places import geoip_locator
from jwt_guard.audit.detect.stolen import Locator
from jwt_guard.audit.detect.suite import DetectorSuite, all_detectors
from jwt_guard.audit.ecs import EcsEncoder
from jwt_guard.audit.file import FileSink, Rotation
from jwt_guard.audit.folder import LogFolder
from jwt_guard.audit.forward import CallableSink, LoggingSink, SyslogSink
from jwt_guard.audit.ocsf import OcsfEncoder
from jwt_guard.audit.privacy import PlainNames, Pseudonyms, SubjectKeys
from jwt_guard.audit.rows import RowSink, RowTables
from jwt_guard.audit.sampling import Each, Nothing, Sampled, Sampling, Summary
from jwt_guard.audit.seal import SealKey, Seals, UnusableSealKey
from jwt_guard.audit.settings import AuditConfig, is_durable, scheme_of, split_format
from jwt_guard.audit.shown import Shower, Showing
from jwt_guard.audit.sinks import Encoder, Format, Sink
from jwt_guard.audit.tracing import OtelLogSink, SpanObserver, current_trace
from jwt_guard.audit.trail import AuditTrail
from jwt_guard.errors import ConfigurationError, Problem

__all__ = ["Builder"]

_DAY = 86_400


class Builder:
    """Builds the parts of an audit trail.

    Args:
        config: `[audit]`.
        base: the folder from which relative paths start.
        service: the API's name.
        clock: seconds since 1970 UTC.
    """

    def __init__(
        self,
        config: AuditConfig,
        *,
        base: Path,
        service: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._base = base
        self._clock = clock
        ours = _version()
        self.encoders: dict[Format, Encoder] = {
            "ocsf": OcsfEncoder(service=service, version=ours),
            "ecs": EcsEncoder(service=service, version=ours),
        }

    def trail(self) -> AuditTrail:
        """The trail, not yet begun: files are opened with the first event.

        Raises:
            ConfigurationError: a sink cannot be what it is said to be.
        """
        suite = self.suite() if self._config.detect.enabled else None
        trail = AuditTrail(
            self.sinks(),
            encoders=self.encoders,
            shower=Shower(self.pseudonyms(), self._showing()),
            rules=self._config.rules,
            sampling=self._sampling(),
            suite=suite,
            clock=self._clock,
        )
        self._connect(trail)
        return trail

    def _connect(self, trail: AuditTrail) -> None:
        """Offer OpenTelemetry what it is to be told."""
        asked = self._config.otel
        if not (asked.spans or asked.metrics):
            return
        try:
            if asked.spans:
                current_trace()
                trail.trace = current_trace
            if asked.metrics:
                from opentelemetry.metrics import get_meter

                trail.metrics.offer_to(get_meter("jwt_guard"))
        except ImportError as error:
            raise ConfigurationError(
                Problem(
                    path="audit.otel",
                    message=str(error),
                    remedy="install it, or leave `[audit.otel]` out",
                )
            ) from None

    def span_observer(self) -> SpanObserver | None:
        """What sets attributes on spans, if that is asked for."""
        asked = self._config.otel
        return SpanObserver(user=asked.user) if asked.spans else None

    def suite(self, disable: tuple[str, ...] = ()) -> DetectorSuite:
        """The detectors, as configured.

        Args:
            disable: rules that are left out besides.

        Raises:
            ConfigurationError: the database of places cannot be used.
        """
        config = self._config.detect
        detectors = all_detectors(
            subjects=config.subjects, locate=self._locator(), disable=(*config.disable, *disable)
        )
        suite = DetectorSuite(detectors, subjects=config.subjects)
        if config.step_up:
            suite.actions.append(for_rules(config.step_up, suite.demands))
        return suite

    def _locator(self) -> Locator | None:
        database = self._config.detect.geoip
        if database is None:
            return None
        try:
            return geoip_locator(self._base / database)
        except (ImportError, OSError, ValueError) as error:
            raise ConfigurationError(
                Problem(
                    path="audit.detect.geoip",
                    message=str(error),
                    remedy="give the file of a GeoIP2 or GeoLite2 city database",
                )
            ) from None

    def sinks(self) -> list[Sink]:
        """The sinks, unopened.

        Raises:
            ConfigurationError: one cannot be what it is said to be.
        """
        sinks, problems = [], []
        for place, written in enumerate(self._config.sink or ()):
            try:
                sinks.append(self.sink(written))
            except (ValueError, ImportError, OSError, UnusableSealKey) as error:
                problems.append(
                    Problem(
                        path=f"audit.sink[{place}]",
                        message=str(error),
                        remedy="see the sinks of `[audit]` in the documentation",
                    )
                )
        if self._config.strict and not problems and not any(sink.durable for sink in sinks):
            problems.append(
                Problem(
                    path="audit.strict",
                    message="has no sink that can promise to keep a record",
                    remedy="add a file or a SQL database to `sink`",
                )
            )
        if problems:
            raise ConfigurationError(*problems)
        return sinks

    def sink(self, written: str) -> Sink:
        """One sink.

        Raises:
            ValueError: there is no such place.
            ImportError: what it needs is not installed.
            UnusableSealKey: the key that is to seal it cannot be used.
        """
        asked, place = split_format(written)
        form: Format = "ecs" if (asked or self._config.format) == "ecs" else "ocsf"
        match scheme_of(place):
            case "logging":
                return LoggingSink(place.partition(":")[2] or "jwt_guard.audit.events", form)
            case "syslog":
                return SyslogSink(place, form)
            case "python":
                return self._named_sink(place, form)
            case "otel":
                return OtelLogSink(form)
            case "sql":
                return self.row_sink(place, self._sql_tables(place), form)
            case _:
                return self.file_sink(place, form)

    def _named_sink(self, place: str, form: Format) -> Sink:
        """What a name in code leads to: tables to keep rows in, or a function to call."""
        module, _, name = place.partition(":")[2].partition(":")
        found: Any = getattr(import_module(module), name, None)
        if hasattr(found, "writing"):
            return self.row_sink(place, found, form)
        if not callable(found):
            raise ValueError(f"{place} names nothing that can be called")  # noqa: TRY004
        return CallableSink(found, place, form)

    def file_sink(self, place: str, form: Format) -> FileSink:
        """A file.

        Raises:
            ValueError: its folder is not there.
            UnusableSealKey: its key cannot be used.
        """
        config = self._config.file
        log = self._base / place
        if not log.parent.is_dir():
            raise ValueError(f"there is no folder {log.parent}")
        retention = None if config.retention_days is None else config.retention_days * _DAY
        return FileSink(
            log,
            encoder=self.encoders[form],
            format=form,
            key=self._seal_key(),
            rotation=Rotation(max_bytes=config.max_bytes, daily=config.daily, retention=retention),
            sync=self._config.strict,
            checkpoint_every=config.checkpoint_every,
            clock=self._clock,
        )

    def row_sink(self, name: str, tables: RowTables, form: Format = "ocsf") -> RowSink:
        """A database.

        Raises:
            UnusableSealKey: its key cannot be used.
        """
        folder = self._state()
        key = self._seal_key() or SealKey.read_or_make(folder.seal_key)
        folder.publish(key)
        return RowSink(
            _without_password(name),
            tables,
            encoder=self.encoders[form],
            format=form,
            key=key,
            seals=Seals.read(folder.public_keys),
            checkpoint_every=self._config.file.checkpoint_every,
            clock=self._clock,
        )

    def _sql_tables(self, url: str) -> RowTables:
        try:
            from jwt_guard.audit.sql import SqlTables
        except ImportError as error:
            message = f"needs {error.name}: pip install 'jwt-guard-web[sql]'"
            raise ImportError(message) from None
        return SqlTables(url, self._base)

    def databases(self) -> list[RowSink]:
        """The databases among the sinks.

        Raises:
            ConfigurationError: one cannot be what it is said to be.
        """
        return [sink for sink in self.sinks() if isinstance(sink, RowSink)]

    def _state(self) -> LogFolder:
        """What belongs to the log stands beside its first file, its key, or the configuration."""
        logs = self.logs()
        return LogFolder(logs[0] if logs else self._base / (self._config.file.seal_key or "audit"))

    def public_keys(self) -> Path:
        """The public keys of what this configuration seals."""
        return self._state().public_keys

    def logs(self) -> list[Path]:
        """The files among the sinks."""
        places = [split_format(sink)[1] for sink in self._config.sink or ()]
        return [self._base / place for place in places if scheme_of(place) == "file"]

    def pseudonyms(self) -> Pseudonyms:
        """How people are named.

        Raises:
            ConfigurationError: there is no place for their keys.
        """
        if self._config.privacy.subjects == "plain" or not self._config.sink:
            return PlainNames()
        return self.subject_keys()

    def subject_keys(self) -> SubjectKeys:
        """The keys of the pseudonyms.

        Raises:
            ConfigurationError: there is no place for them.
        """
        keys = self._config.privacy.keys
        if keys is not None:
            return SubjectKeys(self._base / keys)
        if any(map(is_durable, self._config.sink or ())):
            return SubjectKeys(self._state().subjects)
        raise ConfigurationError(
            Problem(
                path="audit.privacy.keys",
                message="is needed where no sink is a file or a database",
                remedy='name a file for the subjects\' keys, or set subjects = "plain"',
            )
        )

    def _seal_key(self) -> SealKey | None:
        named = self._config.file.seal_key
        return None if named is None else SealKey.read_or_make(self._base / named)

    def _showing(self) -> Showing:
        privacy = self._config.privacy
        return Showing(
            v4_bits=privacy.ipv4_bits,
            v6_bits=privacy.ipv6_bits,
            agents=privacy.user_agents,
            claims=privacy.claims,
        )

    def _sampling(self) -> Sampling:
        match self._config.verified:
            case "summary":
                return Summary(self._config.summary_interval)
            case "sampled":
                return Sampled(self._config.sample)
            case "none":
                return Nothing()
            case _:
                return Each()


def _without_password(url: str) -> str:
    """A database's URL as it may stand in a report."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("jwt-guard-web")
    except PackageNotFoundError:
        return "0"

"""`[audit]`: what is recorded, where it goes, and who may not be recognised in it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jwt_guard.audit.detect.suite import RULES
from jwt_guard.audit.queue import QueueRules, WhenFull
from jwt_guard.settings import (
    Mistake,
    boolean,
    choice,
    integer,
    names,
    seconds,
    section,
    setting,
    text,
)

__all__ = ["AuditConfig", "DetectorsConfig", "FileConfig", "PrivacyConfig", "TelemetryConfig"]

_DAY = 86_400
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_+-]+(?=:)")
"""What stands in front of a place like a kind of sink; a single letter is a drive of Windows."""


def _sinks(value: Any) -> tuple[str, ...]:
    if isinstance(value, os.PathLike):
        return (str(Path(value)),)
    if isinstance(value, list | tuple):
        return tuple(_sink(entry) for entry in value)
    return (_sink(value),)


def _sink(value: Any) -> str:
    sink = str(Path(value)) if isinstance(value, os.PathLike) else text(value)
    if sink.strip() in {"ocsf:", "ecs:"}:
        raise Mistake("names a format and no place", "write it as ecs:audit.jsonl")
    place = split_format(sink)[1]
    kind = _KIND.match(place)
    if kind and scheme_of(place) == "file":
        kinds = ", ".join(f"{name}:" for name in sorted(_VOLATILE))
        raise Mistake(
            f"begins with {kind[0]}:, which is no kind of sink",
            f"write a path (as ./name), one of {kinds}, or a SQL URL",
        )
    return sink


def _rules(value: Any) -> tuple[str, ...]:
    listed = names(value)
    if not set(listed) <= set(RULES):
        raise Mistake("names a rule that there is not", f"choose from {', '.join(RULES)}")
    return listed


def _share(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= 1:
        raise Mistake("is no share", "write a number above 0, at most 1")
    return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileConfig:
    """`[audit.file]`: how files are kept."""

    max_bytes: int = setting(
        integer(65_536, 1 << 40), "the size at which a new part begins", default=256 * 1024 * 1024
    )
    daily: bool = setting(boolean, "whether each day (UTC) begins a new part", default=True)
    retention_days: int | None = setting(
        integer(1, 36_500),
        "how many days a part is kept after its last record, and a database's record where"
        " `audit purge` is run; for ever, when not set",
        default=None,
    )
    checkpoint_every: int = setting(
        integer(1, 10_000_000), "how many records there are between checkpoints", default=10_000
    )
    seal_key: str | None = setting(
        text,
        "the private Ed25519 JWK that seals the log; made beside the log, when not set",
        default=None,
        secret=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyConfig:
    """`[audit.privacy]`: what of a person stands in the log."""

    subjects: str = setting(
        choice("pseudonym", "plain"),
        "whether subjects, sessions and tokens stand in the log under a key of each subject, or"
        " by their own names",
        default="pseudonym",
    )
    keys: str | None = setting(
        text,
        "the file of the subjects' keys; beside the first file sink, when not set",
        default=None,
    )
    ipv4_bits: int = setting(integer(0, 32), "how much of an IPv4 address is kept", default=24)
    ipv6_bits: int = setting(integer(0, 128), "how much of an IPv6 address is kept", default=48)
    user_agents: bool = setting(boolean, "whether user agents are kept", default=True)
    claims: tuple[str, ...] = setting(
        names, "the claims of verified callers that are written; none, when not set", default=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorsConfig:
    """`[audit.detect]`: what is looked for while it happens."""

    enabled: bool = setting(boolean, "whether the detectors run in this process", default=True)
    disable: tuple[str, ...] = setting(_rules, "rules that are not looked for", default=())
    geoip: str | None = setting(
        text, "your GeoIP2 city database, for impossible travel", default=None
    )
    revoke: tuple[str, ...] = setting(
        _rules, "rules that end the session on which they fire", default=()
    )
    step_up: tuple[str, ...] = setting(
        _rules, "rules after which the subject must authenticate anew", default=()
    )
    subjects: int = setting(
        integer(100, 10_000_000), "how many subjects each rule remembers", default=20_000
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """`[audit.otel]`: what OpenTelemetry is told; it must be set up by the application."""

    spans: bool = setting(
        boolean,
        "whether outcomes stand on the current span, and trace ids in records",
        default=False,
    )
    metrics: bool = setting(boolean, "whether its readers get our metrics", default=False)
    user: bool = setting(boolean, "whether spans tell the subject, as `user.id`", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """`[audit]`: where events are written."""

    sink: tuple[str, ...] | None = setting(
        _sinks,
        "where events go, one or a list: a file, `logging:`, `syslog:`, `otel:`, the URL of a SQL"
        " database, or `python:module:name`; `ecs:` in front chooses that format; nowhere, when not"
        " set",
        default=None,
        secret=True,
    )
    format: str = setting(
        choice("ocsf", "ecs"), "the format where a sink does not say", default="ocsf"
    )
    verified: str = setting(
        choice("each", "summary", "sampled", "none"),
        "how verified requests are written; refusals and all else always are",
        default="each",
    )
    sample: float = setting(_share, "the share that is written when `sampled`", default=0.01)
    summary_interval: float = setting(
        seconds(1, _DAY), "the seconds that a `summary` sums up", default=60.0
    )
    metrics: bool = setting(
        boolean, "whether outcomes are counted even where no event is written", default=False
    )
    queue: int = setting(integer(1, 10_000_000), "how many events may wait", default=10_000)
    when_full: str = setting(
        choice("block", "drop", "refuse"), "what happens when no more may wait", default="drop"
    )
    strict: bool = setting(
        boolean,
        "whether an outcome takes effect only when its record is safe on the disk",
        default=False,
    )
    patience: float = setting(
        seconds(0.01, 60), "how long a request waits for its record, in seconds", default=5.0
    )
    file: FileConfig = section(FileConfig, "files")
    privacy: PrivacyConfig = section(PrivacyConfig, "what of a person stands in the log")
    detect: DetectorsConfig = section(DetectorsConfig, "what is looked for")
    otel: TelemetryConfig = section(TelemetryConfig, "what OpenTelemetry is told")

    @property
    def rules(self) -> QueueRules:
        """How many events may wait, and what happens to one more."""
        return QueueRules(
            size=self.queue,
            when_full=WhenFull(self.when_full),
            strict=self.strict,
            patience=self.patience,
        )


_VOLATILE = frozenset({"logging", "syslog", "otel", "python"})


def scheme_of(sink: str) -> str:
    """What kind of place a sink is: `file`, `sql`, or one of the named kinds."""
    scheme, colon, rest = sink.partition(":")
    if colon and scheme in _VOLATILE:
        return scheme
    return "sql" if rest.startswith("//") and len(scheme) > 1 and scheme != "file" else "file"


def split_format(sink: str) -> tuple[str | None, str]:
    """The format that a sink asks for, if any, and the rest of it."""
    for name in ("ocsf", "ecs"):
        if sink.startswith(f"{name}:"):
            return name, sink[len(name) + 1 :]
    return None, sink


def is_durable(sink: str) -> bool:
    """Whether a sink can promise to keep a record."""
    return scheme_of(split_format(sink)[1]) in {"file", "sql"}

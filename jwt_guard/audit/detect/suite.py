"""All rules together, and what follows when one fires."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from jwt_guard.audit.detect.actions import Demands
from jwt_guard.audit.detect.base import Alert, Bounded, Detector
from jwt_guard.audit.detect.habits import Habits
from jwt_guard.audit.detect.pressure import (
    ExpiredHammering,
    LoginStuffing,
    RoleProbing,
    UnusualRate,
    burst_by_address,
    burst_by_kid,
    burst_by_subject,
)
from jwt_guard.audit.detect.stolen import (
    ImpossibleTravel,
    Locator,
    NewDevice,
    RefreshReuse,
    TokenTwoDevices,
    TokenTwoNetworks,
)
from jwt_guard.audit.facts import Fact

__all__ = ["RULES", "DetectorSuite", "all_detectors"]

_log = logging.getLogger("jwt_guard.audit")

RULES = (
    "refresh_reuse",
    "token_two_networks",
    "token_two_devices",
    "impossible_travel",
    "new_device",
    "burst_address",
    "burst_subject",
    "burst_kid",
    "role_probing",
    "expired_hammering",
    "login_stuffing",
    "unusual_rate",
)
"""The names of all rules; `impossible_travel` needs a database of places."""

Action = Callable[[Alert], object]


def all_detectors(
    *, subjects: int = 20_000, locate: Locator | None = None, disable: Iterable[str] = ()
) -> list[Detector]:
    """Every rule, as documented, but for those that are disabled.

    Args:
        subjects: how many subjects, tokens or addresses each rule remembers.
        locate: tells where addresses are; without it there is no `impossible_travel`.
        disable: rules that are left out.
    """
    travel: list[Detector] = [ImpossibleTravel(subjects, locate)] if locate else []
    detectors: list[Detector] = [
        RefreshReuse(),
        TokenTwoNetworks(subjects),
        TokenTwoDevices(subjects),
        *travel,
        NewDevice(subjects, locate),
        burst_by_address(subjects),
        burst_by_subject(subjects),
        burst_by_kid(subjects),
        RoleProbing(subjects),
        ExpiredHammering(subjects),
        LoginStuffing(subjects),
        UnusualRate(subjects),
    ]
    left_out = set(disable)
    return [detector for detector in detectors if detector.rule not in left_out]


class DetectorSuite:
    """Shows every event to the rules that want it. A `Watcher`.

    The same alert (rule and key) is not repeated within `quiet` seconds of the last one.

    Args:
        detectors: the rules.
        subjects: how many subjects' habits are remembered.
        quiet: seconds.
        actions: called with each alert, in this thread; their exceptions are logged.

    Attributes:
        alerts: how many alerts each rule has given.
        demands: who must authenticate anew.
    """

    def __init__(
        self,
        detectors: Sequence[Detector],
        *,
        subjects: int = 20_000,
        quiet: float = 3600.0,
        actions: Sequence[Action] = (),
    ) -> None:
        self.actions = list(actions)
        self.demands = Demands()
        self.alerts: dict[str, int] = dict.fromkeys((each.rule for each in detectors), 0)
        self._habits = Habits(subjects)
        self._quiet = quiet
        self._told: Bounded[list[float]] = Bounded(subjects, list)
        self._by_event: defaultdict[str, list[Detector]] = defaultdict(list)
        for detector in detectors:
            for name in detector.sees:
                self._by_event[name].append(detector)

    def watch(self, fact: Fact) -> list[Fact]:
        """See `Watcher`: the alerts that an event gives rise to, as events."""
        return [_as_fact(alert) for alert in self.judge(fact)]

    def judge(self, fact: Fact) -> list[Alert]:
        """The alerts that an event gives rise to."""
        detectors = self._by_event.get(fact.name)
        if not detectors:
            return []
        known = self._habits.before(fact)
        found = [detector.see(fact, known) for detector in detectors]
        alerts = [alert for alert in found if alert is not None and self._is_news(alert)]
        for alert in alerts:
            self.alerts[alert.rule] += 1
            self._act(alert)
        return alerts

    def _is_news(self, alert: Alert) -> bool:
        told = self._told[f"{alert.rule}|{alert.key}"]
        if told and alert.fact.time - told[0] < self._quiet:
            return False
        told[:] = [alert.fact.time]
        return True

    def _act(self, alert: Alert) -> None:
        for action in self.actions:
            try:
                action(alert)
            except Exception:  # noqa: BLE001 - a hook's mistake must not blind the detectors
                _log.exception("the action on an alert failed")


def _as_fact(alert: Alert) -> Fact:
    """The alert as an event: about whom the last event was, without its outcome."""
    detail = {"rule": alert.rule, "title": alert.title, "severity": alert.severity}
    return msgspec.structs.replace(
        alert.fact,
        name="alert",
        reason=None,
        claim=None,
        count=1,
        since=None,
        detail=detail | dict(alert.detail),
    )

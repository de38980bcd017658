"""Attacking an API that is guarded by JSON Web Tokens: catalogue, targets, runner, reports."""

from jwt_guard.attacks.catalogue import CATALOGUE, GROUPS, select
from jwt_guard.attacks.courier import Limits
from jwt_guard.attacks.in_process import target_of
from jwt_guard.attacks.listener import Listener
from jwt_guard.attacks.model import Attack, Need, Report, Request, Result, Severity, Verdict
from jwt_guard.attacks.plan import Carrier, Plan, route
from jwt_guard.attacks.runner import Observer, Runner
from jwt_guard.attacks.targets import NetworkTarget, Target

__all__ = [
    "CATALOGUE",
    "GROUPS",
    "Attack",
    "Carrier",
    "Limits",
    "Listener",
    "Need",
    "NetworkTarget",
    "Observer",
    "Plan",
    "Report",
    "Request",
    "Result",
    "Runner",
    "Severity",
    "Target",
    "Verdict",
    "route",
    "select",
    "target_of",
]

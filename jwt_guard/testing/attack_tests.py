"""The pytest part: one test for each attack, against the application object itself.

    def test_attacks(jwt_guard_attacks):
        jwt_guard_attacks(app, token=make_token(), path="/me")

is as many tests as the catalogue has attacks, named after them: `test_attacks[A1]` and so on. A
hole fails its test, an attack that needs something absent skips it. To choose attacks:

    @pytest.mark.jwt_guard_attacks(only=["A", "B"], skip=["A16"])
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jwt_guard.attacks.listener import Listener
    from jwt_guard.attacks.model import Attack, Report, Result
    from jwt_guard.attacks.targets import Target

NAME = "jwt_guard_attacks"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    text = f"{NAME}(only=(), skip=()): which attacks to run, by id or by group letter"
    config.addinivalue_line("markers", text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each attack that the marker leaves, in the order of their turns."""
    if NAME not in metafunc.fixturenames:
        return
    from jwt_guard.attacks.catalogue import select

    marker = metafunc.definition.get_closest_marker(NAME)
    chosen = select(**(marker.kwargs if marker is not None else {}))
    ordered = sorted(chosen, key=lambda attack: attack.turn)
    metafunc.parametrize(NAME, ordered, ids=[a.id for a in ordered], indirect=True)


@dataclass(slots=True)
class _Grounds:
    """Targets and listener, opened once for a module."""

    stack: ExitStack
    targets: dict[int, tuple[object, Target]] = field(default_factory=dict)
    listener: Listener | None = None

    def target(self, app: object) -> Target:
        from jwt_guard.attacks.in_process import target_of

        if id(app) not in self.targets:
            target = target_of(app)
            self.stack.callback(target.close)
            self.targets[id(app)] = app, target
        return self.targets[id(app)][1]

    def callbacks(self) -> Listener:
        from jwt_guard.attacks.listener import Listener
        from jwt_guard.attacks.material import attacker_jwks

        if self.listener is None:
            self.listener = self.stack.enter_context(Listener(keys=attacker_jwks()))
        return self.listener


@dataclass(frozen=True, slots=True)
class AttackTest:
    """What the fixture gives: call it with the application to try one attack on it."""

    attack: Attack
    grounds: _Grounds

    def __call__(
        self, app: object, *, token: str, path: str = "/", fail_on: str = "medium", **settings: Any
    ) -> Result:
        """Try the attack; fail at a hole of at least `fail_on`, skip where it cannot be judged.

        `app` is an ASGI or WSGI application (so also Django's handlers) or a `Target`; `path` is
        `PATH` or `METHOD PATH`; `settings` are the fields of `jwt_guard.attacks.Plan`. A target
        that cannot be tested fails.
        """
        from jwt_guard.attacks.courier import Limits
        from jwt_guard.attacks.plan import Plan, route
        from jwt_guard.attacks.runner import Runner

        plan = Plan(token=token, **{"request": route(path), **settings})
        runner = Runner(
            self.grounds.target(app),
            plan,
            limits=Limits(rate=0),
            listener=self.grounds.callbacks(),
        )
        return _outcome(runner.run((self.attack,)), fail_on)


def _outcome(report: Report, fail_on: str) -> Result:
    from jwt_guard.attacks.model import Severity, Verdict

    (result,) = report.results
    if result.verdict is Verdict.VULNERABLE and result.severity >= Severity[fail_on.upper()]:
        pytest.fail(_story(result), pytrace=False)
    if report.trouble is not None:
        pytest.fail(f"could not test: {report.trouble}", pytrace=False)
    if result.verdict in {Verdict.SKIPPED, Verdict.INCONCLUSIVE}:
        pytest.skip(f"{result.verdict}: {result.reason}")
    return result


def _story(result: Result) -> str:
    attack = result.attack
    lines = [f"{result.severity.label}: {attack.id} {attack.title}", f"Proves: {attack.proves}"]
    lines += [f"Fix: {attack.remedy}", f"See: {'; '.join(attack.references)}", ""]
    for evidence in result.holes[:3]:
        lines += [f"{evidence.label}: {evidence.says}", evidence.sent, evidence.received, ""]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def _jwt_guard_attack_grounds() -> Iterator[_Grounds]:
    with ExitStack() as stack:
        yield _Grounds(stack)


@pytest.fixture
def jwt_guard_attacks(
    request: pytest.FixtureRequest, _jwt_guard_attack_grounds: _Grounds
) -> AttackTest:
    """One attack of the catalogue, to be tried by calling it with the application and a token."""
    return AttackTest(request.param, _jwt_guard_attack_grounds)

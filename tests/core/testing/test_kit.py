"""What users test with: the token factory, the clock, the pytest plugin."""

from typing import Any

import pytest

from jwt_guard import Guard, Reason, Refusal
from jwt_guard.testing import Clock, TokenFactory

pytest_plugins = ["pytester"]


def test_a_factorys_tokens_are_good() -> None:
    """A guard with the factory's configuration believes its tokens."""
    tokens = TokenFactory()
    guard = Guard.from_config(tokens.config(cache={"size": 0}))
    principal = guard.verify(
        tokens.token("grace", roles=["analyst"], scopes=["a", "b"], tenant="acme", acr="mfa")
    )
    assert (principal.subject, principal.tenant, principal.acr) == ("grace", "acme", "mfa")
    assert principal.roles == {"analyst"}
    assert principal.scopes == {"a", "b"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"exp": 0}, Reason.TOKEN_EXPIRED),
        ({"exp": None}, Reason.CLAIM_MISSING),
        ({"aud": "https://other.example"}, Reason.AUDIENCE_MISMATCH),
        ({"iss": "https://other.example"}, Reason.ISSUER_UNKNOWN),
        ({"token_type": "JWT"}, Reason.TOKEN_TYPE_INVALID),
    ],
)
def test_and_bad_in_one_point_when_asked(options: dict[str, Any], reason: Reason) -> None:
    """One changed claim makes a token bad for that reason alone."""
    tokens = TokenFactory()
    guard = Guard.from_config(tokens.config())
    with pytest.raises(Refusal) as refused:
        guard.verify(tokens.token(**options))
    assert refused.value.reason is reason


def test_the_clock_moves_only_when_told() -> None:
    """Factory and guard share a clock that a test moves past a token's end."""
    clock = Clock(1_900_000_000)
    tokens = TokenFactory(clock=clock, algorithm="EdDSA")
    guard = Guard.from_config(tokens.config(), clock=clock)
    token = tokens.token()
    clock.pass_by(299)
    assert guard.verify(token).expires_at == 1_900_000_300
    clock.pass_by(1)
    with pytest.raises(Refusal, match="token_expired"):
        guard.verify(token)


def test_the_plugin_gives_tokens_and_attacks(pytester: pytest.Pytester) -> None:
    """Installed is enough: there are tokens, and a test of each chosen attack."""
    pytester.makepyfile(
        """
        import pytest
        from jwt_guard import Guard
        from jwt_guard_asgi import JWTGuardMiddleware
        from jwt_guard.testing import TokenFactory

        TOKENS = TokenFactory()

        async def answer(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})

        APP = JWTGuardMiddleware(answer, guard=Guard.from_config(TOKENS.config()))

        def test_headers(jwt_guard_tokens):
            assert jwt_guard_tokens.headers()["Authorization"].startswith("Bearer ey")

        @pytest.mark.jwt_guard_attacks(only=["A2", "A6", "B1"])
        def test_attacks(jwt_guard_attacks):
            jwt_guard_attacks(APP, token=TOKENS.token(), path="/me")
        """
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-p", "no:django")
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) == 0, result.stdout.str()
    assert outcomes["passed"] >= 2

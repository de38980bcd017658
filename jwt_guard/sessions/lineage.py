"""The rules of rotation, without clock, store or cryptography.

A session knows its confirmed generation n, the branch of n, and the moment r at which n was
presented last, which names the branch of n + 1. Both are in each refresh token. Any token of a
generation above n was given out by us (its HMAC says so), and its first use confirms it. That is
why a lost answer harms nobody: what was not received cannot be used, so n stays confirmed and is
answered again, later with a branch of its own.

What is given out twice is found: of two branches of a generation one is confirmed, and then the
other one, or anything older, is theft. It follows that of each generation one branch at most is
ever confirmed.
"""

from dataclasses import replace

from jwt_guard.stores.protocol import Session

__all__ = ["advanced"]


def advanced(
    session: Session, generation: int, branch: int, *, now: int, window: int
) -> Session | None:
    """The session after one of its genuine tokens was presented.

    Its next token is then the one of `generation + 1` and of the branch `presented_at`.

    Args:
        session: as it is kept.
        generation: that of the token.
        branch: that of the token.
        now: milliseconds since 1970 UTC.
        window: for how many milliseconds a token that is presented again gets the same answer.

    Returns:
        The very same session if nothing changes, and None for a theft.
    """
    if generation > session.generation:
        # More than one above: the store lost what it had acknowledged. The token proves it.
        return replace(session, generation=generation, branch=branch, presented_at=now)
    if (generation, branch) != (session.generation, session.branch):
        return None
    if session.presented_at is None:
        return replace(session, presented_at=now)
    if max(0, now - session.presented_at) < window:
        return session
    return replace(session, presented_at=max(now, session.presented_at + 1))

"""What goes in and out of a session: who asks, what is given, what is shown."""

from dataclasses import dataclass, field

from jwt_guard.stores.protocol import Session

__all__ = ["Client", "Grant", "SessionInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks for tokens, and from where.

    Attributes:
        client_id: the client; a session belongs to one.
        device: what it calls itself; a session begun with one is refreshed with the same only.
        thumbprint: the `jkt` of the key that it proved to hold (RFC 9449); binds in the same way.
        agent: its user agent, to be shown in the list of sessions.
        place: where it is, an address or what the application makes of it, to be shown there.
    """

    client_id: str
    device: str | None = None
    thumbprint: str | None = None
    agent: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Tokens given out (RFC 6749 section 5.1).

    Attributes:
        access_token: the access token.
        refresh_token: the refresh token that takes the place of the one presented.
        expires_in: how long the access token lives, in seconds.
        token_type: `Bearer`, or `DPoP` where the tokens are bound to a key.
        scope: the scopes granted, joined by spaces.
        session_id: the session.
        session_expires_in: how long the session lives without further use, in seconds.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    token_type: str
    scope: str
    session_id: str
    session_expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session as it is shown to its owner. Times are seconds since 1970 UTC.

    Attributes:
        session_id: `sid`; to end it by.
        client_id, tenant, device, agent, place: as at its last use.
        created_at: when it began.
        used_at: when it was refreshed last.
        expires_at: when it ends without further use.
    """

    session_id: str
    client_id: str
    tenant: str | None
    device: str | None
    agent: str | None
    place: str | None
    created_at: float
    used_at: float
    expires_at: float

    @classmethod
    def of(cls, session: Session) -> "SessionInfo":
        """What a session's owner may see of it."""
        return cls(
            session_id=session.sid,
            client_id=session.client_id,
            tenant=session.tenant,
            device=session.device,
            agent=session.agent,
            place=session.place,
            created_at=session.created_at / 1000,
            used_at=session.used_at / 1000,
            expires_at=session.idle_expires_at / 1000,
        )

"""Where a token stands in a request (RFC 6750 section 2): the Authorization header, once."""

from jwt_guard.errors import Reason, Refusal
from jwt_guard.http import RequestView, query_has

__all__ = ["bearer_token"]

_SCHEME = "bearer"


def bearer_token(view: RequestView) -> str | None:
    """The bearer token of a request; None when it bears none, or credentials of another scheme.

    Raises:
        Refusal: `credentials_ambiguous` for several, in headers or beside one in the query
            (RFC 6750 section 2), `credentials_malformed` for a header that is not well-formed.
    """
    fields = _fields(view.header("authorization"))
    bearers = [field for field in fields if field[:6].lower() == _SCHEME]
    if not bearers:
        return None
    if len(fields) > 1 or query_has(view, "access_token"):
        raise Refusal(Reason.CREDENTIALS_AMBIGUOUS)
    return _token_of(bearers[0])


def _fields(values: list[str]) -> list[str]:
    """One field a header; WSGI servers have joined repeated ones with commas."""
    if len(values) == 1 and "," not in values[0]:
        return [values[0].strip(" \t")]
    return [field.strip(" \t") for value in values for field in value.split(",")]


def _token_of(field: str) -> str:
    scheme, _, token = field.partition(" ")
    if scheme.lower() != _SCHEME or not token or " " in token or "\t" in token:
        raise Refusal(Reason.CREDENTIALS_MALFORMED)
    return token

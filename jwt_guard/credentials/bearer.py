"""Where a token stands in a request (RFC 6750 section 2): the Authorization header, once."""

from jwt_guard.errors import Reason, Refusal
from jwt_guard.http import RequestView, query_has

__all__ = ["bearer_token"]


def bearer_token(view: RequestView) -> str | None:
    """The bearer token of a request; None when it bears none, or credentials of another scheme.

    Raises:
        Refusal: `credentials_ambiguous` for several, in headers or beside one in the query
            (RFC 6750 section 2), `credentials_malformed` for a header that is not well-formed.
    """
    values = view.header("authorization")
    if len(values) == 1 and "," not in values[0]:
        return _token_of(values[0].strip(" \t"), view)
    # WSGI servers have joined repeated headers with commas.
    fields = [field.strip(" \t") for value in values for field in value.split(",")]
    if any(map(_is_bearer, fields)):
        raise Refusal(Reason.CREDENTIALS_AMBIGUOUS)
    return None


def _is_bearer(field: str) -> bool:
    return field[:6].lower() == "bearer"


def _token_of(field: str, view: RequestView) -> str | None:
    if not _is_bearer(field):
        return None
    if view.query and query_has(view, "access_token"):
        raise Refusal(Reason.CREDENTIALS_AMBIGUOUS)
    token = field[7:]
    if field[6:7] != " " or not token or " " in token or "\t" in token:
        raise Refusal(Reason.CREDENTIALS_MALFORMED)
    return token

"""Where a token stands in a request (RFC 6750 section 2): the Authorization header, once."""

import re

from jwt_guard.errors import Reason, Refusal
from jwt_guard.http import RequestView, query_has

__all__ = ["bearer_token"]

_BETWEEN = re.compile(r",(?=[ \t]*+[!#$%&'*+.^_`|~\w-]*+(?:[ \t,]|$))", re.ASCII)
"""A comma before the scheme of other credentials, or before nothing; not one in JSON, which is
no token but is no second one either."""


def bearer_token(view: RequestView) -> str | None:
    """The bearer token of a request; None when it bears none, or credentials of another scheme.

    Raises:
        Refusal: `credentials_ambiguous` for several, in headers or beside one in the query
            (RFC 6750 section 2), `credentials_malformed` for a header that is not well-formed.
    """
    values = view.header("authorization")
    if len(values) == 1 and not view.query:
        scheme, _, token = values[0].partition(" ")
        if scheme == "Bearer" and token and not (" " in token or "," in token or "\t" in token):
            return token  # as nearly all requests have it; what follows would say the same
    # WSGI servers have joined repeated headers with commas.
    fields = [field.strip(" \t") for field in _BETWEEN.split(",".join(values))]
    if not any(map(_is_bearer, fields)):
        return None
    if len(fields) > 1 or query_has(view, "access_token"):
        raise Refusal(Reason.CREDENTIALS_AMBIGUOUS)
    return _token_of(fields[0])


def _is_bearer(field: str) -> bool:
    return field[:6].lower() == "bearer"


def _token_of(field: str) -> str:
    token = field[7:]
    if field[6:7] != " " or not token or " " in token or "\t" in token:
        raise Refusal(Reason.CREDENTIALS_MALFORMED)
    return token

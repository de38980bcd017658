"""The routes that the library brings, as a blueprint."""

from collections.abc import Callable, Iterable

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from jwt_guard.endpoints import LARGEST_BODY, Endpoint, mountable
from jwt_guard.errors import Reason, Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard
from jwt_guard.http import WsgiView
from jwt_guard.marks import public
from jwt_guard_flask.admission import response_of

__all__ = ["blueprint"]


def blueprint(guard: Guard, endpoints: Iterable[Endpoint], *, name: str = "jwt_guard") -> Blueprint:
    """A blueprint with these endpoints, all public: they check for themselves.

    Args:
        guard: the guard that the endpoints speak for.
        endpoints: such as `jwt_guard.endpoints.well_known()`.
        name: the blueprint's name.

    Raises:
        ConfigurationError: the guard cannot serve them.
    """
    made = Blueprint(name, __name__)
    for endpoint in mountable(guard, endpoints):
        made.add_url_rule(
            endpoint.path.replace("{", "<").replace("}", ">"),
            endpoint.name,
            _view(guard, endpoint),
            methods=[endpoint.method],
            provide_automatic_options=False,
        )
    return made


def _view(guard: Guard, endpoint: Endpoint) -> Callable[..., Response]:
    @public
    def view(**path_params: str) -> Response:
        seen = WsgiView(request.environ, path_params)
        try:
            return response_of(run(endpoint.handle(guard, seen, _body())))
        except Refusal as refusal:
            return response_of(guard.reply(refusal))

    return view


def _body() -> bytes:
    """The request's whole body.

    Raises:
        Refusal: it is too long, or its sender is gone.
    """
    request.max_content_length = LARGEST_BODY
    try:
        return request.get_data()
    except HTTPException:
        raise Refusal(Reason.REQUEST_MALFORMED) from None

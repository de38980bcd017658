"""All clients at once: every request goes to each, and each must answer the same."""

from collections.abc import Mapping

from tests.conformance.clients.base import Client, Headers, Response

_OWN_ANSWERS = frozenset({"OPTIONS", "TRACE"})
"""What a framework answers to these from a caller who may is its own affair."""


class Unison:
    """A client that is all of them, and asserts on every request that they do not differ."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = clients

    def request(self, method: str, target: str, headers: Headers = ()) -> Response:
        """The response that all of them gave."""
        responses: dict[str, Response] = {}
        for name, client in self._clients.items():
            with client.in_force():
                responses[name] = client.request(method, target, headers)
        first, *others = responses.values()
        if method in _OWN_ANSWERS and not any(each.refused for each in responses.values()):
            return first
        verdicts = {name: each.verdict() for name, each in responses.items()}
        assert all(each.verdict() == first.verdict() for each in others), verdicts
        return first

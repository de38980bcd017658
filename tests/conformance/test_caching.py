"""H10: what a verified caller is answered is kept out of caches."""

from tests.conformance.conftest import Api
from tests.conformance.expect import served
from tests.support.tokens import mint


def test_H10_answers_to_verified_callers_are_not_stored(api: Api) -> None:
    """A handler that says nothing of caching gets no-store once its caller is known."""
    answer = api.get("/me", mint())
    served(answer)
    assert answer.header("cache-control") == "no-store"


def test_H10_so_are_pages_that_do_not_exist(strict: Api) -> None:
    """What the framework answers a verified caller is no less private."""
    assert strict.get("/nowhere", mint()).header("cache-control") == "no-store"


def test_public_answers_may_be_stored(api: Api) -> None:
    """An answer to nobody in particular is left as it is."""
    answer = api.get("/public")
    served(answer, None)
    assert answer.header("cache-control") is None

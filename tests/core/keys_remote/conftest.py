"""The faulty server for all tests of this folder."""

from tests.support.faulty import faulty_server

__all__ = ["faulty_server"]

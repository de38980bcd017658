"""For the tests of those who use this library."""

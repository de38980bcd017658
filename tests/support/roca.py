"""Moduli as the flawed generator made them (CVE-2017-15361), for rules that must refuse them."""

import math
from itertools import count

__all__ = ["ROCA_PRODUCT", "has_small_factor", "roca_modulus"]

ROCA_PRODUCT = math.prod((11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157))
"""Of the primes by which the generator's moduli are known."""

_SMALL = math.prod(range(3, 1000, 2)) * 2


def has_small_factor(number: int) -> bool:
    """Whether a number is even, or a multiple of another small one."""
    return math.gcd(number, _SMALL) != 1


def roca_modulus(bits: int = 2048) -> int:
    """A number that is 1 modulo each of the generator's primes, and so a power of 65537.

    It has no small factor, for which it would be refused as well.
    """
    start = ((1 << bits - 1) // ROCA_PRODUCT + 1) * ROCA_PRODUCT + 1
    return next(number for number in count(start, ROCA_PRODUCT) if not has_small_factor(number))

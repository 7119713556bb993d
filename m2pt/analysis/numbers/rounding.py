"""The one rounding of all numbers that are shown."""

import math
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

_KNOWN = 9
"""Decimals to which a number is known; what follows comes from the order of its sums, and must not decide a half."""


def rounded(value: float, digits: int) -> str:
    """A number as text with `digits` decimals; a half is rounded away from zero, as readers do it."""
    if not math.isfinite(value):
        return str(value)
    return str(Decimal(f"{value:.{_KNOWN}f}").quantize(_unit(digits), ROUND_HALF_UP) + 0)  # no negative zero


@cache
def _unit(digits: int) -> Decimal:
    return Decimal(1).scaleb(-digits)

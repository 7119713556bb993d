"""The one rounding of all numbers that are shown."""

import math
from decimal import ROUND_HALF_UP, Decimal

_KNOWN = 9
"""Decimals to which a number is known; what follows comes from the order of its sums, and must not decide a half."""


def rounded(value: float, digits: int) -> str:
    """A number as text with `digits` decimals; a half is rounded away from zero, as readers do it."""
    if not math.isfinite(value):
        return str(value)
    exact = Decimal(f"{value:.{_KNOWN}f}")
    return str(exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP) + 0)  # no negative zero

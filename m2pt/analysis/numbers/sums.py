"""Mean and standard deviation of a few numbers."""

import math
from collections.abc import Sequence

import numpy as np

_ADDED_IN_TURN = 8
"""Fewer numbers than this numpy adds one after the other; for so few its overhead is ten times what adding them takes."""


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """The mean and the sample standard deviation (0 of one number), as numpy has them to the last bit."""
    count = len(values)
    if count >= _ADDED_IN_TURN:
        return float(np.mean(values)), float(np.std(values, ddof=1))
    mean = _total(values) / count
    if count == 1:
        return mean, 0.0
    deviations = [value - mean for value in values]
    return mean, math.sqrt(_total([deviation * deviation for deviation in deviations]) / (count - 1))


def _total(values: Sequence[float]) -> float:
    """The sum from left to right; `sum` is more exact than that in newer versions of Python."""
    total = float(values[0])
    for value in values[1:]:
        total += value
    return total

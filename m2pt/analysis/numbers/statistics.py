"""Means and paired differences with t intervals, and the correction for many comparisons.

A missing score is never replaced by a number: a seed without both scores is dropped from a paired difference, and counted.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

CONFIDENCE = 0.95

BySeed = Mapping[int, float | None]
"""A number of each planned seed (a score, a difference), None where there is none."""

# Scores are percentages of some hundred samples; a spread below this is rounding, not variation.
_NO_SPREAD = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds with the half-width of its 95 % t interval; what is not known is None.

    `p_value` is that of the two-sided t test of mean 0, so it agrees with the interval. `dropped` counts the planned seeds that
    had no score, or no partner to be compared with.
    """

    n: int
    dropped: int = 0
    mean: float | None = None
    half_width: float | None = None
    p_value: float | None = None

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return None if self.mean is None or self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return None if self.mean is None or self.half_width is None else self.mean + self.half_width

    @property
    def sign(self) -> int:
        """1 or -1 if the complete interval is above or below 0; 0 if it contains 0 or does not exist."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    @property
    def note(self) -> str:
        """Why there is no interval, or no mean; empty if there is an interval."""
        if self.n == 0:
            return "no result"
        if self.half_width is not None:
            return ""
        return "n=1, no interval" if self.n == 1 else f"n={self.n}, all equal, no interval"


def estimate(values: Sequence[float], planned: int | None = None) -> Estimate:
    """The mean of `values` (one per seed) with its t interval.

    There is no interval for fewer than two values, or if all are equal: the t distribution does not apply.

    Args:
        values: one score or difference per seed.
        planned: how many were planned; the missing ones count as dropped.

    """
    n = len(values)
    dropped = (n if planned is None else planned) - n
    if n == 0:
        return Estimate(0, dropped)
    mean = float(np.mean(values))
    spread = float(np.std(values, ddof=1)) if n > 1 else 0.0
    if spread <= _NO_SPREAD:
        return Estimate(n, dropped, mean)
    error = spread / np.sqrt(n)
    half_width = float(t_quantile(n - 1) * error)
    return Estimate(n, dropped, mean, half_width, float(2 * special.stdtr(n - 1, -abs(mean) / error)))


def t_quantile(freedom: int, confidence: float = (1 + CONFIDENCE) / 2) -> float:
    """The quantile of Student's t distribution; by default what a two-sided 95 % interval reaches, in standard errors."""
    return float(special.stdtrit(freedom, confidence))


def differences(first: BySeed, second: BySeed) -> dict[int, float | None]:
    """`first - second` of each seed, in order; None where one of them has no score."""
    return {seed: _less(first.get(seed), second.get(seed)) for seed in sorted(first.keys() | second.keys())}


def averaged(values: Collection[BySeed], add: Callable[[Iterable[float]], float] = sum) -> dict[int, float | None]:
    """The mean of several numbers of each seed, in order; None where one of them is missing.

    So auxiliaries and targets are averaged within a seed: they do not count as further seeds. `add` sums the numbers of a seed;
    with `math.fsum` the mean is the same in whatever order they come.
    """
    return {seed: _mean([item.get(seed) for item in values], add) for seed in sorted(set[int]().union(*values))}


def over_seeds(values: BySeed) -> Estimate:
    """The mean over seeds; a seed without a value counts as dropped."""
    return estimate([value for value in values.values() if value is not None], planned=len(values))


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _mean(values: Sequence[float | None], add: Callable[[Iterable[float]], float]) -> float | None:
    known = [value for value in values if value is not None]
    return add(known) / len(known) if len(known) == len(values) else None


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment over one family: adjusted values of at most 0.05 are significant with family-wise error 5 %.

    What was not tested (None) is no member of the family and stays None. Source: S. Holm, Scand. J. Statist. 6 (1979).
    statsmodels' `multipletests` gives the same numbers to the last bit, but collects all garbage at each call: 50 ms instead of
    0.04 ms, and a report has a hundred families.
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[index] = largest
    return adjusted

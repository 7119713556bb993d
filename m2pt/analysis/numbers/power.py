"""What a number of paired seeds can show: detectable differences, the seeds that are needed, and how small a difference is.

All of it is for the two-sided paired t test that the report uses; the noncentral t distribution is scipy's. (statsmodels'
`TTestPower` agrees where it has a value, takes seconds to import, and has none for the large effects that few seeds need.)
"""

import math

from scipy import optimize, special

from m2pt.analysis.numbers.statistics import CONFIDENCE, Estimate, t_quantile

POWER = 0.8
"""The usual probability of detecting a true difference (J. Cohen, Statistical Power Analysis, 1988)."""

MOST_SEEDS = 1000

# Shifts of the noncentral t distribution: from the first on, the other tail holds less than 1e-8, and from the second on, three
# seeds or more detect everything; scipy has no number (NaN) for some of either.
_NO_FAR_TAIL, _CERTAIN = 5.0, 30.0


def power(effect: float, spread: float, n: int) -> float:
    """The probability that `n` paired differences of this standard deviation detect a mean difference at the 5 % level."""
    if n < 2:
        return 0.0
    if spread <= 0:
        return 1.0 if effect else 0.0
    critical = t_quantile(n - 1)
    shift = abs(effect) / spread * math.sqrt(n)
    if n > 2 and shift > _CERTAIN:
        return 1.0
    near = 1 - float(special.nctdtr(n - 1, shift, critical))
    return near + float(special.nctdtr(n - 1, shift, -critical)) if shift < _NO_FAR_TAIL else near


def detectable(spread: float, n: int, wanted: float = POWER) -> float | None:
    """The smallest mean difference that `n` seeds detect with the given power; None for fewer than two seeds."""
    if n < 2:
        return None
    if spread <= 0:
        return 0.0
    high = spread
    while power(high, spread, n) < wanted:
        high *= 2
    return float(optimize.brentq(lambda effect: power(effect, spread, n) - wanted, 0.0, high, xtol=1e-9 * spread))


def seeds_needed(effect: float, spread: float, wanted: float = POWER) -> int | None:
    """The fewest seeds that detect a mean difference with the given power; None if `MOST_SEEDS` do not.

    The effect of a finished cell is itself an estimate: seeds that are added because of it belong to a new study, or its interval
    no longer has its coverage (optional stopping).
    """
    if effect == 0:
        return None
    if power(effect, spread, MOST_SEEDS) < wanted:
        return None
    low, high = 2, MOST_SEEDS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, spread, middle) >= wanted else (middle + 1, high)
    return low


def smallest_margin(item: Estimate) -> float | None:
    """The smallest margin that the mean is shown to lie within, either way, at the 5 % level; None where there is no interval.

    It is the larger end, by size, of the 90 % t interval of the mean: two one-sided t tests (Schuirmann, 1987). A t test that is
    not significant does not show that a difference is small; this does.
    """
    if item.mean is None or item.half_width is None:
        return None
    error = spread_of(item.half_width, item.n) / math.sqrt(item.n)
    return abs(item.mean) + t_quantile(item.n - 1, CONFIDENCE) * error


def spread_of(half_width: float, n: int) -> float:
    """The standard deviation of the differences whose t interval has this half-width."""
    return half_width * math.sqrt(n) / t_quantile(n - 1)

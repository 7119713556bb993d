"""What a number of paired seeds can show: detectable differences, seeds that are needed, and equivalence.

All of it is for the two-sided paired t test that the report uses; the noncentral t distribution is scipy's.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from m2pt.analysis.statistics import CONFIDENCE

POWER = 0.8
"""The usual chance of seeing a difference that is there (J. Cohen, Statistical Power Analysis, 1988)."""

MOST_SEEDS = 1000

_CERTAIN = 30.0


def power(effect: float, spread: float, n: int) -> float:
    """The chance that `n` paired differences of this standard deviation show a mean difference `effect`, at the 5 % level."""
    if n < 2:
        return 0.0
    if spread <= 0:
        return 1.0 if effect else 0.0
    critical = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
    shift = abs(effect) / spread * math.sqrt(n)
    if shift > _CERTAIN:  # where the noncentral distribution cannot be computed
        return 1.0
    return float(stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift))


def detectable(spread: float, n: int, wanted: float = POWER) -> float | None:
    """The smallest mean difference that `n` seeds show with the wanted chance; None for fewer than two seeds."""
    if n < 2:
        return None
    if spread <= 0:
        return 0.0
    high = spread
    while power(high, spread, n) < wanted:
        high *= 2
    return float(optimize.brentq(lambda effect: power(effect, spread, n) - wanted, 0.0, high, xtol=1e-9 * spread))


def seeds_needed(effect: float, spread: float, wanted: float = POWER) -> int | None:
    """The fewest seeds that show a mean difference with the wanted chance; None where `MOST_SEEDS` do not.

    The effect of a finished cell is itself an estimate: seeds that are added because of it are for a new study, or its interval
    is no longer what it says (optional stopping).
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


def equivalence(values: Sequence[float], margin: float) -> float | None:
    """The p-value that the mean lies within ± `margin`: two one-sided t tests (Schuirmann, 1987); None for fewer than two values.

    At or under 0.05 the difference is shown to be smaller than the margin, which a t test that finds nothing does not show.
    """
    n = len(values)
    if n < 2:
        return None
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(n)
    if error == 0:
        return 0.0 if abs(mean) < margin else 1.0
    return float(max(stats.t.sf((mean + margin) / error, n - 1), stats.t.cdf((mean - margin) / error, n - 1)))


def spread_of(half_width: float, n: int) -> float:
    """The standard deviation of the differences whose t interval has this half-width."""
    return half_width * math.sqrt(n) / float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))

"""What a number of paired seeds can show: detectable differences, the seeds that are needed, and how small a difference is.

All of it is for the two-sided paired t test, at the level that the report uses for the claim in question; the noncentral t
distribution is scipy's. (statsmodels' `TTestPower` agrees where it has a value, takes seconds to import, and has none for the
large effects that few seeds need.)

The spread of the differences is only estimated, and few seeds estimate it badly: judged by the estimate itself, fewer than half
of all studies have the power that they state. So a report judges by bounds that hold with a probability of 90 % (`ASSURANCE`), as
Browne (Statistics in Medicine 14, 1995) proposes for pilot studies.
"""

import math
from collections.abc import Callable

from scipy import optimize, special

from m2pt.analysis.numbers.statistics import CONFIDENCE, Estimate, t_quantile

POWER = 0.8
"""The usual probability of detecting a true difference (J. Cohen, Statistical Power Analysis, 1988)."""

ASSURANCE = 0.9
"""The probability that a bound holds by which power is judged."""

LEVEL = 1 - CONFIDENCE
"""The level of a single test that nothing is corrected for."""

MOST_SEEDS = 1000

Critical = Callable[[int, float], float]
"""The smallest t statistic, by size, that a test of so many seeds claims at this level; infinite where it can claim nothing."""

# A shift of the noncentral t distribution from which on the other tail holds less than 1e-8.
_NO_FAR_TAIL = 5.0


def t_critical(n: int, level: float) -> float:
    """The critical value of the two-sided t test of `n` seeds."""
    return t_quantile(n - 1, 1 - level / 2)


def power(effect: float, spread: float, n: int, level: float = LEVEL, critical: Critical = t_critical) -> float:
    """The probability that `n` paired differences of this standard deviation detect a mean difference at this level."""
    if n < 2:
        return 0.0
    if spread <= 0:
        return 1.0 if effect else 0.0
    needed = critical(n, level)
    if math.isinf(needed):
        return 0.0
    shift = abs(effect) / spread * math.sqrt(n)
    below = float(special.nctdtr(n - 1, shift, needed))
    near = (1.0 if shift > needed else 0.0) if math.isnan(below) else 1 - below  # scipy has no number for some sure outcomes
    far = float(special.nctdtr(n - 1, shift, -needed)) if shift < _NO_FAR_TAIL else 0.0
    return near + (0.0 if math.isnan(far) else far)


def detectable(
    spread: float, n: int, wanted: float = POWER, level: float = LEVEL, critical: Critical = t_critical
) -> float | None:
    """The smallest mean difference that `n` seeds of this true spread detect with the given power; None if they detect none."""
    if n < 2 or math.isinf(critical(n, level)):
        return None
    if spread <= 0:
        return 0.0
    high = spread
    while power(high, spread, n, level, critical) < wanted:
        high *= 2

    def missing(effect: float) -> float:
        return power(effect, spread, n, level, critical) - wanted

    return float(optimize.brentq(missing, 0.0, high, xtol=1e-9 * spread))


def seeds_needed(
    effect: float, spread: float, wanted: float = POWER, level: float = LEVEL, critical: Critical = t_critical
) -> int | None:
    """The fewest seeds that detect a mean difference with the given power; None if `MOST_SEEDS` do not.

    Effect and spread are the true ones. Of a study that is finished they are not known: `spread_bound` and `effect_bound` make
    the answer hold with a probability of 90 %. Seeds that are added because of a result belong to a new study, or to a sequential
    design (`m2pt.config.design`).
    """
    if effect == 0:
        return None
    if power(effect, spread, MOST_SEEDS, level, critical) < wanted:
        return None
    low, high = 2, MOST_SEEDS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, spread, middle, level, critical) >= wanted else (middle + 1, high)
    return low


def spread_bound(spread: float, n: int, assurance: float = ASSURANCE) -> float:
    """What the true standard deviation is below, with this probability, if `n` differences have this one.

    The upper confidence bound of a normal distribution: the sum of squares over the variance is chi-square with n - 1 degrees of
    freedom.
    """
    return spread * math.sqrt((n - 1) / float(special.chdtri(n - 1, assurance)))


def effect_bound(mean: float, spread: float, n: int, assurance: float = ASSURANCE) -> float:
    """What the true mean difference, in true standard deviations, is above by size with this probability; 0 if nothing is known.

    The lower confidence bound from the noncentral t distribution, which takes account of both estimates (Taylor and Muller,
    Communications in Statistics 25, 1996; Steiger and Fouladi, 1997).
    """
    if spread <= 0:
        return math.inf if mean else 0.0
    statistic = abs(mean) / spread * math.sqrt(n)
    if statistic <= t_quantile(n - 1, assurance):
        return 0.0
    return float(special.nctdtrinc(n - 1, assurance, statistic)) / math.sqrt(n)


def smallest_margin(item: Estimate) -> float | None:
    """The smallest margin that the mean is shown to lie within, either way, at the 5 % level; None where there is no interval.

    It is the larger end, by size, of the 90 % t interval of the mean: two one-sided t tests (Schuirmann, 1987). A t test that is
    not significant does not show that a difference is small; this does.
    """
    half_width = item.half_width_at(2 * CONFIDENCE - 1)
    return None if item.mean is None or half_width is None else abs(item.mean) + half_width

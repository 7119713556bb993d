"""Tests and intervals that stay valid however often one looks, and whenever one stops: for sequential designs.

A t interval holds for a number of seeds that was chosen beforehand. If seeds are added until it excludes 0, it does so in the end
without any effect. The confidence sequence here contains the true mean at every number of seeds at once with 95 %, so that adding
seeds for whatever reason cannot make it wrong. The price is width.

It is the t test for a normal mean of unknown variance by the Bayes factor that mixes over the standardized effect with a normal
distribution of variance `g`, and over the scale with the right Haar measure. Under the hypothesis this is a martingale in the
sequence of t statistics, so by Ville's inequality it ever exceeds 1/level with a probability of at most `level`. With n draws,
their t statistic and r = 1 / (1 + n g) it is

    E = sqrt(r) ((1 + t² / (n - 1)) / (1 + r t² / (n - 1))) ** (n / 2)

Sources: T. L. Lai, On confidence sequences (Annals of Statistics 4, 1976); H. Wang and A. Ramdas, Anytime-valid t-tests and
confidence sequences for Gaussian means with unknown variance (arXiv 2310.03722, section 4); the same Bayes factor is that of
M. Gönen and others, The Bayesian two-sample t test (The American Statistician 59, 2005). 1/E is a p-value at every time of
stopping, so a procedure that takes any valid p-values (Bonferroni, Holm, graphs of them) stays valid too.
"""

import functools
import math

from scipy import optimize

_TUNED_AT = 0.01
"""The level at which intervals are narrowest. Reports use levels from 5 % (one test) to 0.4 % (one of twelve); with one in the
middle none of their intervals is much wider than it has to be."""


@functools.cache
def mixture(planned: int) -> float:
    """The variance `g` of the mixture with which the interval of `planned` draws is narrowest.

    It must not depend on the draws: a study declares `design.planned` before it is looked at.
    """

    def width(log_r: float) -> float:
        return _critical(planned, _TUNED_AT, math.exp(log_r))

    # The interval exists for r below this; towards either end it widens without bound.
    highest = 2 * math.log(_TUNED_AT) / (planned - 1)
    best = optimize.minimize_scalar(width, bounds=(20 * highest - 20, highest), method="bounded", options={"xatol": 1e-10})
    return (math.exp(-best.x) - 1) / planned


def critical(n: int, level: float, planned: int) -> float:
    """The size of the t statistic of `n` draws from which on the mean is shown to differ; infinite where none is enough."""
    return _critical(n, level, 1 / (1 + n * mixture(planned)))


def _critical(n: int, level: float, r: float) -> float:
    """E = 1/level solved for the size of the t statistic."""
    if n < 2:
        return math.inf
    ratio = (level * level * r) ** (-1 / n)
    return math.sqrt((n - 1) * (ratio - 1) / (1 - r * ratio)) if r * ratio < 1 else math.inf


def p_value(statistic: float, n: int, planned: int) -> float:
    """The p-value of the hypothesis of mean 0, valid at any time of stopping: 1/E, at most 1."""
    r, square = 1 / (1 + n * mixture(planned)), statistic * statistic / (n - 1)
    return min(1.0, math.exp(-0.5 * math.log(r) - 0.5 * n * (math.log1p(square) - math.log1p(r * square))))

"""Many targets together, without treating their seeds as one sample; and the bootstrap, if there are enough seeds for it.

The bootstrap interval of few numbers is too narrow: with 3 seeds, a 95 % interval contains the true value three times in four. So
its intervals are widened as Hesterberg proposes, and given for `BOOTSTRAP_SEEDS` seeds or more: `benchmarks/coverage.py` measures
their coverage.

Sources: *Deep Reinforcement Learning at the Edge of the Statistical Precipice* (Agarwal et al., NeurIPS 2021, arXiv 2108.13264)
for few runs on several tasks; Hesterberg, *What Teachers Should Know About the Bootstrap* (The American Statistician 69, 2015),
for the expanded percentile interval.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from m2pt.analysis.numbers.statistics import estimate, t_quantile

Scores = Mapping[str, Sequence[float] | NDArray[np.float64]]
"""Scores, or differences of scores, of each target: one number per seed."""

BOOTSTRAP_SEEDS = 8
"""The fewest seeds for a bootstrap interval: with fewer, a 95 % interval covers less than 93.5 %."""

RESAMPLES = 2000

_CUT = 0.25


@dataclass(frozen=True)
class Pooled:
    """A number over all targets with its 95 % interval (None if there are too few seeds or targets for one).

    `spread` is the estimated standard deviation of the targets' true means around it.
    """

    value: float
    low: float | None = None
    high: float | None = None
    spread: float | None = None

    @property
    def sign(self) -> int:
        """1 or -1 if the complete interval is above or below 0; 0 if it contains 0 or does not exist."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def bootstrap(values: Sequence[float]) -> tuple[float, float] | None:
    """The expanded percentile interval of a mean over seeds; None for too few seeds, or if all values are equal."""
    if len(values) < BOOTSTRAP_SEEDS or estimate(values).half_width is None:
        return None
    return _interval((np.asarray(values, dtype=float),), np.mean)


def interquartile_mean(scores: Scores) -> float:
    """The mean of the middle half of the scores of all targets (25 % cut off at each end): robust and precise."""
    return float(_middle(*(np.asarray(values, dtype=float) for values in scores.values())))


def stratified(scores: Scores) -> Pooled:
    """The interquartile mean with its interval from a bootstrap that draws seeds within each target (stratified).

    It is about further seeds of these targets.
    """
    strata = [np.asarray(values, dtype=float) for values in scores.values()]
    value = float(_middle(*strata))
    if min(len(values) for values in strata) < BOOTSTRAP_SEEDS or all(np.ptp(values) == 0 for values in strata):
        return Pooled(value)
    return Pooled(value, *_interval(strata, _middle))


def probability_of_improvement(first: Scores, second: Scores) -> float:
    """The probability that a run of the first beats one of the second on a random target; ties count half."""
    chances = []
    for target in first:
        a, b = np.asarray(first[target], dtype=float)[:, None], np.asarray(second[target], dtype=float)[None, :]
        chances.append(float((a > b).mean() + 0.5 * (a == b).mean()))
    return float(np.mean(chances))


def random_effects(scores: Scores) -> Pooled:
    """The mean effect over targets, whose own means vary around it, with equal weights and the t interval over targets.

    Targets are the sample: the interval is about targets like these, and it is wide if they differ or are few. This is the
    random-effects mean of equally precise targets, whose interval is exact. Weights from the variances of few seeds (DerSimonian
    and Laird, with Hartung and Knapp's interval) make it too narrow: it covers 89 % with 3 seeds of 4 targets that do not differ.
    `spread` is the moment estimate of Hedges (Journal of Educational Statistics 8, 1983): how much the means vary beyond what
    their seeds explain.
    """
    means = [float(np.mean(values)) for values in scores.values()]
    over_targets = estimate(means)
    value = float(np.mean(means))
    if len(means) < 2 or min(len(values) for values in scores.values()) < 2:
        return Pooled(value)
    within = float(np.mean([np.var(values, ddof=1) / len(values) for values in scores.values()]))
    spread = math.sqrt(max(0.0, float(np.var(means, ddof=1)) - within))
    return Pooled(value, over_targets.low, over_targets.high, spread)


def expanded_level(counts: Sequence[int]) -> float:
    """The confidence at which a percentile interval is as wide as a t interval of 95 %, for strata of so many numbers each."""
    fewest, freedom = min(counts), sum(count - 1 for count in counts)
    return 1 - 2 * float(stats.norm.sf(math.sqrt(fewest / (fewest - 1)) * t_quantile(freedom)))


def _middle(*strata: NDArray[np.float64], axis: int = -1) -> Any:
    return stats.trim_mean(np.concatenate(strata, axis=axis), _CUT, axis=axis)


def _interval(strata: Sequence[NDArray[np.float64]], statistic: Any) -> tuple[float, float]:
    """The expanded percentile interval: at the level that a normal distribution needs for the width of a t interval."""
    interval = stats.bootstrap(
        tuple(strata),
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=expanded_level([len(values) for values in strata]),
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)

"""Many targets together, without taking their seeds for one sample.

Sources: *Deep Reinforcement Learning at the Edge of the Statistical Precipice* (Agarwal et al., NeurIPS 2021, arXiv 2108.13264)
for few runs on several tasks; Hartung and Knapp (Statistics in Medicine 20, 2001) for the random-effects mean.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from m2pt.analysis.statistics import CONFIDENCE

Scores = Mapping[str, Sequence[float] | NDArray[np.float64]]
"""Scores, or differences of scores, of each target: one number a seed."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Pooled:
    """A number over all targets with its 95 % interval (None where there is too little for one)."""

    value: float
    low: float | None
    high: float | None


def interquartile_mean(scores: Scores) -> float:
    """The mean of the middle half of the scores of all targets (25 % cut off at each end): robust as a median, and steadier."""
    return float(stats.trim_mean(np.concatenate([np.asarray(values, dtype=float) for values in scores.values()]), 0.25))


def stratified(statistic: Callable[[Scores], float], scores: Scores, seed: int = 0) -> Pooled:
    """A statistic with its percentile interval from a bootstrap that draws seeds within each target."""
    rng = np.random.default_rng(seed)
    arrays = {target: np.asarray(values, dtype=float) for target, values in scores.items()}
    value = statistic(arrays)
    if min(len(values) for values in arrays.values()) < 2:
        return Pooled(value, None, None)
    drawn = [statistic({target: rng.choice(values, len(values)) for target, values in arrays.items()}) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Pooled(value, float(low), float(high))


def probability_of_improvement(first: Scores, second: Scores) -> float:
    """The chance that a run of the first beats one of the second on a target drawn at random; ties count half."""
    chances = []
    for target in first:
        a, b = np.asarray(first[target], dtype=float)[:, None], np.asarray(second[target], dtype=float)[None, :]
        chances.append(float((a > b).mean() + 0.5 * (a == b).mean()))
    return float(np.mean(chances))


def random_effects(scores: Scores) -> Pooled:
    """The mean effect over targets, whose own means vary around it (DerSimonian and Laird), with Hartung and Knapp's interval.

    Targets are the sample: the interval says something of targets like these, and it is wide where they differ or are few.
    """
    means = np.array([np.mean(values) for values in scores.values()])
    if len(means) < 2 or min(len(values) for values in scores.values()) < 2:
        return Pooled(float(means.mean()), None, None)
    variances = np.array([np.var(values, ddof=1) / len(values) for values in scores.values()])
    variances = np.maximum(variances, 1e-12)
    between = _between(means, variances)
    weights = 1 / (variances + between)
    value = float((weights * means).sum() / weights.sum())
    count = len(means)
    error = math.sqrt(float((weights * (means - value) ** 2).sum() / ((count - 1) * weights.sum())))
    half_width = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Pooled(value, value - half_width, value + half_width)


def _between(means: NDArray[np.float64], variances: NDArray[np.float64]) -> float:
    """DerSimonian and Laird's estimate of the variance between targets."""
    weights = 1 / variances
    centre = (weights * means).sum() / weights.sum()
    excess = (weights * (means - centre) ** 2).sum() - (len(means) - 1)
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    return float(max(0.0, excess / scale))

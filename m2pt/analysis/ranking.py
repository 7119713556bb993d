"""Ranks of many methods over many cases, and which of them differ: Demšar, *Statistical Comparisons of Classifiers over Multiple
Data Sets* (JMLR 7, 2006).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Ranking:
    """Mean ranks by method, best (lowest) first.

    `p_value` is Friedman's: whether any two methods differ. Two methods differ where their mean ranks are more than
    `critical_difference` apart (Nemenyi, 5 %). `groups` are the largest sets of neighbours that are not shown to differ.
    """

    ranks: dict[str, float]
    cases: int
    p_value: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]


def rank(scores: Mapping[str, Sequence[float]]) -> Ranking:
    """Rank methods by their scores (higher is better) on the same cases, in the same order.

    Raises:
        ValueError: there are fewer than three methods or two cases, or lengths differ.

    """
    table = np.array([list(values) for values in scores.values()], dtype=float)
    count, cases = table.shape
    if count < 3 or cases < 2:
        raise ValueError("a ranking needs at least three methods and two cases")
    means = stats.rankdata(-table, axis=0).mean(axis=1)
    ranks = dict(sorted(zip(scores, means.tolist(), strict=True), key=lambda item: item[1]))
    critical = critical_difference(count, cases)
    equal = bool((table == table[0]).all())  # Friedman's statistic is 0 / 0 there
    p_value = 1.0 if equal else float(stats.friedmanchisquare(*table).pvalue)
    return Ranking(ranks, cases, p_value, critical, _groups(ranks, critical))


def critical_difference(methods: int, cases: int) -> float:
    """Nemenyi's critical difference of mean ranks at the 5 % level."""
    quantile = float(stats.studentized_range.ppf(0.95, methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * cases))


def _groups(ranks: Mapping[str, float], critical: float) -> tuple[tuple[str, ...], ...]:
    names = list(ranks)
    spans: list[tuple[str, ...]] = []
    for start, name in enumerate(names):
        members = tuple(other for other in names[start:] if ranks[other] - ranks[name] <= critical)
        if len(members) > 1 and not any(set(members) <= set(known) for known in spans):
            spans.append(members)
    return tuple(spans)

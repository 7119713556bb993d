"""Ranks of many methods over many cases, and which of them differ: Demšar, *Statistical Comparisons of Classifiers over Multiple
Data Sets* (JMLR 7, 2006).

A case is a target with its data, never a seed: Friedman's and Nemenyi's tests need independent cases, and seeds of one target
share its data, so more seeds make a case more precise but add no case.

scikit-posthocs judges the same pairs to differ (`posthoc_nemenyi_friedman`), but needs seaborn and gives no critical difference.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from m2pt.analysis.numbers import families
from m2pt.analysis.numbers.cells import Cell, Condition, by_condition, by_method, by_target
from m2pt.analysis.numbers.draws import Draw, in_order
from m2pt.analysis.numbers.statistics import averaged

PERMUTATIONS = 9999
FEWEST_SEEDS = 2
"""With one seed, a rank would be that seed's luck."""


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

    @property
    def can_separate(self) -> bool:
        """Whether this many cases could separate a method that is always first from one that is always last."""
        return len(self.ranks) - 1 > self.critical_difference


@dataclass(frozen=True)
class MethodRanking:
    """The methods of one condition, ranked over its targets by mean test score.

    `scores` in percent by method and target: the mean over the auxiliaries that a method was run with and over `seeds`, those of
    the target that are complete in every ranked method. `left_out` are methods without a complete seed on every target.
    `adjusted_p` is Friedman's p-value after the correction over all conditions, which are one exploratory family.
    """

    condition: Condition
    ranking: Ranking
    scores: dict[str, dict[str, float]]
    seeds: dict[str, tuple[Draw, ...]]
    left_out: tuple[str, ...]
    adjusted_p: float | None = None

    @property
    def holds(self) -> bool:
        """Whether any two methods are shown to differ at the error rate of the family."""
        return families.holds(self.adjusted_p)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The largest sets of neighbours that are not shown to differ: all methods, unless Friedman's test shows a difference."""
        return self.ranking.groups if self.holds else (tuple(self.ranking.ranks),)


def rank(scores: Mapping[str, Sequence[float]]) -> Ranking:
    """Rank methods by their scores (higher is better) on the same cases, in the same order.

    Raises:
        ValueError: there are fewer than three methods or two cases, or lengths differ.

    """
    table = np.array([list(values) for values in scores.values()], dtype=float)
    count, cases = table.shape
    if count < 3 or cases < 2:
        raise ValueError("a ranking needs at least three methods and two cases")
    of_cases = stats.rankdata(-table, axis=0)
    ranks = dict(sorted(zip(scores, of_cases.mean(axis=1).tolist(), strict=True), key=lambda item: item[1]))
    critical = critical_difference(count, cases)
    return Ranking(ranks, cases, _friedman(of_cases), critical, _groups(ranks, critical))


def critical_difference(methods: int, cases: int) -> float:
    """Nemenyi's critical difference of mean ranks at the 5 % level."""
    quantile = float(stats.studentized_range.ppf(0.95, methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * cases))


def rankings(cells: Sequence[Cell]) -> list[MethodRanking]:
    """The ranking of each condition that has three methods or more on two targets or more.

    It needs `FEWEST_SEEDS` seeds of each target that are complete in every ranked method.
    """
    ranked = [_ranked(condition, members) for condition, members in by_condition(cells).items()]
    known = [item for item in ranked if item is not None]
    adjusted = families.discoveries([item.ranking.p_value for item in known])
    return [replace(item, adjusted_p=p) for item, p in zip(known, adjusted, strict=True)]


def _ranked(condition: Condition, members: Sequence[Cell]) -> MethodRanking | None:
    targets = list(by_target(members))
    means = {method: _means(mine, targets) for method, mine in by_method(members).items()}
    kept = {method: of_targets for method, of_targets in means.items() if all(of_targets.values())}
    if len(kept) < 3 or len(targets) < 2:
        return None
    seeds = {target: _shared([of_targets[target] for of_targets in kept.values()]) for target in targets}
    if min(map(len, seeds.values())) < FEWEST_SEEDS:
        return None
    scores: dict[str, dict[str, float]] = {
        method: {target: sum(of_targets[target][seed] for seed in seeds[target]) / len(seeds[target]) for target in targets}
        for method, of_targets in kept.items()
    }
    # Scores are percentages of counted samples: what differs by rounding alone is a tie.
    ranking = rank({method: [round(score, 9) for score in of_targets.values()] for method, of_targets in scores.items()})
    return MethodRanking(condition, ranking, scores, seeds, tuple(method for method in means if method not in kept))


def _means(members: Sequence[Cell], targets: Sequence[str]) -> dict[str, dict[Draw, float]]:
    """A method's mean test score over its auxiliaries, by target and draw, of the draws that are complete in all of them."""
    of_targets = by_target(members)
    means = {target: averaged([cell.test for cell in of_targets.get(target, [])], add=math.fsum) for target in targets}
    return {target: {seed: mean for seed, mean in values.items() if mean is not None} for target, values in means.items()}


def _shared(means: Sequence[Mapping[Draw, float]]) -> tuple[Draw, ...]:
    return tuple(in_order(set.intersection(*(set(values) for values in means))))


def _friedman(of_cases: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
    """Friedman's p-value by permuting the ranks (methods × cases) within each case.

    The usual chi-squared approximation needs more cases than a study has targets. The permutations are seeded, so that the value
    is the same every time; the observed ranks count as one of them.
    """
    rng = np.random.default_rng(0)
    drawn = rng.permuted(np.broadcast_to(of_cases, (PERMUTATIONS, *of_cases.shape)), axis=1).sum(axis=2)
    spread, observed = drawn.var(axis=1), of_cases.sum(axis=1).var()
    return float((1 + (spread >= observed - 1e-9).sum()) / (1 + PERMUTATIONS))


def _groups(ranks: Mapping[str, float], critical: float) -> tuple[tuple[str, ...], ...]:
    names = list(ranks)
    spans: list[tuple[str, ...]] = []
    for start, name in enumerate(names):
        members = tuple(other for other in names[start:] if ranks[other] - ranks[name] <= critical)
        if len(members) > 1 and not any(set(members) <= set(known) for known in spans):
            spans.append(members)
    return tuple(spans)

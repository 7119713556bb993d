"""How sure a study is: each comparison with what its seeds could show, and all targets together.

A pair is a sample of fine-tuning seeds. Over targets there are two separate questions: what further seeds of these targets would
give (averages seed by seed), and what further targets like these would give (the targets are the sample). Seeds of different
targets are never one sample.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from m2pt.analysis.numbers import pooling
from m2pt.analysis.numbers.averages import balanced, measured
from m2pt.analysis.numbers.cells import CONTROLS, Condition, by_target
from m2pt.analysis.numbers.comparisons import Against, Comparison, Summary
from m2pt.analysis.numbers.draws import Draw, in_order
from m2pt.analysis.numbers.families import SIGNIFICANT
from m2pt.analysis.numbers.pooling import Pooled
from m2pt.analysis.numbers.power import detectable, effect_bound, seeds_needed, smallest_margin, spread_bound
from m2pt.analysis.numbers.statistics import BySeed, Estimate, over_seeds, units
from m2pt.config import refuses_unknown

ONE_POINT = 1.0


@dataclass(frozen=True)
class Sureness:
    """One comparison with the random control, and what its seeds can show; differences in points, computed when asked for.

    `bootstrap` is its interval by resampling (None with too few seeds), `margin` what the difference is shown to be smaller than
    (two one-sided tests at 5 %). The others are bounds that hold with a probability of 90 %, because the spread is estimated too
    (`m2pt.analysis.numbers.power`), for a claim at `level`, the strictest that the correction for many comparisons may ask for:
    `detectable` is the true difference that this many seeds detect with 80 % power, `seeds_for_point` and `seeds_for_measured`
    the seeds that detect a difference of one point, or of the measured size, with 80 % power (None: more than `MOST_SEEDS`, or no
    number is shown to suffice). All but the comparison are None without an interval.
    """

    comparison: Comparison
    level: float = SIGNIFICANT

    @cached_property
    def bootstrap(self) -> tuple[float, float] | None:
        """The interval by resampling."""
        return pooling.bootstrap(units(self.comparison.differences)) if self._spread is not None else None

    @cached_property
    def detectable(self) -> float | None:
        """The true difference that is detected with 80 % power."""
        return None if self._bound is None else detectable(self._bound, self.comparison.estimate.units, level=self.level)

    @property
    def margin(self) -> float | None:
        """What the difference is shown to be smaller than."""
        return smallest_margin(self.comparison.estimate) if self._spread is not None else None

    @cached_property
    def seeds_for_point(self) -> int | None:
        """The seeds that detect one point."""
        return None if self._bound is None else seeds_needed(ONE_POINT, self._bound, level=self.level)

    @cached_property
    def seeds_for_measured(self) -> int | None:
        """The seeds that detect the measured difference."""
        mean, spread = self.comparison.estimate.mean, self._spread
        if mean is None or spread is None:
            return None
        return seeds_needed(effect_bound(mean, spread, self.comparison.estimate.units), 1.0, level=self.level)

    @property
    def _spread(self) -> float | None:
        return self.comparison.estimate.spread

    @property
    def _bound(self) -> float | None:
        return None if self._spread is None else spread_bound(self._spread, self.comparison.estimate.units)


@dataclass(frozen=True)
class Together:
    """The gains of other modalities over one reference, over all targets; a target's gain of one seed is the mean over its pairs.

    About further seeds of these targets are `average` (the mean over all pairs) and `middle` (the mean of the middle half of all
    pairs), both of one number per seed, and `resampled` (the mean of the middle half of the targets' seeds, by a bootstrap within
    each target). About further targets like these is `targets_like_these`, None with one target. `improvement` is the probability
    that a run with an auxiliary beats one of the reference on the same target. `targets` are those with a pair that has seeds
    enough to count (`m2pt.analysis.numbers.averages`), `left_out` the pairs without.
    """

    targets: tuple[str, ...]
    left_out: tuple[str, ...]
    average: Estimate
    middle: Estimate
    resampled: Pooled | None
    targets_like_these: Pooled | None
    improvement: float | None

    @property
    def margin(self) -> float | None:
        """What the average is shown to be smaller than."""
        return smallest_margin(self.average)


@dataclass(frozen=True)
class Evidence:
    """How sure one condition is."""

    condition: Condition
    rows: tuple[Sureness, ...]
    together: dict[Against, Together]

    @property
    def seeds(self) -> int:
        """The largest number of seeds of any comparison."""
        return max((row.comparison.estimate.n for row in self.rows), default=0)

    @property
    def has_interval(self) -> bool:
        """Whether any comparison has one."""
        return any(row.comparison.estimate.half_width is not None for row in self.rows)


def evidence(summaries: Iterable[Summary]) -> list[Evidence]:
    """How sure each condition is that compares anything with the random control, in their order."""
    known = list(summaries)
    family = tested_over_random(known)
    return [item for summary in known if (item := weigh(summary, family)).rows]


def tested_over_random(summaries: Iterable[Summary]) -> int:
    """How many gains over random weights are tested: the size of their exploratory family."""
    items = [item for summary in summaries for item in summary.comparisons if item.against == "random"]
    return sum(item.estimate.half_width is not None for item in items)


def weigh(summary: Summary, family: int | None = None) -> Evidence:
    """How sure one condition is: its pairs and its own-modality controls against random weights, target by target.

    What can be detected is judged at the strictest step of the correction over `family` comparisons, by default the condition's
    own.
    """
    count = max(1, tested_over_random([summary]) if family is None else family)
    comparisons = [item for role in ("pair", *CONTROLS) for item in summary.select("random", role)]
    ordered = sorted(comparisons, key=lambda item: summary.targets.index(item.target))
    rows = [Sureness(item, SIGNIFICANT / count) for item in ordered]
    over: tuple[Against, ...] = ("random", "baseline")
    return Evidence(summary.condition, tuple(rows), {against: item for against in over if (item := together(summary, against))})


@refuses_unknown
def together(summary: Summary, against: Against) -> Together | None:
    """The pairs of one condition against one reference, over all targets.

    None where it has no such pairs, or where the targets have several metrics: their points have no mean.
    """
    of_targets = by_target(summary.select(against, "pair"))
    if not of_targets:
        return None
    if len({item.cell.metric for item in summary.select(against, "pair")}) > 1:
        return None
    means = {target: balanced([item.differences for item in pairs]) for target, pairs in of_targets.items()}
    everything = [item for pairs in of_targets.values() for item in pairs]
    kept = measured([item.differences for item in everything])
    complete = {target: units(values) for target, values in means.items() if _known(values)}
    can_pool = bool(complete) and all(complete.values())  # the draws of a crossed layout are no sample of independent numbers
    return Together(
        targets=tuple(complete),
        left_out=tuple(_name(item) for place, item in enumerate(everything) if place not in kept),
        average=summary.averages[against],
        middle=over_seeds(_middles(of_targets)),
        resampled=pooling.stratified(complete) if can_pool else None,
        targets_like_these=pooling.random_effects(complete) if can_pool and len(complete) > 1 else None,
        improvement=_improvement(of_targets),
    )


def _middles(pairs_of: Mapping[str, Sequence[Comparison]]) -> dict[Draw, float | None]:
    """The mean of the middle half of all pairs' gains by seed; None where a pair lacks the seed."""
    middles: dict[Draw, float | None] = {}
    gains = {target: [item.differences for item in pairs] for target, pairs in pairs_of.items()}
    for seed in in_order({seed for pairs in gains.values() for pair in pairs for seed in pair}):
        of_targets = {target: [pair.get(seed) for pair in pairs] for target, pairs in gains.items()}
        known = {target: [gain for gain in values if gain is not None] for target, values in of_targets.items()}
        middles[seed] = pooling.interquartile_mean(known) if known == of_targets else None
    return middles


def _improvement(pairs_of: Mapping[str, Sequence[Comparison]]) -> float | None:
    """The probability that a run of a pair beats one of the reference, over the targets that have runs of both."""
    runs = {target: [score for item in pairs for score in _known(item.cell.test)] for target, pairs in pairs_of.items()}
    others = {target: _known(pairs[0].reference.test) for target, pairs in pairs_of.items()}
    both = [target for target in pairs_of if runs[target] and others[target]]
    if not both:
        return None
    return pooling.probability_of_improvement({name: runs[name] for name in both}, {name: others[name] for name in both})


def _name(item: Comparison) -> str:
    return f"{item.target} from {item.auxiliary}"


def _known(values: BySeed) -> list[float]:
    return [value for value in values.values() if value is not None]

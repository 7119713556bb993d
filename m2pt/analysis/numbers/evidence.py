"""How sure a study is: each comparison with what its seeds could show, and all targets together.

A pair is a sample of fine-tuning seeds. Over targets there are two questions, answered apart: what further seeds of these targets
would give (averages seed by seed), and what further targets like these would (the targets are the sample). Seeds of different
targets are never one sample.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from m2pt.analysis.numbers import pooling
from m2pt.analysis.numbers.pooling import Pooled
from m2pt.analysis.numbers.power import detectable, seeds_needed, smallest_margin, spread_of
from m2pt.analysis.numbers.statistics import Estimate, differences, estimate
from m2pt.analysis.tables.summaries import Against, Arm, Comparison, Condition, Summary
from m2pt.config import refuses_unknown

ONE_POINT = 1.0


@dataclass(frozen=True)
class Sureness:
    """One comparison with the random control, and what its seeds can show; differences in percentage points.

    `bootstrap` is its interval by resampling (None with too few seeds), `detectable` the true difference that so many seeds show
    with a chance of 80 %, `margin` what the difference is shown to be less than (two one-sided tests at 5 %), `seeds_for_point`
    and `seeds_for_measured` the seeds that show a difference of one point, or of the measured size, with a chance of 80 % (None:
    more than `m2pt.analysis.numbers.power.MOST_SEEDS`). All but the comparison are None where there is no interval.
    """

    comparison: Comparison
    bootstrap: tuple[float, float] | None = None
    detectable: float | None = None
    margin: float | None = None
    seeds_for_point: int | None = None
    seeds_for_measured: int | None = None


@dataclass(frozen=True)
class Together:
    """The gains of other modalities over one reference, over all targets; a target's gain of one seed is the mean over its pairs.

    Of further seeds of these targets speak `average` (the mean over all pairs), `middle` (the mean of the middle half of all
    pairs), both one number a seed, and `resampled` (the mean of the middle half of the targets' seeds, by a bootstrap within each
    target). Of further targets like these speaks `targets_like_these`, None with one target. `improvement` is the chance that a
    run with an auxiliary beats one of the reference on the same target. `targets` are those with a seed that is complete in all
    pairs, `left_out` the others.
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
        """What the average is shown to be less than."""
        return smallest_margin(self.average)


@dataclass(frozen=True)
class Evidence:
    """How sure one condition is."""

    condition: Condition
    rows: tuple[Sureness, ...]
    together: dict[Against, Together]

    @property
    def seeds(self) -> int:
        """The most seeds that any comparison rests on."""
        return max((row.comparison.estimate.n for row in self.rows), default=0)

    @property
    def has_interval(self) -> bool:
        """Whether any comparison has one."""
        return any(row.comparison.estimate.half_width is not None for row in self.rows)


def evidence(summaries: Iterable[Summary]) -> list[Evidence]:
    """How sure each condition is that compares anything with the random control, in their order."""
    return [found for summary in summaries if (found := weigh(summary)).rows]


def weigh(summary: Summary) -> Evidence:
    """How sure one condition is: its pairs and its own-modality controls against random weights, target by target."""
    references = {arm.target: arm for arm in summary.arms if arm.role == "random"}
    rows = []
    for comparison in sorted(
        [*summary.select("random", "pair"), *summary.select("random", "own")],
        key=lambda item: summary.targets.index(item.target),
    ):
        arm = summary.arm(comparison.target, comparison.auxiliary)
        gains = [] if arm is None else list(differences(arm.test, references[comparison.target].test).values())
        rows.append(_sureness(comparison, gains))
    over: tuple[Against, ...] = ("random", "baseline")
    pooled = {against: found for against in over if (found := together(summary, against))}
    return Evidence(summary.condition, tuple(rows), pooled)


def _sureness(comparison: Comparison, gains: Sequence[float]) -> Sureness:
    item = comparison.estimate
    if item.mean is None or item.half_width is None:
        return Sureness(comparison)
    spread = spread_of(item.half_width, item.n)
    return Sureness(
        comparison=comparison,
        bootstrap=pooling.bootstrap(gains),
        detectable=detectable(spread, item.n),
        margin=smallest_margin(item),
        seeds_for_point=seeds_needed(ONE_POINT, spread),
        seeds_for_measured=seeds_needed(item.mean, spread),
    )


@refuses_unknown
def together(summary: Summary, against: Against) -> Together | None:
    """The pairs of one condition against one reference, over all targets; None where it has no such pairs."""
    references = {arm.target: arm for arm in summary.arms if arm.role == against}
    arms: dict[str, list[Arm]] = {}
    for arm in summary.arms:
        if arm.role == "pair" and arm.target in references:
            arms.setdefault(arm.target, []).append(arm)
    if not arms:
        return None
    gains = {target: _complete([differences(arm.test, references[target].test) for arm in arms[target]]) for target in arms}
    means = {target: [sum(values) / len(values) for values in of.values()] for target, of in gains.items() if of}
    shared = set.intersection(*(set(of) for of in gains.values()))
    middles = [pooling.interquartile_mean({target: of[seed] for target, of in gains.items()}) for seed in sorted(shared)]
    runs = {target: _known(arms[target]) for target in arms}
    others = {target: _known([references[target]]) for target in arms}
    both = [target for target in arms if runs[target] and others[target]]
    chance = pooling.probability_of_improvement({t: runs[t] for t in both}, {t: others[t] for t in both}) if both else None
    return Together(
        targets=tuple(means),
        left_out=tuple(target for target in arms if target not in means),
        average=summary.averages[against],
        middle=estimate(middles, summary.averages[against].n + summary.averages[against].dropped),
        resampled=pooling.stratified(means) if means else None,
        targets_like_these=pooling.random_effects(means) if len(means) > 1 else None,
        improvement=chance,
    )


def _complete(gains: Sequence[Mapping[int, float]]) -> dict[int, list[float]]:
    """The gains of all pairs of a target by seed, of the seeds that are complete in every pair."""
    seeds = sorted(set.intersection(*(set(gain) for gain in gains)))
    return {seed: [gain[seed] for gain in gains] for seed in seeds}


def _known(arms: Sequence[Arm]) -> list[float]:
    return [score for arm in arms for score in arm.test.values() if score is not None]

"""Means and paired differences with intervals over draws.

A draw is what a run was given by chance: its fine-tuning seed and, where the study's encoders have several pretraining seeds, its
replicate of them. The interval follows from how the two were combined:

- one level: there are no replicates, or every draw has its own. The t interval over draws, which covers both levels.
- nested: each draw has one of fewer replicates (`sweep.encoder_seeds: paired`). The t interval over the means of replicates. With
  equally many draws in each it is exact; with unequal numbers, as after a failure, it is conservative at 5 % and below (N. K.
  Bakirov and G. J. Székely, J. Math. Sci. 139, 2006; R. Ibragimov and U. K. Müller, J. Bus. Econ. Stat. 28, 2010).
- crossed: every seed with every replicate. The two-way random-effects model; see `_crossed`.

Scores that count test samples move in steps of one sample. A spread that is smaller than a step is not measured but rounded: four
seeds that differ by one sample would show a difference of half a sample. So the spread counts as at least one step (`step`).

A missing score is never replaced by a number: a draw without both scores is dropped from a paired difference, and counted.
"""

import functools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from m2pt.analysis.numbers.draws import Draw, by_replicate, complete_layout, in_order, layout
from m2pt.analysis.numbers.sums import mean_and_spread

CONFIDENCE = 0.95


BySeed = Mapping[Draw, float | None]
"""A number of each planned draw (a score, a difference), None where there is none."""

# Scores are percentages of some hundred samples; a spread below this is rounding, not variation.
_NO_SPREAD = 1e-9

ONE_REPLICATE, ONE_SEED = "one pretraining seed", "one fine-tuning seed"
"""Why a mean has no interval: what was not repeated cannot be sampled."""


class Component(NamedTuple):
    """One part of the variance of a mean, as estimated from a sum of squares, and the degrees of freedom of that."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` draws with the half-width of its 95 % interval; what is not known is None.

    `p_value` is that of the two-sided test of mean 0 that agrees with the interval. `dropped` counts the planned draws that had
    no score, or no partner to be compared with, or had to be left out for a complete layout. `replicates` counts the pretraining
    seeds of the encoders that the draws have; with one, mean and interval are for these encoders alone. `components` are what the
    interval is made from; `lack` says why there is none.
    """

    n: int
    dropped: int = 0
    mean: float | None = None
    half_width: float | None = None
    p_value: float | None = None
    replicates: int = 1
    components: tuple[Component, ...] = ()
    lack: str = ""

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return None if self.mean is None or self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return None if self.mean is None or self.half_width is None else self.mean + self.half_width

    @property
    def sign(self) -> int:
        """1 or -1 if the complete interval is above or below 0; 0 if it contains 0 or does not exist."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    @property
    def covers_encoders(self) -> bool:
        """Whether the interval is for encoders trained like these; if not, it is for these encoders."""
        return self.replicates > 1

    @property
    def freedom(self) -> float:
        """The degrees of freedom of the interval; in a crossed layout the fewer of the two."""
        return min((component.freedom for component in self.components), default=self.n - 1)

    @property
    def units(self) -> int:
        """How many independent numbers the interval counts: draws, replicates, or in a crossed layout the fewer of the two."""
        return math.floor(self.freedom) + 1

    @property
    def spread(self) -> float | None:
        """The standard deviation of the numbers whose t interval this is; None without an interval."""
        return None if self.half_width is None else self.half_width * math.sqrt(self.freedom + 1) / t_quantile(self.freedom)

    def half_width_at(self, confidence: float) -> float | None:
        """The half-width of the interval at another confidence, such as 0.9; None without an interval."""
        return _half_width(self.components, confidence) if self.components else None

    @property
    def note(self) -> str:
        """Why there is no interval, or no mean; empty if there is an interval."""
        if self.n == 0:
            return "no result"
        if self.half_width is not None:
            return ""
        return "n=1, no interval" if self.n == 1 else f"n={self.n}, {self.lack or 'all equal'}, no interval"


def estimate(values: Sequence[float], planned: int | None = None) -> Estimate:
    """The mean of independent `values` (one per draw) with its t interval.

    There is no interval for fewer than two values, or if all are equal: the t distribution does not apply.

    Args:
        values: one score or difference per draw.
        planned: how many were planned; the missing ones count as dropped.

    """
    return _of_units(values, len(values), len(values) if planned is None else planned)


def _of_units(
    units: Sequence[float], n: int, planned: int, replicates: int = 1, step: float = 0.0, freedom: float | None = None
) -> Estimate:
    """The mean of independent numbers, which were made from `n` draws, with its t interval.

    `step` is what the numbers move in; where each is the mean of several draws, they move in less. `freedom` is that of their
    variance, if it is not one less than their number.
    """
    if len(units) == 0:
        return Estimate(0, planned)
    mean, spread = mean_and_spread(units)
    if spread <= _NO_SPREAD:
        return Estimate(n, planned - n, mean, replicates=replicates, lack="" if len(units) > 1 else ONE_REPLICATE)
    spread = max(spread, step * math.sqrt(len(units) / n))
    return _with_interval(n, planned, mean, replicates, (Component(spread**2 / len(units), freedom or len(units) - 1),))


def _with_interval(n: int, planned: int, mean: float, replicates: int, components: tuple[Component, ...]) -> Estimate:
    half_width = _half_width(components, CONFIDENCE)
    return Estimate(n, planned - n, mean, half_width, _p_value(mean, components), replicates, components)


def widened(value: Estimate, further: Sequence[Component]) -> Estimate:
    """An estimate whose mean varies by further independent components too; without an interval it stays so."""
    if value.mean is None or not value.components:
        return value
    components = (*value.components, *(part for part in further if part.variance > 0))
    p = _p_value(value.mean, components)
    return replace(value, half_width=_half_width(components, CONFIDENCE), p_value=p, components=components)


def combined(n: int, mean: float, components: tuple[Component, ...]) -> Estimate:
    """A mean with the interval that its components give; none where nothing varies."""
    if sum(variance for variance, _ in components) <= _NO_SPREAD**2:
        return Estimate(n, 0, mean)
    return _with_interval(n, n, mean, 1, components)


def _half_width(components: Sequence[Component], confidence: float) -> float:
    """The half-width of the interval of a mean whose variance is at most the sum of these components.

    With one component it is the t interval. With several, each has the t quantile of its own degrees of freedom: S. K. Banerjee,
    Sankhya 22 (1960). Given normal draws it covers at least as often as its confidence says, whatever the true variances are: a
    squared normal deviation has a concave distribution function, so the chance to cover is at least the mean of what each
    component alone would give, weighted by its share of the variance.
    """
    return _reach(components, (1 + confidence) / 2)


def _reach(components: Sequence[Component], quantile: float) -> float:
    """The half-width at this quantile; a tiny one is on the lower side, where it has all of its digits."""
    return math.sqrt(sum(t_quantile(freedom, quantile) ** 2 * variance for variance, freedom in components if variance))


def _p_value(mean: float, components: Sequence[Component]) -> float:
    """One less the highest confidence at which the interval excludes 0."""
    total = sum(variance for variance, _ in components)
    freedoms = [freedom for _, freedom in components]
    low, high = (float(2 * special.stdtr(freedom, -abs(mean) / math.sqrt(total))) for freedom in (max(freedoms), min(freedoms)))
    if not low < high:
        return low
    low, high = low * (1 - 1e-9), min(1.0, high * (1 + 1e-9))  # one component may be all there is, but for rounding
    return float(optimize.brentq(lambda p: _reach(components, p / 2) - abs(mean), low, high, xtol=1e-12 * high))


@functools.lru_cache(maxsize=2**10)
def t_quantile(freedom: float, confidence: float = (1 + CONFIDENCE) / 2) -> float:
    """The quantile of Student's t distribution; by default what a two-sided 95 % interval reaches, in standard errors."""
    return float(special.stdtrit(freedom, confidence))


def differences(first: BySeed, second: BySeed) -> dict[Draw, float | None]:
    """`first - second` of each draw, in order; None where one of them has no score."""
    return {draw: _less(first.get(draw), second.get(draw)) for draw in in_order(first.keys() | second.keys())}


def averaged(values: Collection[BySeed], add: Callable[[Iterable[float]], float] = sum) -> dict[Draw, float | None]:
    """The mean of several numbers of each draw, in order; None where one of them is missing.

    So auxiliaries and targets are averaged within a draw: they do not count as further draws. `add` sums the numbers of a draw;
    with `math.fsum` the mean is the same in whatever order they come.
    """
    return {draw: _mean([item.get(draw) for item in values], add) for draw in in_order(set[Draw]().union(*values))}


def over_seeds(values: BySeed, step: float = 0.0, freedom: float | None = None) -> Estimate:
    """The mean over draws with its interval, by the layout of the draws; one without a value counts as dropped.

    Args:
        values: a number of each draw.
        step: what the numbers move in, such as the points of one test sample; a spread below it counts as this much.
        freedom: the degrees of freedom of the variance between draws, where they are fewer than draws less one because draws do
            not count alike (`m2pt.analysis.numbers.averages.freedom`); a crossed layout has its own.

    """
    known = {draw: value for draw, value in values.items() if value is not None}
    if layout(values) == "crossed":
        return _crossed(known, len(values), step)
    replicates = {draw.encoders for draw in known} - {None}
    return _of_units(units(values), len(known), len(values), max(1, len(replicates)), step, freedom)


def units(values: BySeed) -> list[float]:
    """The independent numbers behind a mean: a number of each draw, or of each replicate if draws share replicates.

    A crossed layout has none: its draws share replicates and seeds.
    """
    known = {draw: value for draw, value in values.items() if value is not None}
    match layout(values):
        case "one level":
            return list(known.values())
        case "nested":
            return [float(np.mean([known[draw] for draw in mine])) for mine in by_replicate(known).values()]
        case "crossed":
            return []


def _crossed(known: Mapping[Draw, float], planned: int, step: float = 0.0) -> Estimate:
    """The mean over R replicates crossed with S seeds, both random: y = m + a(replicate) + b(seed) + e.

    The variance of the mean is (E[MS of replicates] + E[MS of seeds] - E[MS of the rest]) / RS, by the expected mean squares of
    the two-way classification (S. R. Searle, G. Casella and C. E. McCulloch, Variance Components, 1992). Without the last term it
    is never too small, and the rest is a sum of two independent mean squares. With Satterthwaite's degrees of freedom its t
    interval covers too rarely (down to 89 % with two replicates, in simulations); Banerjee's (`_half_width`) cannot.

    Draws are left out until every replicate has every seed.
    """
    replicates, seeds = complete_layout(known)
    table = np.array([[known[Draw(seed, replicate)] for seed in seeds] for replicate in replicates], dtype=float)
    count = table.size
    if count == 0:
        return Estimate(0, planned)
    mean = float(table.mean())
    if len(replicates) < 2 or len(seeds) < 2:
        lack = ONE_REPLICATE if len(replicates) < 2 else ONE_SEED
        return Estimate(count, planned - count, mean, replicates=len(replicates), lack=lack)
    squares = (len(seeds) * table.mean(axis=1).var(ddof=1), len(replicates) * table.mean(axis=0).var(ddof=1))
    if np.sqrt(max(squares)) <= _NO_SPREAD:
        return Estimate(count, planned - count, mean, replicates=len(replicates))
    freedoms = (len(replicates) - 1, len(seeds) - 1)
    squares = (max(squares[0], step**2), max(squares[1], step**2))
    components = tuple(Component(float(square) / count, freedom) for square, freedom in zip(squares, freedoms, strict=True))
    return _with_interval(count, planned, mean, len(replicates), components)


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _mean(values: Sequence[float | None], add: Callable[[Iterable[float]], float]) -> float | None:
    known = [value for value in values if value is not None]
    return add(known) / len(known) if len(known) == len(values) else None

"""Scores by number of labels, and what a method is worth in labels: how many the baseline needs for the same score.

The baseline's mean score is made monotone (pool-adjacent-violators) and is a straight line in the logarithm of the number of
labels between the numbers that were measured. Nothing is extrapolated: an answer beyond them is a bound.

The interval of an answer inverts a test. It has every number of labels N at which the 95 % interval of the paired difference
between the method's score and the baseline's at N, interpolated in each draw, includes 0, and is widened to be one interval. For
two measured numbers this is Fieller's interval of a ratio (E. C. Fieller, J. R. Stat. Soc. B 16, 1954). It has the coverage of
the interval of a difference, however few draws there are, if the curve is straight between neighbours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scipy.optimize import isotonic_regression

from m2pt.analysis.numbers.statistics import BySeed, Estimate, differences, over_seeds

STEPS = 64
"""Into how many steps the logarithm between neighbouring numbers of labels is divided to find where a test begins to reject."""

_HALVINGS = 20


@dataclass(frozen=True)
class Worth:
    """How many labels the baseline needs for the score that a method has with `labels`.

    `equal` is None where that is beyond what was measured; `beyond` then says on which side (1: more labels, -1: fewer). `low`
    and `high` are the ends of the 95 % interval; None where it is open, as it reaches beyond what was measured. `n` draws were
    used, those with all scores; without `has_interval` they allow none. `measured` are the smallest and the largest number of
    labels that the baseline had. Without `covers_encoders` the interval is for these encoders, which have one pretraining seed.
    """

    labels: int
    measured: tuple[int, int]
    equal: float | None
    beyond: int
    low: float | None
    high: float | None
    n: int
    dropped: int
    has_interval: bool
    covers_encoders: bool

    def more(self, labels: float) -> float:
        """A number of labels as a difference from those of the method, in percent of these."""
        return 100 * (labels / self.labels - 1)


def worth(score: BySeed, labels: int, baseline: Mapping[int, BySeed]) -> Worth | None:
    """What a method's scores with so many labels are worth, against the baseline's scores by number of labels.

    Args:
        score: the method's score in each draw.
        labels: the number of labels that it had.
        baseline: the baseline's scores, for two numbers of labels at least.

    Returns:
        None if no draw has all scores.

    """
    numbers = sorted(baseline)
    known = [draw for draw in score if all(each.get(draw) is not None for each in (score, *baseline.values()))]
    if not known or len(numbers) < 2:
        return None
    mine: BySeed = {draw: score[draw] for draw in known}
    curve = {number: {draw: baseline[number][draw] for draw in known} for number in numbers}
    equal, beyond = _equal(over_seeds(mine), [over_seeds(curve[number]) for number in numbers], numbers)
    accepted = _accepted(mine, curve)
    inside = accepted is not None
    low, high = accepted if accepted is not None else (None, None)
    return Worth(
        labels=labels,
        measured=(numbers[0], numbers[-1]),
        equal=equal,
        beyond=beyond,
        low=None if low is None or low <= numbers[0] else low,
        high=None if high is None or high >= numbers[-1] else high,
        n=len(known),
        dropped=len(score) - len(known),
        has_interval=inside,
        covers_encoders=over_seeds(mine).covers_encoders,
    )


def _equal(score: Estimate, means: Sequence[Estimate], numbers: Sequence[int]) -> tuple[float | None, int]:
    """The smallest number of labels at which the monotone mean curve reaches a score, or on which side of it that is."""
    wanted = score.mean
    assert wanted is not None
    curve = [float(value) for value in isotonic_regression([each.mean for each in means]).x]
    if wanted < curve[0]:
        return None, -1
    if wanted > curve[-1]:
        return None, 1
    place = next(index for index, value in enumerate(curve) if value >= wanted)
    if place == 0:
        return float(numbers[0]), 0
    below, above = curve[place - 1], curve[place]
    return _number(numbers[place - 1], numbers[place], (wanted - below) / (above - below)), 0


def _number(low: float, high: float, share: float) -> float:
    """The number of labels at a share of the way between two, in the logarithm."""
    return math.exp((1 - share) * math.log(low) + share * math.log(high))


def _accepted(score: BySeed, curve: Mapping[int, BySeed]) -> tuple[float, float] | None:
    """The smallest and the largest number of labels at which the difference from the baseline's score may be 0.

    None without an interval of that difference. If it excludes 0 everywhere, both are the end of what was measured that is near.
    """
    numbers = sorted(curve)
    if all(over_seeds(differences(score, curve[number])).half_width is None for number in (numbers[0], numbers[-1])):
        return None
    segments = list(pairwise(numbers))
    points = [(place, step / STEPS) for place in range(len(segments)) for step in range(STEPS)] + [(len(segments) - 1, 1.0)]
    signs = [_sign(score, curve, segments[place], share) for place, share in points]
    hits = [index for index, sign in enumerate(signs) if sign == 0]
    if not hits:
        end = numbers[-1] if signs[-1] > 0 else numbers[0]
        return end, end

    def edge(inside: int, outside: int) -> float:
        (place, near), (other, far) = points[inside], points[outside]
        if other != place:  # neighbours on both sides of a measured number, which belongs to both segments
            near, far, place = (1.0, far, other) if inside > outside else (near, 1.0, place)
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            near, far = (middle, far) if _sign(score, curve, segments[place], middle) == 0 else (near, middle)
        return _number(*segments[place], near)

    first, last = hits[0], hits[-1]
    low = edge(first, first - 1) if first > 0 else float(numbers[0])
    high = edge(last, last + 1) if last + 1 < len(points) else float(numbers[-1])
    return low, high


def _sign(score: BySeed, curve: Mapping[int, BySeed], segment: tuple[int, int], share: float) -> int:
    """On which side of 0 the interval of the difference from the interpolated baseline is; 0 if on both, or without interval."""
    low, high = curve[segment[0]], curve[segment[1]]
    between: BySeed = {draw: _mixed(low[draw], high[draw], share) for draw in score}
    return over_seeds(differences(score, between)).sign


def _mixed(low: float | None, high: float | None, share: float) -> float | None:
    return None if low is None or high is None else (1 - share) * low + share * high

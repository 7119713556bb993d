"""Performance profiles: what share of a method's runs gains more than so many points, over all targets.

A mean hides whether a method gains a little everywhere or much in a few runs; a profile shows the whole distribution. It is the
run-score distribution of *Deep Reinforcement Learning at the Edge of the Statistical Precipice* (Agarwal et al., NeurIPS 2021,
arXiv 2108.13264, section 4.2): the share of runs with a score above each threshold, as the mean over targets of the share of each
target's runs. The score of a run is its gain over the run without an auxiliary of the same draw, which makes targets comparable.

Bands and the interval on the probability of improvement are from the bootstrap of that paper: draws are drawn anew within each
target (stratified), all methods of a draw together, because they are paired. Draws that share a replicate of the encoders are
drawn together. With fewer than `m2pt.analysis.numbers.pooling.BOOTSTRAP_SEEDS` of these there are no bands. They are percentile
intervals, widened as all bootstrap intervals here, and each threshold has its own: a band is not a statement about all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2pt.analysis.numbers.cells import Cell, Condition, by_condition, by_method, by_target
from m2pt.analysis.numbers.draws import Draw, by_replicate, in_order, layout
from m2pt.analysis.numbers.pooling import BOOTSTRAP_SEEDS, RESAMPLES, expanded_level
from m2pt.config import MethodName

FEWEST_DRAWS = 2
"""With one run of each target a profile is no distribution."""

_REFERENCES: tuple[MethodName, ...] = ("baseline", "random_auxiliary")
"""What methods are compared with by the probability of improvement."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """A share of runs, from 0 to 1, with its 95 % interval.

    Without one there are too few draws, or all of them agree: resampling these shows no spread, though there may be one.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Profile:
    """The profile of one method.

    `heights` are the shares of runs that gain more than each threshold, `low` and `high` their bands (None without them);
    `gains` is the share of runs that gain at all. `improvement` has the probability that a run of the method scores higher than
    one of the method that is its key, on the same target.
    """

    method: MethodName
    heights: tuple[float, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    gains: Share
    improvement: Mapping[MethodName, Share]


@dataclass(frozen=True)
class MethodProfiles:
    """The profiles of the methods of one condition, over the same targets and draws.

    `draws` counts the draws of each target that are complete in every profiled method, `left_out` are methods that lack them.
    """

    condition: Condition
    thresholds: tuple[float, ...]
    profiles: tuple[Profile, ...]
    draws: dict[str, int]
    left_out: tuple[str, ...]

    @property
    def has_bands(self) -> bool:
        """Whether there are draws enough for bands."""
        return all(profile.low is not None for profile in self.profiles)


def profiles(cells: Sequence[Cell]) -> list[MethodProfiles]:
    """The profiles of each condition with a baseline and another method that have `FEWEST_DRAWS` draws on every target.

    A condition whose targets have several metrics has none: points of accuracy and points of mAP are no common scale.
    """
    made = [_of_condition(condition, members) for condition, members in by_condition(cells).items()]
    return [item for item in made if item is not None]


def _of_condition(condition: Condition, members: Sequence[Cell]) -> MethodProfiles | None:
    targets, methods = list(by_target(members)), by_method(members)
    groups = {name: by_target(mine) for name, mine in methods.items()}
    complete = {name: {target: _complete(mine.get(target, [])) for target in targets} for name, mine in groups.items()}
    kept = [name for name in methods if all(len(draws) >= FEWEST_DRAWS for draws in complete[name].values())]
    draws = {target: in_order(set.intersection(*(complete[name][target] for name in kept))) for target in targets if kept}
    if "baseline" not in kept or len(kept) < 2 or min(map(len, draws.values())) < FEWEST_DRAWS:
        return None
    if len({cell.metric for cell in members}) > 1:
        return None
    scores = {name: _Scores.of(methods[name], draws) for name in kept}
    resampled = _resampled(draws)
    gains = {name: scores[name].over(scores["baseline"]) for name in kept if name != "baseline"}
    thresholds = _thresholds(gains.values())
    references: list[MethodName] = [name for name in _REFERENCES if name in kept]
    made = []
    for name, of_targets in gains.items():
        others = {other: (scores[name], scores[other]) for other in references if other != name}
        made.append(_profile(name, of_targets, thresholds, resampled, others))
    counts = {target: len(mine) for target, mine in draws.items()}
    left_out = tuple(name for name in methods if name not in kept)
    return MethodProfiles(condition, tuple(thresholds.tolist()), tuple(made), counts, left_out)


def _complete(cells: Sequence[Cell]) -> set[Draw]:
    """The draws that are complete in all of some cells."""
    return set.intersection(*(set(cell.complete) for cell in cells)) if cells else set()


@dataclass(frozen=True)
class _Scores:
    """The test scores of one method by target: an array of its auxiliaries × draws."""

    of_targets: dict[str, Floats]

    @classmethod
    def of(cls, cells: Sequence[Cell], draws: Mapping[str, Sequence[Draw]]) -> "_Scores":
        """The scores of the cells of a method in these draws."""
        members = by_target(cells)
        return cls({target: np.array([[cell.test[draw] for draw in mine] for cell in members[target]], dtype=float)
                    for target, mine in draws.items()})  # fmt: skip

    def over(self, reference: "_Scores") -> dict[str, Floats]:
        """The gains over a reference of the same draws; those that differ from 0 by rounding alone are 0."""
        return {
            target: np.round(values - reference.of_targets[target].mean(axis=0), 9) for target, values in self.of_targets.items()
        }


Resampled = dict[str, Floats]
"""How often each draw of each target is in each of the resampled studies: arrays of resamples × draws."""


def _resampled(draws: Mapping[str, Sequence[Draw]]) -> tuple[Resampled, float] | None:
    """The resampled studies and the confidence of the percentile interval; None with too few draws, or where they are crossed."""
    rng = np.random.default_rng(0)
    counts, numbers = {}, []
    for target, mine in draws.items():
        if layout(mine) == "crossed":
            return None
        groups = by_replicate(mine) if layout(mine) == "nested" else {place: [draw] for place, draw in enumerate(mine)}
        if len(groups) < BOOTSTRAP_SEEDS:
            return None
        member = np.array([[float(draw in group) for draw in mine] for group in groups.values()])
        counts[target] = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), RESAMPLES) @ member
        numbers.append(len(groups))
    return counts, expanded_level(numbers)


def _thresholds(gains: Any) -> Floats:
    """Every gain, where a profile steps, and a point below all of them."""
    known = np.unique(np.concatenate([values.ravel() for of_targets in gains for values in of_targets.values()]))
    return np.concatenate([[known[0] - max(0.05 * float(np.ptp(known)), 0.1)], known])


def _profile(
    name: MethodName,
    gains: Mapping[str, Floats],
    thresholds: Floats,
    resampled: tuple[Resampled, float] | None,
    others: Mapping[MethodName, tuple[_Scores, _Scores]],
) -> Profile:
    above = {target: (values[:, :, None] > thresholds).mean(axis=0) for target, values in gains.items()}
    heights = np.mean([of_draws.mean(axis=0) for of_draws in above.values()], axis=0)
    band = _interval(_mean_share(above, resampled[0]), resampled[1]) if resampled else None
    positive = {target: (values > 0).mean(axis=0)[:, None] for target, values in gains.items()}
    return Profile(
        method=name,
        heights=tuple(heights.tolist()),
        low=tuple(band[0].tolist()) if band else None,
        high=tuple(band[1].tolist()) if band else None,
        gains=_share(float(np.mean([of_draws.mean() for of_draws in positive.values()])),
                     _mean_share(positive, resampled[0]) if resampled else None, resampled),
        improvement={other: _improvement(*pair, resampled) for other, pair in others.items()},
    )  # fmt: skip


def _mean_share(of_draws: Mapping[str, Floats], counts: Resampled) -> Floats:
    """The mean over targets in each resampled study, of what each draw has (draws × thresholds)."""
    means = [(counts[target] @ values) / counts[target].sum(axis=1, keepdims=True) for target, values in of_draws.items()]
    return np.asarray(np.mean(means, axis=0))


def _improvement(first: _Scores, second: _Scores, resampled: tuple[Resampled, float] | None) -> Share:
    """The probability that a run of the first beats one of the second on the same target; ties count half."""
    wins = {target: _wins(first.of_targets[target], second.of_targets[target]) for target in first.of_targets}
    value = float(np.mean([table.mean() for table in wins.values()]))
    if resampled is None:
        return Share(value)
    of_targets = []
    for target, table in wins.items():
        counts = resampled[0][target]
        of_targets.append(((counts @ table) * counts).sum(axis=1) / counts.sum(axis=1) ** 2)
    return _share(value, np.mean(of_targets, axis=0), resampled)


def _wins(first: Floats, second: Floats) -> Floats:
    """How often each draw of the first beats each of the second, over all of their auxiliaries."""
    a, b = first[:, None, :, None], second[None, :, None, :]
    return np.asarray(((a > b) + 0.5 * (a == b)).mean(axis=(0, 1)))


def _share(value: float, values: Floats | None, resampled: tuple[Resampled, float] | None) -> Share:
    if values is None or resampled is None:
        return Share(value)
    low, high = (float(np.squeeze(end)) for end in _interval(values, resampled[1]))
    return Share(value, low, high) if low < high else Share(value)


def _interval(values: Floats, confidence: float) -> tuple[Floats, Floats]:
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high

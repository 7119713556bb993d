"""The numbers of a study for programs: the few that people compare (`dvc metrics diff`), and every gain.

Whoever changes settings until a number is large chooses by that number. So the numbers on validation data come first, for
choosing; those on test data are apart from them, below a key that says so. What is not known has no key: a missing number is
not 0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from m2pt.analysis.numbers.averages import mean_over
from m2pt.analysis.numbers.cells import Cell, Condition, Role, by_condition, cells, step_of
from m2pt.analysis.numbers.claims import Claims
from m2pt.analysis.numbers.comparisons import REFERENCES, Against, Comparison, Summary
from m2pt.analysis.numbers.rules import FIXED, Rule
from m2pt.analysis.numbers.statistics import BySeed, Estimate, differences, over_seeds
from m2pt.runs.folder import RunState

VALIDATION, TEST = "val", "test"
"""The keys of validation data, by which settings may be chosen, and of test data, by which they may not."""

GAIN, HALF_WIDTH = "gain_over_random", "gain_over_random_half_width"
"""What pathways of other modalities gain over random weights on average, and half of its 95 % interval."""

_DIGITS = 4
_AVERAGES: dict[str, tuple[Against, Role]] = {
    GAIN: ("random", "pair"),
    "own_lineage_over_random": ("random", "lineage"),
    "own_apart_over_random": ("random", "apart"),
    "gain_over_baseline": ("baseline", "pair"),
}

Scores = Callable[[Cell], BySeed]

_SPLITS: dict[str, Scores] = {VALIDATION: lambda cell: cell.val, TEST: lambda cell: cell.test}


def metrics(table: pd.DataFrame, summaries: Sequence[Summary], claims: Mapping[Condition, Claims]) -> dict[str, Any]:
    """About a dozen numbers: the averages of the condition that the primary claims are about, and how many runs there are.

    The averages on test data are those of the claims. Points of several metrics have no mean: then each metric has its own. Where
    there is no gain, each method has its mean score on validation data.

    Args:
        table: the planned runs.
        summaries: the main question of each condition.
        claims: what is tested about each; without primary claims the first condition is shown.

    """
    primary = next((item for item in summaries if item.condition in claims and claims[item.condition].is_primary), None)
    shown = primary or next(iter(summaries), None)
    rule = FIXED
    if primary is not None:
        tested = claims[primary.condition]
        rule = next((claim.rule for claim in (*tested.others, *tested.controls)), FIXED)
    counts = {state.value: int((table["status"] == state).sum()) for state in (RunState.COMPLETE, RunState.FAILED)}
    values = {name: _averages(shown, scores, rule) for name, scores in _SPLITS.items()} if shown is not None else {}
    if shown is not None and not any("_over_" in name for name in values[VALIDATION]):
        values[VALIDATION] |= _scores(by_condition(cells(table))[shown.condition])
    return {name: section for name, section in values.items() if section} | {"runs": {"planned": len(table), **counts}}


def _averages(summary: Summary, scores: Scores, rule: Rule) -> dict[str, float]:
    """The averages over targets and pairs on one split, in points, by name."""
    names = list(dict.fromkeys(cell.metric for cell in summary.cells))
    values: dict[str, float | None] = {}
    for metric in names:
        ending = f"_{metric}" if len(names) > 1 else ""
        for name, (against, role) in _AVERAGES.items():
            of_metric = [item for item in summary.select(against, role) if item.cell.metric == metric]
            value = rule.judged(_average(of_metric, scores))
            values[f"{name}{ending}"] = value.mean
            if name == GAIN:
                values[f"{HALF_WIDTH}{ending}"] = value.half_width
        baselines = [cell for cell in summary.cells if (cell.role, cell.metric) == ("baseline", metric)]
        values[f"baseline{ending}"] = mean_over([scores(cell) for cell in baselines]).mean
    return {name: round(value, _DIGITS) for name, value in values.items() if value is not None}


def _scores(members: Sequence[Cell]) -> dict[str, float]:
    """Each method's mean score on validation data, for a study that compares nothing with random weights or a baseline."""
    names = list(dict.fromkeys(cell.metric for cell in members if cell.metric))
    values: dict[str, float | None] = {}
    for metric in names:
        ending = f"_{metric}" if len(names) > 1 else ""
        for method in dict.fromkeys(cell.method for cell in members):
            of_both = [cell.val for cell in members if (cell.method, cell.metric) == (method, metric)]
            values[f"{method}{ending}"] = mean_over(of_both).mean
    return {name: round(value, _DIGITS) for name, value in values.items() if value is not None}


def _average(comparisons: Sequence[Comparison], scores: Scores) -> Estimate:
    step = step_of([cell for item in comparisons for cell in (item.cell, item.reference)])
    return mean_over([_gain(item, scores) for item in comparisons], step)


def gains(summaries: Iterable[Summary]) -> dict[str, Any]:
    """Per condition and split the baselines' scores, every gain with interval half-width and number of seeds."""
    return {item.condition.slug: _condition(item) for item in summaries}


def _condition(summary: Summary) -> dict[str, Any]:
    sections = {name: _split(summary, scores) for name, scores in _SPLITS.items()}
    return {name: section for name, section in sections.items() if section}


def _split(summary: Summary, scores: Scores) -> dict[str, Any]:
    baselines = {cell.target: over_seeds(scores(cell)) for cell in summary.cells if cell.role == "baseline"}
    over = {against: [item for item in summary.comparisons if item.against == against] for against in REFERENCES}
    sections: dict[str, Any] = {
        "baseline": {target: _numbers(value) for target, value in baselines.items() if value.n},
        "gain_over_baseline": _gains(over["baseline"], scores),
        "gain_over_random": _gains(over["random"], scores),
        "average_over_pairs": {
            f"over_{against}": _numbers(value) for against in REFERENCES if (value := _over_pairs(summary, against, scores)).n
        },
    }
    return {name: section for name, section in sections.items() if section}


def _gains(items: list[Comparison], scores: Scores) -> dict[str, dict[str, float]]:
    values = {f"{item.target}_from_{item.column.replace(' ', '_')}": over_seeds(_gain(item, scores)) for item in items}
    return {name: _numbers(value) for name, value in values.items() if value.n}


def _over_pairs(summary: Summary, against: Against, scores: Scores) -> Estimate:
    """The average over pairs; none where the targets have several metrics, whose points have no mean."""
    pairs = summary.select(against, "pair")
    if len({item.cell.metric for item in pairs}) > 1:
        return Estimate(0)
    return mean_over([_gain(item, scores) for item in pairs])


def _gain(item: Comparison, scores: Scores) -> BySeed:
    return differences(scores(item.cell), scores(item.reference))


def _numbers(value: Estimate) -> dict[str, float]:
    known = {"mean": value.mean, "half_width": value.half_width}
    return {name: round(number, _DIGITS) for name, number in known.items() if number is not None} | {"n": value.n}

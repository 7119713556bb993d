"""The numbers of a study that are followed over time (`dvc metrics show`), as one nested mapping without empty values.

Whoever changes settings until a number is large chooses by that number. So the gains on validation data come first, for choosing;
those on test data are apart from them, below a key that says so.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from m2pt.analysis.numbers.averages import balanced
from m2pt.analysis.numbers.cells import Cell
from m2pt.analysis.numbers.comparisons import REFERENCES, Comparison, Summary
from m2pt.analysis.numbers.statistics import BySeed, Estimate, differences, over_seeds
from m2pt.runs.folder import FILE_STATES

CHOOSING, TEST = "choose_by_validation", "test"
"""The keys of a condition: gains on validation data, by which settings may be chosen, and on test data, by which they may not."""

_DIGITS = 4

Scores = Callable[[Cell], BySeed]


def metrics(table: pd.DataFrame, summaries: list[Summary]) -> dict[str, Any]:
    """Counts of runs; per condition and split the baselines' scores, every gain with interval half-width and number of seeds.

    What is not known has no key: a missing number is not 0.
    """
    counts: dict[str, int] = {state: int((table["status"] == state).sum()) for state in FILE_STATES}
    return {"runs": {"planned": len(table), **counts}} | {item.condition.slug: _condition(item) for item in summaries}


def _condition(summary: Summary) -> dict[str, Any]:
    splits: dict[str, Scores] = {CHOOSING: lambda cell: cell.val, TEST: lambda cell: cell.test}
    sections = {name: _split(summary, scores) for name, scores in splits.items()}
    return {name: section for name, section in sections.items() if section}


def _split(summary: Summary, scores: Scores) -> dict[str, Any]:
    baselines = {cell.target: over_seeds(scores(cell)) for cell in summary.cells if cell.role == "baseline"}
    over = {against: [item for item in summary.comparisons if item.against == against] for against in REFERENCES}
    sections: dict[str, Any] = {
        "baseline": {target: _numbers(value) for target, value in baselines.items() if value.n},
        "gain_over_baseline": _gains(over["baseline"], scores),
        "gain_over_random": _gains(over["random"], scores),
        "average_over_pairs": {
            f"over_{against}": _numbers(value) for against in REFERENCES if (value := _average(summary, against, scores)).n
        },
    }
    return {name: section for name, section in sections.items() if section}


def _gains(items: list[Comparison], scores: Scores) -> dict[str, dict[str, float]]:
    values = {f"{item.target}_from_{item.column.replace(' ', '_')}": over_seeds(_gain(item, scores)) for item in items}
    return {name: _numbers(value) for name, value in values.items() if value.n}


def _average(summary: Summary, against: Any, scores: Scores) -> Estimate:
    """The average over pairs; none where the targets have several metrics, whose points have no mean."""
    pairs = summary.select(against, "pair")
    if len({item.cell.metric for item in pairs}) > 1:
        return Estimate(0)
    return over_seeds(balanced([_gain(item, scores) for item in pairs]))


def _gain(item: Comparison, scores: Scores) -> BySeed:
    return differences(scores(item.cell), scores(item.reference))


def _numbers(value: Estimate) -> dict[str, float]:
    known = {"mean": value.mean, "half_width": value.half_width}
    return {name: round(number, _DIGITS) for name, number in known.items() if number is not None} | {"n": value.n}

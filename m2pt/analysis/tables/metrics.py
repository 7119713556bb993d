"""The numbers of a study that are followed over time (`dvc metrics show`), as one nested mapping without empty values."""

from typing import Any

import pandas as pd

from m2pt.analysis.numbers.cells import CONTROLS
from m2pt.analysis.numbers.comparisons import Comparison, Summary
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.runs.folder import FILE_STATES

_DIGITS = 4


def metrics(table: pd.DataFrame, summaries: list[Summary]) -> dict[str, Any]:
    """Counts of runs; per condition the baselines' scores, every gain with interval half-width and number of seeds.

    What is not known has no key: a missing number is not 0.
    """
    counts: dict[str, int] = {state: int((table["status"] == state).sum()) for state in FILE_STATES}
    return {"runs": {"planned": len(table), **counts}} | {item.condition.slug: _condition(item) for item in summaries}


def _condition(summary: Summary) -> dict[str, Any]:
    baselines = [cell for cell in summary.cells if cell.role == "baseline" and cell.mean_test.n]
    sections: dict[str, Any] = {
        "baseline": {
            cell.target: {
                "val": round(cell.mean_val.mean or 0.0, _DIGITS),
                "test": round(cell.mean_test.mean or 0.0, _DIGITS),
                "n": cell.mean_test.n,
            }
            for cell in baselines
        },
        "gain_over_baseline": _gains([item for item in summary.comparisons if item.against == "baseline"]),
        "gain_over_random": _gains(summary.select("random", "pair")),
        **{
            f"own_{role}_minus_random": {item.target: _numbers(item.estimate) for item in own if item.estimate.n}
            for role in CONTROLS
            if (own := summary.select("random", role))
        },
        "average_over_pairs": {f"over_{name}": _numbers(value) for name, value in summary.averages.items() if value.n},
    }
    return {name: section for name, section in sections.items() if section}


def _gains(items: list[Comparison]) -> dict[str, dict[str, float]]:
    return {f"{item.target}_from_{item.column.replace(' ', '_')}": _numbers(item.estimate) for item in items if item.estimate.n}


def _numbers(value: Estimate) -> dict[str, float]:
    known = {"mean": value.mean, "half_width": value.half_width}
    return {name: round(number, _DIGITS) for name, number in known.items() if number is not None} | {"n": value.n}

"""The cells of a study and their gains as tables for programs: unrounded, with the numbers behind each interval."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from m2pt.analysis.numbers.cells import Cell, CellKey
from m2pt.analysis.numbers.comparisons import Against, Compared, Summary
from m2pt.analysis.numbers.statistics import Estimate

_KEY = ("part", "setting", "tuning", "target", "method", "auxiliary")
_ESTIMATE = ("mean", "low", "high")
_OF_CELL = (*_KEY, "metric", "lineage", "planned", "complete")
_OF_GAIN = (*_KEY, "metric", "against", *_ESTIMATE, "n", "dropped", "p", "other_samples", "adjusted_p", "shown")


def cell_table(cells: Sequence[Cell]) -> pd.DataFrame:
    """One row per cell: how many runs it plans and has, and its mean scores in percent over draws, with 95 % intervals.

    Columns: those that name a cell (`part`, `setting`, `tuning`, `target`, `method`, `auxiliary`), `metric`, `lineage`,
    `planned`, `complete`, and `mean`, `low`, `high` of `val` and of `test`. What is not known is missing.
    """
    rows = [
        _key(cell)
        | {"metric": cell.metric, "lineage": cell.lineage, "planned": len(cell.runs), "complete": len(cell.complete)}
        | _estimate("val_", cell.mean_val)
        | _estimate("test_", cell.mean_test)
        for cell in cells
    ]
    estimates = [f"{split}_{name}" for split in ("val", "test") for name in _ESTIMATE]
    return _table(rows, [*_OF_CELL, *estimates], estimates)


def gain_table(cells: Iterable[Compared], summaries: Iterable[Summary]) -> pd.DataFrame:
    """One row per cell and reference: its gain in test score in percentage points, paired by draw, with a 95 % interval.

    `against` is `baseline` (the same target without an auxiliary) or `random` (the method's control with random weights). `n`
    counts the pairs, `dropped` the planned ones without both scores. `adjusted_p` and `shown` are those of the main question's
    comparisons, after the correction over their family; all others are missing there: nothing is claimed about them.
    `other_samples`: the two sides were scored on different samples.
    """
    tested = {(item.cell.key, item.against): item for summary in summaries for item in summary.comparisons}
    rows = []
    for item in cells:
        for against in item.against:
            value = item.difference(against)
            if value is not None:
                rows.append(_gain(item, against, value) | _claim(tested, item.cell.key, against))
    return _table(rows, _OF_GAIN, [*_ESTIMATE, "p", "adjusted_p"])


def _table(rows: Sequence[dict[str, Any]], columns: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """The same columns and types whatever is known: numbers that are not there are NaN."""
    return pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(numbers, "float64"))


def _gain(item: Compared, against: Against, value: Estimate) -> dict[str, Any]:
    counted = {"n": value.n, "dropped": value.dropped, "p": value.p_value, "other_samples": item.unlike(against)}
    return _key(item.cell) | {"metric": item.cell.metric, "against": against} | _estimate("", value) | counted


def _claim(tested: Mapping[tuple[CellKey, Against], Any], key: CellKey, against: Against) -> dict[str, Any]:
    known = tested.get((key, against))
    return {"adjusted_p": None if known is None else known.adjusted_p, "shown": None if known is None else known.holds}


def _key(cell: Cell) -> dict[str, Any]:
    condition = cell.condition
    values = (condition.part, condition.setting, condition.tuning, cell.target, cell.method, cell.auxiliary)
    return dict(zip(_KEY, values, strict=True))


def _estimate(before: str, value: Estimate) -> dict[str, Any]:
    return {f"{before}mean": value.mean, f"{before}low": value.low, f"{before}high": value.high}

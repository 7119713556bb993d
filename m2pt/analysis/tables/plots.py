"""Tables that `dvc plots` draws. They have the same names and columns whatever a study compares: what differs is in the rows."""

from collections.abc import Iterable, Sequence

import pandas as pd

from m2pt.analysis.numbers.cells import Cell, Condition
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.numbers.trajectories import ByCell

GAINS, VALIDATION, SCALES = "gains", "validation", "scales"
"""The names of the tables."""

_PREFIXES = {"pathway": "", "random_auxiliary": "random, "}
"""The methods whose scales are plotted, and how the names of their lines begin."""


def frames(summaries: Iterable[Summary], cells: Sequence[Cell], curves: ByCell, scales: ByCell) -> dict[str, pd.DataFrame]:
    """The tables by name, each without rows left out: a row per comparison (`gains`), or per epoch and line of a panel.

    `curves` and `scales` are those of `m2pt.analysis.numbers.trajectories`. A panel is a target, with its condition where the
    study has several.
    """
    items = list(summaries)
    several = len(items) > 1
    members: dict[tuple[Condition, str], list[Cell]] = {}
    for cell in cells:
        members.setdefault((cell.condition, cell.target), []).append(cell)
    tables = {
        GAINS: [_gains(item, several) for item in items],
        VALIDATION: [_validation(curves, cell, several) for item in items for cell in item.cells],
        SCALES: [_scales(scales, members[item.condition, target], several) for item in items for target in item.targets],
    }
    joined = {name: [part for part in parts if len(part)] for name, parts in tables.items()}
    return {name: pd.concat(parts, ignore_index=True) for name, parts in joined.items() if parts}


def line(cell: Cell) -> str:
    """What the line of a cell is called where its target is known."""
    names = {"baseline": "baseline", "lineage": "own lineage", "apart": "own apart"}
    return names.get(cell.role or "", f"from {cell.auxiliary}")


def _panel(target: str, condition: Condition, several: bool) -> str:
    return f"{target}, {condition.slug}" if several else target


def _validation(curves: ByCell, cell: Cell, several: bool) -> pd.DataFrame:
    if cell.key not in curves:
        return pd.DataFrame()
    rows = curves[cell.key]
    rows = rows[rows["metric"] == f"val/{cell.metric}"]
    columns = {"epoch": rows["epoch"], "score": rows["mean"]}
    return pd.DataFrame({"panel": _panel(cell.target, cell.condition, several), "line": line(cell), **columns})


def _scales(scales: ByCell, cells: Sequence[Cell], several: bool) -> pd.DataFrame:
    """Mean |scale| over depths, per layer type, of the auxiliaries of other modalities and of the random control.

    `cells` are those of one condition and target.
    """
    parts = [
        scales[cell.key].assign(line=_PREFIXES[cell.method] + scales[cell.key]["layer"])
        for cell in cells
        if cell.method in _PREFIXES and cell.key in scales
    ]
    if not parts:
        return pd.DataFrame()
    means = pd.concat(parts).groupby(["line", "epoch"], as_index=False)["scale"].mean()
    panel = _panel(cells[0].target, cells[0].condition, several)
    return pd.DataFrame({"panel": panel, **{name: means[name] for name in means}})


def _gains(summary: Summary, several: bool) -> pd.DataFrame:
    rows = [
        {
            "comparison": f"{_panel(item.target, summary.condition, several)} from {item.column}",
            "against": item.against,
            "role": item.role,
            "gain": item.estimate.mean,
            "low": item.estimate.low,
            "high": item.estimate.high,
            "seeds": item.estimate.n,
            "adjusted_p": item.adjusted_p,
        }
        for item in summary.comparisons
        if item.estimate.n
    ]
    return pd.DataFrame(rows)

"""Tables that `dvc plots` draws. They have the same names and columns whatever a study compares: what differs is in the rows."""

from collections.abc import Iterable, Sequence

import numpy as np
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
    gains = [part for item in items if len(part := _gains(item, several))]
    tables = {
        GAINS: pd.concat(gains, ignore_index=True) if gains else pd.DataFrame(),
        VALIDATION: _validation(curves, [cell for item in items for cell in item.cells], several),
        SCALES: _scales(scales, [members[item.condition, target] for item in items for target in item.targets], several),
    }
    return {name: table for name, table in tables.items() if len(table)}


def line(cell: Cell) -> str:
    """What the line of a cell is called where its target is known."""
    names = {"baseline": "baseline", "lineage": "own lineage", "apart": "own apart"}
    return names.get(cell.role or "", f"from {cell.auxiliary}")


def _panel(target: str, condition: Condition, several: bool) -> str:
    return f"{target}, {condition.slug}" if several else target


def _validation(curves: ByCell, cells: Sequence[Cell], several: bool) -> pd.DataFrame:
    """The mean validation score of each cell after each epoch."""
    parts = []
    for cell in cells:
        if cell.key in curves:
            rows = curves[cell.key]
            chosen = rows["metric"].to_numpy() == f"val/{cell.metric}"
            parts.append((cell, rows["epoch"].to_numpy()[chosen], rows["mean"].to_numpy()[chosen]))
    if not parts:
        return pd.DataFrame()
    counts = [len(epochs) for _, epochs, _ in parts]
    return pd.DataFrame(
        {
            "panel": np.repeat([_panel(cell.target, cell.condition, several) for cell, *_ in parts], counts),
            "line": np.repeat([line(cell) for cell, *_ in parts], counts),
            "epoch": np.concatenate([epochs for _, epochs, _ in parts]),
            "score": np.concatenate([means for *_, means in parts]),
        }
    )


def _scales(scales: ByCell, panels: Sequence[Sequence[Cell]], several: bool) -> pd.DataFrame:
    """Mean |scale| over depths, per layer type, of the auxiliaries of other modalities and of the random control.

    The cells of a panel are those of one condition and target.
    """
    shown = [(place, cell) for place, cells in enumerate(panels) for cell in cells if cell.method in _PREFIXES]
    known = [(place, cell.method, scales[cell.key]) for place, cell in shown if cell.key in scales]
    if not known:
        return pd.DataFrame()
    counts = [len(rows) for *_, rows in known]
    every = pd.concat([rows for *_, rows in known])
    every["place"] = np.repeat([place for place, *_ in known], counts)
    every["line"] = np.repeat([_PREFIXES[method] for _, method, _ in known], counts).astype(object) + every["layer"]
    means = every.groupby(["place", "line", "epoch"], as_index=False)["scale"].mean()
    names = [_panel(cells[0].target, cells[0].condition, several) for cells in panels]
    return pd.DataFrame(
        {"panel": [names[place] for place in means["place"]], **{name: means[name] for name in ("line", "epoch", "scale")}}
    )


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

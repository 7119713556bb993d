"""Tables in the form that `dvc plots` draws: one row per epoch (or per comparison), one column per line."""

from collections.abc import Iterable, Sequence

import pandas as pd

from m2pt.analysis.numbers.cells import Cell, by_target
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.numbers.trajectories import ByCell

_PREFIXES = {"pathway": "", "random_auxiliary": "random_"}
"""The methods whose scales are plotted, and how the names of their columns begin."""


def frames(summaries: Iterable[Summary], cells: Sequence[Cell], curves: ByCell, scales: ByCell) -> dict[str, pd.DataFrame]:
    """The tables by name: `accuracy-…`, `scales-…` (per target and condition) and `gains-…` (per condition).

    `curves` and `scales` are those of `m2pt.analysis.numbers.trajectories`.
    """
    tables: dict[str, pd.DataFrame] = {}
    for summary in summaries:
        slug = summary.condition.slug
        everything = by_target(cell for cell in cells if cell.condition == summary.condition)
        for target, mine in by_target(summary.cells).items():
            tables[f"accuracy-{target}-{slug}"] = _accuracy(curves, mine)
            tables[f"scales-{target}-{slug}"] = _scales(scales, everything[target])
        tables[f"gains-{slug}"] = _gains(summary)
    return {name: table for name, table in tables.items() if len(table)}


def column(cell: Cell) -> str:
    """The name of a cell's column: letters and underscores only, which every plotting tool accepts."""
    names = {"baseline": "baseline", "lineage": "own_lineage", "apart": "own_apart"}
    return names.get(cell.role or "", f"from_{cell.auxiliary}")


def _accuracy(curves: ByCell, cells: Sequence[Cell]) -> pd.DataFrame:
    lines = {}
    for cell in cells:
        if cell.key in curves:
            rows = curves[cell.key]
            lines[column(cell)] = rows[rows["metric"] == f"val/{cells[0].metric}"].set_index("epoch")["mean"]
    lines = {name: line for name, line in lines.items() if len(line)}
    return pd.DataFrame(lines).rename_axis("epoch").reset_index() if lines else pd.DataFrame()


def _scales(scales: ByCell, cells: Sequence[Cell]) -> pd.DataFrame:
    """Mean |scale| over depths, per layer type, of the auxiliaries of other modalities and of the random control."""
    parts = [
        scales[cell.key].assign(name=_PREFIXES[cell.method] + scales[cell.key]["layer"].str.replace(".", "_"))
        for cell in cells
        if cell.method in _PREFIXES and cell.key in scales
    ]
    if not parts:
        return pd.DataFrame()
    return pd.concat(parts).pivot_table(index="epoch", columns="name", values="scale", aggfunc="mean").reset_index()


def _gains(summary: Summary) -> pd.DataFrame:
    rows = [
        {
            "comparison": f"{item.target} from {item.column}",
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

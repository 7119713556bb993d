"""What happened during training: curves and scales per epoch, averaged over the seeds of complete runs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from m2pt.analysis.numbers.cells import Cell, CellKey
from m2pt.analysis.numbers.draws import layout
from m2pt.analysis.numbers.statistics import CONFIDENCE, over_seeds
from m2pt.config import ALL_LAYERS, LAYERS
from m2pt.runs.record import FinetuneRecord
from m2pt.runs.table import read_histories

ByCell = dict[CellKey, pd.DataFrame]
"""A table for each cell that has data for one."""

METRICS = (
    "train/loss",
    "train/accuracy",
    "val/loss",
    *(f"val/{metric}" for metric in ("accuracy", "map", "miou", "miou_instance", "ap_box")),
)
CURVES = ["epoch", "metric", "mean", "half_width", "n"]
SCALES = ["source", "epoch", "layer", "depth", "scale", "effective_size", "n"]

_MEAN = "/abs_mean"
_LAYER = re.compile(rf"blocks\.(\d+)\.({'|'.join(map(re.escape, ALL_LAYERS))})(?:\.[a-z]\w*)?(?:\.(\d+))?(?:{_MEAN})?")
"""The name of a scale (`m2pt.pathway.scales`): its depth, its layer type (a ConvNet's have several convolutions, which are taken
together) and, of several auxiliaries, which. One with several entries is recorded by the mean of their sizes."""


@dataclass(frozen=True)
class FinalScales:
    """How far the scales of a cell went: sizes at the end of training, means over layers and the `n` runs that have scales.

    `scale` is |scale|, `layers` the same by layer type, `largest` the largest of any run.
    """

    cell: Cell
    n: int
    scale: float | None
    effective_size: float | None
    largest: float
    layers: dict[str, float | None]


def history(cells: Sequence[Cell], runs: Path) -> pd.DataFrame:
    """The histories of all complete runs, a row per run and epoch; `cell` is the place of its cell among `cells`."""
    complete = [(run.run_id, place, seed) for place, cell in enumerate(cells) for seed, run in cell.complete.items()]
    lines = read_histories(runs / str(identifier) for identifier in dict.fromkeys(name for name, _, _ in complete))
    if lines.empty:
        return pd.DataFrame(columns=["run_id", "epoch", "cell", "seed"])
    return pd.DataFrame(complete, columns=["run_id", "cell", "seed"]).merge(lines, on="run_id")


def curves(lines: pd.DataFrame, cells: Sequence[Cell]) -> ByCell:
    """Mean and half-width of the 95 % interval over draws, for each epoch and metric (columns `CURVES`).

    The half-width is empty where there is no interval (`m2pt.analysis.numbers.statistics.over_seeds`).

    Args:
        lines: the histories (`history`).
        cells: the cells that their column `cell` counts.

    """
    metrics = [metric for metric in METRICS if metric in lines]
    if not metrics:
        return {}
    long = lines.melt(["cell", "epoch", "seed"], metrics, "metric", "value").dropna(subset="value")
    means = long.groupby(["cell", "epoch", "metric"], sort=False)["value"].agg(["mean", "std", "count"]).reset_index()
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, np.maximum(means["count"] - 1, 1))
    means["half_width"] = means["std"] * quantile / np.sqrt(means["count"])
    means = means.rename(columns={"count": "n"})
    for place, cell in enumerate(cells):
        if layout(cell.runs) != "one level":
            _over_layout(means, long[long["cell"] == place], cell)
    return _by_cell(means, cells, CURVES)


class Point(NamedTuple):
    """A mean of one metric after an epoch, with half of its interval, which is no number where there is none."""

    metric: str
    epoch: int
    mean: float
    half_width: float


Series = dict[str, list[Point]]
"""The curves of a cell, by metric."""


def series(of_cells: ByCell) -> dict[CellKey, Series]:
    """The points of `curves`, cell by cell."""
    made: dict[CellKey, Series] = {}
    if of_cells:
        rows = pd.concat(list(of_cells.values()))
        points = map(Point._make, zip(*(rows[name].tolist() for name in Point._fields), strict=True))
        for key, mine in of_cells.items():
            metrics = made.setdefault(key, {})
            for point in islice(points, len(mine)):
                metrics.setdefault(point.metric, []).append(point)
    return made


def _over_layout(means: pd.DataFrame, long: pd.DataFrame, cell: Cell) -> None:
    """Replace the means of a cell whose draws share replicates or seeds."""
    for (place, epoch, metric), rows in long.groupby(["cell", "epoch", "metric"], sort=False):
        known = dict(zip(rows["seed"], rows["value"], strict=True))
        value = over_seeds({draw: known.get(draw) for draw in cell.runs})
        row = (means["cell"] == place) & (means["epoch"] == epoch) & (means["metric"] == metric)
        means.loc[row, ["mean", "half_width", "n"]] = [value.mean, value.half_width, value.n]


def scales(lines: pd.DataFrame, cells: Sequence[Cell]) -> ByCell:
    """Mean |scale| and effective size over seeds, for each epoch, layer type and depth (columns `SCALES`).

    The size of a scale is averaged, not its value: a scale may go either way, and opposite ones would cancel. `source` is the
    auxiliary that a scale belongs to: a cell with several auxiliaries has scales for each.

    Args:
        lines: the histories (`history`).
        cells: the cells that their column `cell` counts.

    """
    names = (str(column).removeprefix("scale/") for column in lines if str(column).startswith("scale/"))
    layers = [(name, match) for name in names if (match := _LAYER.fullmatch(name))]
    sources = [cell.auxiliary.split("+") for cell in cells]
    parts = []
    for name, match in sorted(layers, key=lambda item: (item[1][2], int(item[1][1]), int(item[1][3] or 0))):
        sizes = lines.get(f"effective_size/{name.removesuffix(_MEAN)}", pd.Series(np.nan, index=lines.index)).abs()
        part = lines[["cell", "epoch"]].assign(layer=match[2], depth=int(match[1]), scale=lines[f"scale/{name}"].abs())
        part = part.assign(effective_size=sizes).dropna(subset="scale")
        number = match[3]
        names_of = [cells[place].auxiliary if number is None else sources[place][int(number)] for place in part["cell"]]
        parts.append(part.assign(source=names_of))
    if not parts:
        return {}
    grouped = pd.concat(parts).groupby(["cell", "source", "epoch", "layer", "depth"], sort=False)
    means = grouped.agg(scale=("scale", "mean"), effective_size=("effective_size", "mean"), n=("scale", "count")).reset_index()
    return _by_cell(means, cells, SCALES)


def _by_cell(means: pd.DataFrame, cells: Sequence[Cell], columns: list[str]) -> ByCell:
    names = [name for name in columns if not pd.api.types.is_numeric_dtype(means[name])]
    ordered = means.sort_values("cell", kind="stable")
    rows = ordered[columns].astype(dict.fromkeys(names, object))  # pandas' own strings cost ten times as much to read
    places, starts = np.unique(ordered["cell"].to_numpy(), return_index=True)
    ends = [*starts[1:], len(rows)]
    return {cells[place].key: rows.iloc[start:end] for place, start, end in zip(places, starts, ends, strict=True)}


def final_scales(records: Mapping[str, FinetuneRecord], cells: Sequence[Cell]) -> list[FinalScales]:
    """How far the scales went, for each cell that has any; `records` are those of the complete runs by id."""
    rows = []
    for cell in cells:
        runs = [record for run in cell.runs.values() if (record := records.get(str(run.run_id))) and record.scales]
        if runs:
            rows.append(
                FinalScales(
                    cell=cell,
                    n=len(runs),
                    scale=_mean(abs(value) for item in runs for value in item.scales.values()),
                    effective_size=_mean(size for item in runs for size in item.effective_sizes.values()),
                    largest=max(item.largest_scale for item in runs),
                    layers=_by_layer(runs),
                )
            )
    return rows


def layer_types(rows: Sequence[FinalScales]) -> tuple[str, ...]:
    """The layer types that scales of a study can have: a transformer's four, or those that its ConvNets have scales in."""
    present = tuple(layer for layer in ALL_LAYERS if any(row.layers.get(layer) is not None for row in rows))
    return LAYERS if set(present) <= set(LAYERS) else present


def _by_layer(runs: Sequence[FinetuneRecord]) -> dict[str, float | None]:
    means = {layer: _mean(_of_layer(runs, layer)) for layer in ALL_LAYERS}
    return {layer: mean for layer, mean in means.items() if layer in LAYERS or mean is not None}


def _of_layer(runs: Sequence[FinetuneRecord], layer: str) -> list[float]:
    names = ((name, value, _LAYER.fullmatch(name)) for item in runs for name, value in item.scales.items())
    return [abs(value) for _, value, match in names if match and match[2] == layer]


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else None

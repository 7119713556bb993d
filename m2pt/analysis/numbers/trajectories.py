"""What happened during training: curves and scales per epoch, averaged over the seeds of complete runs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from m2pt.analysis.numbers.statistics import CONFIDENCE
from m2pt.config import LAYERS
from m2pt.runs.table import by_part, read_histories

ARM = ["part", "setting", "tuning", "target", "method", "auxiliary"]
METRICS = (
    "train/loss",
    "train/accuracy",
    "val/loss",
    *(f"val/{metric}" for metric in ("accuracy", "map", "miou", "miou_instance")),
)
CURVES = [*ARM, "epoch", "metric", "mean", "half_width", "n"]
SCALES = [*ARM, "source", "epoch", "layer", "depth", "scale", "effective_size", "n"]

_MEAN = "/abs_mean"
_LAYER = re.compile(rf"blocks\.(\d+)\.({'|'.join(map(re.escape, LAYERS))})(?:\.(\d+))?(?:{_MEAN})?")
"""The name of a scale (`m2pt.pathway.scales`): its depth, its layer type and, of several auxiliaries, which. One with several
entries is recorded by the mean of their sizes."""


def history(table: pd.DataFrame, runs: Path) -> pd.DataFrame:
    """The histories of all complete runs of the table, one row per run and epoch, with what identifies their arm."""
    complete = by_part(table[table["status"] == "complete"])
    lines = read_histories(runs / str(identifier) for identifier in complete["run_id"].unique())
    if lines.empty:
        return pd.DataFrame(columns=["run_id", "epoch", *ARM, "seed"])
    return complete[["run_id", *ARM, "seed"]].merge(lines, on="run_id")


def curves(lines: pd.DataFrame) -> pd.DataFrame:
    """Mean and half-width of the 95 % t interval over seeds, per arm, epoch and metric (columns `CURVES`).

    The half-width is empty where fewer than two seeds are there.
    """
    metrics = [metric for metric in METRICS if metric in lines]
    if not metrics:
        return pd.DataFrame(columns=CURVES)
    long = lines.melt([*ARM, "epoch"], metrics, "metric", "value").dropna(subset="value")
    means = long.groupby([*ARM, "epoch", "metric"], sort=False)["value"].agg(["mean", "std", "count"]).reset_index()
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, np.maximum(means["count"] - 1, 1))
    means["half_width"] = means["std"] * quantile / np.sqrt(means["count"])
    return means.rename(columns={"count": "n"})[CURVES]


def scales(lines: pd.DataFrame) -> pd.DataFrame:
    """Mean |scale| and effective size over seeds, per arm, epoch, layer type and depth (columns `SCALES`).

    The size of a scale is averaged, not its value: a scale may go either way, and opposite ones would cancel. `source` is the
    auxiliary that a scale belongs to: an arm with several has scales for each.
    """
    names = (str(column).removeprefix("scale/") for column in lines if str(column).startswith("scale/"))
    found = [(name, match) for name in names if (match := _LAYER.fullmatch(name))]
    parts = []
    for name, match in sorted(found, key=lambda item: (item[1][2], int(item[1][1]), int(item[1][3] or 0))):
        sources = lines["auxiliary"] if match[3] is None else lines["auxiliary"].str.split("+").str[int(match[3])]
        sizes = lines.get(f"effective_size/{name.removesuffix(_MEAN)}", pd.Series(np.nan, index=lines.index)).abs()
        part = lines[[*ARM, "epoch"]].assign(source=sources, layer=match[2], depth=int(match[1]))
        parts.append(part.assign(scale=lines[f"scale/{name}"].abs(), effective_size=sizes).dropna(subset="scale"))
    if not parts:
        return pd.DataFrame(columns=SCALES)
    grouped = pd.concat(parts).groupby([*ARM, "source", "epoch", "layer", "depth"], sort=False)
    means = grouped.agg(scale=("scale", "mean"), effective_size=("effective_size", "mean"), n=("scale", "count")).reset_index()
    return means[SCALES]


def final_scales(documents: Mapping[str, Mapping[str, Any]], table: pd.DataFrame) -> list[dict[str, Any]]:
    """How far the scales of each arm went: mean |scale| at the end, over all layers and per layer type, mean over seeds.

    Args:
        documents: the record of each complete run by its id.
        table: the table of runs.

    """
    rows = []
    for key, group in by_part(table).groupby(ARM, sort=False):
        members = [documents[name] for name in group["run_id"] if documents.get(name, {}).get("scales")]
        if members:
            row: dict[str, Any] = dict(zip(ARM, key, strict=True)) | {"n": len(members)}
            row["scale"] = _mean(abs(value) for item in members for value in item["scales"].values())
            row["effective_size"] = _mean(size for item in members for size in (item.get("effective_sizes") or {}).values())
            row["largest"] = max(_largest(item) for item in members)
            row["layers"] = {layer: _mean(_of_layer(members, layer)) for layer in LAYERS}
            rows.append(row)
    return rows


def _largest(record: Mapping[str, Any]) -> float:
    """The size of the largest scale; records of older code do not tell that of scales with several entries."""
    known = record.get("scale_abs_max")
    return float(max(abs(value) for value in record["scales"].values()) if known is None else known)


def _of_layer(members: Sequence[Mapping[str, Any]], layer: str) -> list[float]:
    names = ((name, value, _LAYER.fullmatch(name)) for item in members for name, value in item["scales"].items())
    return [abs(value) for _, value, match in names if match and match[2] == layer]


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else None

"""What happened during training: curves and scales per epoch, averaged over the seeds of complete runs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from m2pt import records
from m2pt.analysis.statistics import CONFIDENCE
from m2pt.config import LAYERS

ARM = ["part", "setting", "tuning", "target", "method", "auxiliary"]
METRICS = (
    "train/loss",
    "train/accuracy",
    "val/loss",
    *(f"val/{metric}" for metric in ("accuracy", "map", "miou", "miou_instance")),
)
CURVES = [*ARM, "epoch", "metric", "mean", "half_width", "n"]
SCALES = [*ARM, "epoch", "layer", "depth", "scale", "effective_size", "n"]

_SERIES = re.compile(r"(scale|effective_size)/blocks\.(\d+)\.(.+)")


def history(table: pd.DataFrame, runs: Path) -> pd.DataFrame:
    """The histories of all complete runs of the table, one row per run and epoch, with what identifies their arm."""
    complete = records.by_part(table[table["status"] == "complete"])
    lines = records.histories(runs / str(identifier) for identifier in complete["run_id"].unique())
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

    The size of a scale is averaged, not its value: a scale may go either way, and opposite ones would cancel.
    """
    found = [(column, match) for column in lines if (match := _SERIES.fullmatch(str(column)))]
    parts = []
    for layer, depth in sorted({(match[3], int(match[2])) for _, match in found if match[3] in LAYERS}):
        names = {kind: f"{kind}/blocks.{depth}.{layer}" for kind in ("scale", "effective_size")}
        values = {kind: lines[name].abs() if name in lines else np.nan for kind, name in names.items()}
        part = lines[[*ARM, "epoch"]].assign(layer=layer, depth=depth, **values)
        parts.append(part.dropna(subset="scale"))
    if not parts:
        return pd.DataFrame(columns=SCALES)
    grouped = pd.concat(parts).groupby([*ARM, "epoch", "layer", "depth"], sort=False)
    means = grouped.agg(scale=("scale", "mean"), effective_size=("effective_size", "mean"), n=("scale", "count")).reset_index()
    return means[SCALES]


def final_scales(documents: Mapping[str, Mapping[str, Any]], table: pd.DataFrame) -> list[dict[str, Any]]:
    """How far the scales of each arm went: mean |scale| at the end, over all layers and per layer type, mean over seeds.

    Args:
        documents: the record of each complete run by its id.
        table: the table of runs.

    """
    rows = []
    for key, group in records.by_part(table).groupby(ARM, sort=False):
        members = [documents[name] for name in group["run_id"] if documents.get(name, {}).get("scales")]
        if members:
            row: dict[str, Any] = dict(zip(ARM, key, strict=True)) | {"n": len(members)}
            row["scale"] = _mean(abs(value) for item in members for value in item["scales"].values())
            row["effective_size"] = _mean(size for item in members for size in (item.get("effective_sizes") or {}).values())
            row["largest"] = max(abs(value) for item in members for value in item["scales"].values())
            row["layers"] = {layer: _mean(_of_layer(members, layer)) for layer in LAYERS}
            rows.append(row)
    return rows


def _of_layer(members: Sequence[Mapping[str, Any]], layer: str) -> list[float]:
    return [abs(value) for item in members for name, value in item["scales"].items() if name.endswith(f".{layer}")]


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else None

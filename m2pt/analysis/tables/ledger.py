"""What a study costs: time of devices, energy, memory, parameters, and the time of a forward pass, for each method and device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from m2pt.analysis.tables.summaries import Condition
from m2pt.methods import METHODS
from m2pt.runs.table import by_part

_MEASURED = [
    "device_name",
    "device_seconds",
    "train_seconds",
    "energy_joules",
    "peak_memory_bytes",
    "latency_ms",
    "plain_latency_ms",
]


@dataclass(frozen=True)
class Spread:
    """The median of `n` numbers, and between which bounds the middle half of them lies."""

    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class MethodCosts:
    """What one method costs within one condition.

    `measured` of `runs` planned runs have a ledger here; `device_seconds` and `energy_joules` are summed over these, with all
    their attempts. `train_seconds` is the median over complete runs, `peak_memory_bytes` the most of any. Parameters are means
    over complete runs: those with gradients, those of the final model (merged where the method merges), and those of a plain
    model. `latency` is the time of a forward pass of the final model as a multiple of a plain model's, measured in the same run.
    None where nothing is known, where one run does not tell its energy, or where training times are of different devices.
    """

    name: str
    kind: str
    runs: int
    measured: int
    device_seconds: float | None
    train_seconds: float | None
    energy_joules: float | None
    peak_memory_bytes: int | None
    trainable_parameters: float | None
    parameters: float | None
    plain_parameters: float | None
    latency: Spread | None


@dataclass(frozen=True)
class ConditionCosts:
    """The methods of one condition, in the order of `m2pt.methods.METHODS`."""

    condition: Condition
    methods: tuple[MethodCosts, ...]


@dataclass(frozen=True)
class DeviceCosts:
    """All runs whose last attempt was on devices of this name; a run that several parts of a study share counts once."""

    device: str
    device_name: str
    finetuned: int
    pretrained: int
    device_seconds: float
    energy_joules: float | None


@dataclass(frozen=True)
class Ledger:
    """`conditions` with the one of most methods first; `devices` with pretraining."""

    conditions: tuple[ConditionCosts, ...]
    devices: tuple[DeviceCosts, ...]

    @property
    def tells_energy(self) -> bool:
        """Whether any energy is known."""
        known = [device.energy_joules for device in self.devices]
        known += [method.energy_joules for item in self.conditions for method in item.methods]
        return any(value is not None for value in known)


def ledger(table: pd.DataFrame, timings: pd.DataFrame, documents: Mapping[str, Mapping[str, Any]]) -> Ledger:
    """Add up the costs of a study.

    Args:
        table: its planned runs (`m2pt.runs.table.read_table`).
        timings: what their executions measured, and those of its pretraining (`m2pt.analysis.tables.provenance.timings`).
        documents: the records of its complete runs, by run id.

    """
    rows = by_part(table).merge(timings[["run_id", *_MEASURED]].drop_duplicates("run_id"), on="run_id", how="left")
    rows = rows.assign(plain_parameters=_plain_parameters(rows, documents))
    found = []
    for (part, setting, tuning), members in rows.groupby(["part", "setting", "tuning"], sort=False):
        methods = tuple(_method(name, mine) for name in METHODS if len(mine := members[members["method"] == name]))
        if any(method.measured for method in methods):
            found.append(ConditionCosts(Condition(str(setting), str(tuning), str(part)), methods))
    return Ledger(tuple(sorted(found, key=lambda item: -len(item.methods))), _devices(timings.drop_duplicates("run_id")))


def _plain_parameters(rows: pd.DataFrame, documents: Mapping[str, Mapping[str, Any]]) -> "pd.Series[float]":
    """How large a plain model is: by the proof of a run's own merge, or by a baseline of the same target and setting."""
    proved = [((documents.get(str(name)) or {}).get("merge") or {}).get("plain_parameters") for name in rows["run_id"]]
    place = ["part", "target", "setting", "tuning"]
    baselines = rows[rows["method"] == "baseline"].groupby(place)["parameters"].first()
    beside = rows[place].merge(baselines.rename("plain"), how="left", left_on=place, right_index=True)["plain"]
    return pd.Series(proved, index=rows.index, dtype=float).fillna(beside.astype(float))


def _method(name: str, rows: pd.DataFrame) -> MethodCosts:
    measured = rows[rows["device_seconds"].notna()]
    complete = rows[rows["status"] == "complete"]
    timed = complete[complete["train_seconds"].notna()]
    peak = rows["peak_memory_bytes"].max()
    return MethodCosts(
        name=name,
        kind=next(method.kind for known, method in METHODS.items() if known == name),
        runs=len(rows),
        measured=len(measured),
        device_seconds=float(measured["device_seconds"].sum()) if len(measured) else None,
        train_seconds=float(timed["train_seconds"].median()) if timed["device_name"].nunique() == 1 else None,
        energy_joules=_energy(measured),
        peak_memory_bytes=None if pd.isna(peak) else int(peak),
        trainable_parameters=_mean(complete["trainable_parameters"]),
        parameters=_mean(complete["parameters"]),
        plain_parameters=_mean(complete["plain_parameters"]),
        latency=_spread((complete["latency_ms"] / complete["plain_latency_ms"]).astype(float).dropna()),
    )


def _energy(rows: pd.DataFrame) -> float | None:
    known = rows["energy_joules"].astype(float)
    return float(known.sum()) if len(rows) and bool(known.notna().all()) else None


def _mean(values: "pd.Series[float]") -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def _spread(values: "pd.Series[float]") -> Spread | None:
    if not len(values):
        return None
    low, median, high = (float(values.quantile(share)) for share in (0.25, 0.5, 0.75))
    return Spread(median, low, high, len(values))


def _devices(timings: pd.DataFrame) -> tuple[DeviceCosts, ...]:
    names = timings[timings["device_seconds"].notna()].fillna({"device": "unknown", "device_name": ""})
    return tuple(
        DeviceCosts(
            device=str(device),
            device_name=str(name),
            finetuned=int((rows["kind"] == "finetune").sum()),
            pretrained=int((rows["kind"] == "pretrain").sum()),
            device_seconds=float(rows["device_seconds"].sum()),
            energy_joules=_energy(rows),
        )
        for (device, name), rows in names.groupby(["device", "device_name"], sort=False)
    )

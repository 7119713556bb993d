"""What a study costs: device time, energy, memory, parameters, and the time of a forward pass, by method and by device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from m2pt.analysis.numbers.cells import Cell, Condition, by_condition, by_method, runs_table
from m2pt.analysis.numbers.comparisons import reference_key
from m2pt.config import MethodName
from m2pt.methods import METHODS
from m2pt.runs.record import FinetuneRecord

_MEASURED = [
    "device_name", "device_seconds", "train_seconds", "energy_joules", "peak_memory_bytes", "latency_ms", "plain_latency_ms",
]  # fmt: skip

Records = Mapping[str, FinetuneRecord]
"""The records of the complete runs, by their ids."""

Values = NDArray[Any]
"""A number, or a word, of each of some runs."""


@dataclass(frozen=True)
class Spread:
    """The median of `n` numbers, and the bounds of the middle half of them."""

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
    None if nothing is known, if one run does not report its energy, or if training times are of different devices.
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


def ledger(cells: Sequence[Cell], timings: pd.DataFrame, records: Records) -> Ledger:
    """Add up the costs of a study.

    Args:
        cells: its cells.
        timings: what its runs measured, and those of its pretraining (`m2pt.analysis.tables.provenance.timings`).
        records: the records of its complete runs.

    """
    timings = timings.drop_duplicates("run_id")
    known = {cell.key: cell for cell in cells}
    of_methods = [(key, mine) for key, members in by_condition(cells).items() for mine in by_method(members).values()]
    ordered = [cell for _, mine in of_methods for cell in mine]
    columns = _columns(runs_table(ordered).join(timings.set_index("run_id")[_MEASURED], on="run_id"))
    columns["plain_parameters"] = np.array(
        [size for cell in ordered for size in _plain_parameters(cell, known.get(reference_key(cell, "baseline")), records)], float
    )
    conditions: dict[Condition, list[MethodCosts]] = {}
    start = 0
    for condition, mine in of_methods:
        end = start + sum(len(cell.runs) for cell in mine)
        costs = _method(mine[0].method, {name: values[start:end] for name, values in columns.items()})
        conditions.setdefault(condition, []).append(costs)
        start = end
    told = [ConditionCosts(key, tuple(costs)) for key, costs in conditions.items() if any(item.measured for item in costs)]
    return Ledger(tuple(sorted(told, key=lambda item: -len(item.methods))), _devices(timings))


def _columns(rows: pd.DataFrame) -> dict[str, Values]:
    """What is added up of each run, as plain arrays: a large study has a thousand groups of runs, each with a few numbers."""
    numbers = [name for name in _MEASURED if name != "device_name"] + ["trainable_parameters", "parameters"]
    made = {name: rows[name].to_numpy(float, na_value=np.nan) for name in numbers}
    return made | {name: rows[name].to_numpy(object) for name in ("status", "device_name")}


def _method(name: MethodName, rows: Mapping[str, Values]) -> MethodCosts:
    measured, complete = ~np.isnan(rows["device_seconds"]), rows["status"] == "complete"
    timed = complete & ~np.isnan(rows["train_seconds"])
    devices = {device for device in rows["device_name"][timed] if not pd.isna(device)}
    peaks = _known(rows["peak_memory_bytes"])
    return MethodCosts(
        name=name,
        kind=METHODS[name].kind,
        runs=len(complete),
        measured=int(measured.sum()),
        device_seconds=float(rows["device_seconds"][measured].sum()) if measured.any() else None,
        train_seconds=float(np.median(rows["train_seconds"][timed])) if len(devices) == 1 else None,
        energy_joules=_energy(rows["energy_joules"][measured]),
        peak_memory_bytes=int(peaks.max()) if len(peaks) else None,
        trainable_parameters=_mean(rows["trainable_parameters"][complete]),
        parameters=_mean(rows["parameters"][complete]),
        plain_parameters=_mean(rows["plain_parameters"][complete]),
        latency=_spread(_known(rows["latency_ms"][complete] / rows["plain_latency_ms"][complete])),
    )


def _plain_parameters(cell: Cell, baseline: Cell | None, records: Records) -> list[float | None]:
    """The size of a plain model for each run: from its own merge, or else from a baseline on the same target and condition."""
    sizes = (run.parameters for run in baseline.runs.values()) if baseline else ()
    known = next((size for size in sizes if size is not None), None)
    merges = [record.merge if (record := records.get(str(run.run_id))) else None for run in cell.runs.values()]
    proved = [merge.plain_parameters if merge else None for merge in merges]
    return [known if size is None else size for size in proved]


def _known(values: Values) -> Values:
    return values[~np.isnan(values)]


def _energy(values: Values) -> float | None:
    return float(values.sum()) if len(values) and not np.isnan(values).any() else None


def _mean(values: Values) -> float | None:
    known = _known(values)
    return float(known.mean()) if len(known) else None


def _spread(values: Values) -> Spread | None:
    if not len(values):
        return None
    low, median, high = np.percentile(values, (25, 50, 75)).tolist()
    return Spread(low=low, median=median, high=high, n=len(values))


def _devices(timings: pd.DataFrame) -> tuple[DeviceCosts, ...]:
    names = timings[timings["device_seconds"].notna()].fillna({"device": "unknown", "device_name": ""})
    return tuple(
        DeviceCosts(
            device=str(device),
            device_name=str(name),
            finetuned=int((rows["kind"] == "finetune").sum()),
            pretrained=int((rows["kind"] == "pretrain").sum()),
            device_seconds=float(rows["device_seconds"].sum()),
            energy_joules=_energy(rows["energy_joules"].to_numpy(float, na_value=np.nan)),
        )
        for (device, name), rows in names.groupby(["device", "device_name"], sort=False)
    )

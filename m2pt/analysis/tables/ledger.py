"""What a study costs: device time, energy, memory, parameters, and the time of a forward pass, by method and by device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from m2pt.analysis.numbers.cells import Cell, CellKey, Condition, by_condition, by_method, runs_table
from m2pt.analysis.numbers.comparisons import reference_key
from m2pt.methods import METHODS
from m2pt.runs.record import FinetuneRecord

_MEASURED = [
    "device_name", "device_seconds", "train_seconds", "energy_joules", "peak_memory_bytes", "latency_ms", "plain_latency_ms",
]  # fmt: skip

Records = Mapping[str, FinetuneRecord]
"""The records of the complete runs, by their ids."""


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
    measured = timings.set_index("run_id")[_MEASURED]
    known = {cell.key: cell for cell in cells}
    conditions = []
    for condition, members in by_condition(cells).items():
        methods = tuple(_method(name, mine, known, measured, records) for name, mine in by_method(members).items())
        if any(method.measured for method in methods):
            conditions.append(ConditionCosts(condition, methods))
    return Ledger(tuple(sorted(conditions, key=lambda item: -len(item.methods))), _devices(timings))


def _method(
    name: str, cells: Sequence[Cell], known: Mapping[CellKey, Cell], timings: pd.DataFrame, records: Records
) -> MethodCosts:
    plain = [size for cell in cells for size in _plain_parameters(cell, known.get(reference_key(cell, "baseline")), records)]
    rows = runs_table(cells).assign(plain_parameters=pd.Series(plain, dtype=float)).join(timings, on="run_id")
    measured = rows[rows["device_seconds"].notna()]
    complete = rows[rows["status"] == "complete"]
    timed = complete[complete["train_seconds"].notna()]
    peak = rows["peak_memory_bytes"].max()
    return MethodCosts(
        name=name,
        kind=METHODS[name].kind,
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


def _plain_parameters(cell: Cell, baseline: Cell | None, records: Records) -> list[float | None]:
    """The size of a plain model for each run: from its own merge, or else from a baseline on the same target and condition."""
    sizes = (run.parameters for run in baseline.runs.values()) if baseline else ()
    known = next((size for size in sizes if size is not None), None)
    merges = [record.merge if (record := records.get(str(run.run_id))) else None for run in cell.runs.values()]
    proved = [merge.plain_parameters if merge else None for merge in merges]
    return [known if size is None else size for size in proved]


def _energy(rows: pd.DataFrame) -> float | None:
    known = rows["energy_joules"].astype(float)
    return float(known.sum()) if len(rows) and bool(known.notna().all()) else None


def _mean(values: "pd.Series[float]") -> float | None:
    known = values.astype(float).dropna()
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

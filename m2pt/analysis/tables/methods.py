"""Every method of a study beside every other: what it gains over the baseline and over the random control, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from m2pt.analysis.numbers.pairing import BySeed, Key, Runs, differences, over_seeds, over_targets, runs_by_part
from m2pt.analysis.numbers.statistics import Estimate, holm
from m2pt.analysis.tables.summaries import Condition
from m2pt.config import RANDOM, MethodName
from m2pt.methods import METHODS
from m2pt.runs.table import by_part

REFERENCES: dict[MethodName, str] = {"baseline": "", "random_auxiliary": RANDOM}
"""What every method is compared with, and the auxiliary of such runs."""

_MEASURED = ("train_seconds", "latency_ms", "plain_latency_ms", "device_name")
_PAIR = ["target", "seed", "device_name"]


@dataclass(frozen=True)
class MethodRow:
    """One method within one condition.

    `gains` over the baseline by target, each averaged over the auxiliaries that the method was run with; `gain` and `over_random`
    over all targets together, one number per seed; `adjusted_p` of `gain` after Holm's correction over the methods. `train_ratio`
    is the median, over its runs, of the training time against the baseline's of the same target and seed, where both were done on
    the same kind of device; `latency_ratio` that of a forward pass of the final model against a plain one measured beside it;
    `trainable_parameters` and `parameters` (of the final model) are means over its runs; None where nothing is known.
    """

    condition: Condition
    name: str
    kind: str
    says: str
    targets: tuple[str, ...]
    gains: dict[str, Estimate]
    gain: Estimate
    over_random: Estimate
    adjusted_p: float | None
    train_ratio: float | None
    latency_ratio: float | None
    trainable_parameters: float | None
    parameters: float | None
    runs: int
    complete: int


def method_rows(table: pd.DataFrame, timings: pd.DataFrame) -> list[MethodRow]:
    """The methods of each condition of the table of runs, in the order of `m2pt.methods.METHODS`; the baseline is first."""
    runs = runs_by_part(table)
    measured = timings.set_index("run_id").reindex(columns=list(_MEASURED))
    rows = by_part(table).join(measured[~measured.index.duplicated()], on="run_id")
    found: list[MethodRow] = []
    for (part, setting, tuning), members in rows.groupby(["part", "setting", "tuning"], sort=False):
        condition = Condition(str(setting), str(tuning), str(part))
        keys = [key for key in runs[condition.part] if (key.setting, key.tuning) == (setting, tuning)]
        found += _condition(condition, keys, runs[condition.part], members)
    return found


def _condition(condition: Condition, keys: Sequence[Key], runs: Runs, rows: pd.DataFrame) -> list[MethodRow]:
    targets = tuple(dict.fromkeys(key.target for key in keys))
    groups = {str(name): members for name, members in rows.groupby("method", sort=False)}
    planned = [name for name in METHODS if name in groups]
    made = [_row(condition, name, targets, [key for key in keys if key.method == name], runs, groups) for name in planned]
    adjusted = holm([row.gain.p_value for row in made])
    return [replace(row, adjusted_p=p) for row, p in zip(made, adjusted, strict=True)]


def _row(
    condition: Condition,
    name: MethodName,
    targets: tuple[str, ...],
    keys: Sequence[Key],
    runs: Runs,
    groups: Mapping[str, pd.DataFrame],
) -> MethodRow:
    over = {reference: _gains(name, keys, runs, reference) for reference in REFERENCES}
    mine, baselines = groups[name], groups.get("baseline", groups[name].iloc[:0])
    complete = mine[mine["status"] == "complete"]
    return MethodRow(
        condition=condition,
        name=name,
        kind=METHODS[name].kind,
        says=METHODS[name].description,
        targets=targets,
        gains={target: over_seeds(over["baseline"].get(target, {})) for target in targets},
        gain=over_targets(over["baseline"]),
        over_random=over_targets(over["random_auxiliary"]),
        adjusted_p=None,
        train_ratio=_train_ratio(complete, baselines[baselines["status"] == "complete"]),
        latency_ratio=_median(complete["latency_ms"] / complete["plain_latency_ms"]),
        trainable_parameters=_mean(complete["trainable_parameters"]),
        parameters=_mean(complete["parameters"]),
        runs=len(mine),
        complete=len(complete),
    )


def _gains(name: MethodName, keys: Sequence[Key], runs: Runs, reference: MethodName) -> dict[str, BySeed]:
    """By target and seed: the mean over the auxiliaries of the method's score less the reference's."""
    if name == reference:
        return {}
    return differences(keys, runs, lambda key: runs.get(key._replace(method=reference, auxiliary=REFERENCES[reference])))


def _train_ratio(rows: pd.DataFrame, baselines: pd.DataFrame) -> float | None:
    """Against the baseline of the same target, seed and device, so that neither targets nor devices are mixed."""
    partners = baselines.dropna(subset=_PAIR).groupby(_PAIR)["train_seconds"].median()
    places = zip(*(rows[name] for name in _PAIR), strict=True)
    return _median(rows["train_seconds"] / pd.Series([partners.get(place) for place in places], rows.index, dtype=float))


def _median(values: "pd.Series[float]") -> float | None:
    known = values.astype(float).dropna()
    return float(known.median()) if len(known) else None


def _mean(values: "pd.Series[float]") -> float | None:
    known = values.astype(float).dropna()
    return float(known.mean()) if len(known) else None

"""Every method of a study beside every other: what it gains over the baseline and over the random control, and what it costs."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from m2pt.analysis.statistics import Estimate, differences, estimate, holm
from m2pt.analysis.tables import Condition
from m2pt.methods import METHODS
from m2pt.records import by_part

REFERENCES = {"baseline": "baseline", "random": "random_auxiliary"}

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
    measured = timings.set_index("run_id").reindex(columns=list(_MEASURED))
    rows = by_part(table).join(measured[~measured.index.duplicated()], on="run_id")
    found: list[MethodRow] = []
    for (part, setting, tuning), members in rows.groupby(["part", "setting", "tuning"], sort=False):
        found += _condition(Condition(str(setting), str(tuning), str(part)), members)
    return found


def _condition(condition: Condition, rows: pd.DataFrame) -> list[MethodRow]:
    targets = tuple(dict.fromkeys(str(target) for target in rows["target"]))
    made = [_row(condition, name, rows, targets) for name in METHODS if (rows["method"] == name).any()]
    compared = [row for row in made if row.name != "baseline" and row.gain.p_value is not None]
    adjusted = dict(zip((row.name for row in compared), holm([row.gain.p_value for row in compared]), strict=True))
    return [MethodRow(**{**vars(row), "adjusted_p": adjusted.get(row.name)}) for row in made]


def _row(condition: Condition, name: str, rows: pd.DataFrame, targets: tuple[str, ...]) -> MethodRow:
    mine = rows[rows["method"] == name]
    over = {
        against: {target: _gains(rows, name, reference, target) for target in targets}
        for against, reference in REFERENCES.items()
    }
    complete = mine[mine["status"] == "complete"]
    method = METHODS[next(known for known in METHODS if known == name)]
    return MethodRow(
        condition=condition,
        name=name,
        kind=method.kind,
        says=method.says,
        targets=targets,
        gains={target: _estimate(over["baseline"][target]) for target in targets},
        gain=_together(over["baseline"].values()),
        over_random=_together(over["random"].values()),
        adjusted_p=None,
        train_ratio=_train_ratio(complete, rows[(rows["method"] == "baseline") & (rows["status"] == "complete")]),
        latency_ratio=_median(complete["latency_ms"] / complete["plain_latency_ms"]),
        trainable_parameters=float(complete["trainable_parameters"].mean()) if len(complete) else None,
        parameters=float(complete["parameters"].mean()) if len(complete) else None,
        runs=len(mine),
        complete=len(complete),
    )


def _gains(rows: pd.DataFrame, name: str, reference: str, target: str) -> dict[int, float | None]:
    """By seed: the mean over the auxiliaries of the method's score less the reference's; None where a run is not complete."""
    of_target = rows[rows["target"] == target]
    base = _scores(of_target[of_target["method"] == reference])
    arms = [differences(_scores(arm), base) for _, arm in of_target[of_target["method"] == name].groupby("auxiliary", sort=False)]
    seeds = {int(seed) for seed in of_target.loc[of_target["method"] == name, "seed"]}
    if not arms or name == reference:
        return {}
    return {seed: _mean([arm.get(seed) for arm in arms]) for seed in sorted(seeds)}


def _scores(rows: pd.DataFrame) -> dict[int, float | None]:
    return {
        int(seed): None if pd.isna(score) else float(score) for seed, score in zip(rows["seed"], rows["test_score"], strict=True)
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _estimate(gains: dict[int, float | None]) -> Estimate:
    return estimate([gain for gain in gains.values() if gain is not None], len(gains))


def _together(of_targets: Iterable[dict[int, float | None]]) -> Estimate:
    """One number per seed over all targets, from the seeds that are complete in every one: targets are no further seeds."""
    gains = [gain for gain in of_targets if gain]
    seeds = sorted({seed for gain in gains for seed in gain})
    return _estimate({seed: _mean([gain.get(seed) for gain in gains]) for seed in seeds})


def _train_ratio(rows: pd.DataFrame, baselines: pd.DataFrame) -> float | None:
    """Against the baseline of the same target, seed and device, so that neither targets nor devices are mixed."""
    partners = baselines.groupby(_PAIR)["train_seconds"].median().rename("baseline_seconds")
    joined = rows.join(partners, on=_PAIR)
    return _median(joined["train_seconds"] / joined["baseline_seconds"])


def _median(values: "pd.Series[float]") -> float | None:
    known = values.astype(float).dropna()
    return float(known.median()) if len(known) else None

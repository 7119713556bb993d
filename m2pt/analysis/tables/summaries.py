"""The table of runs, compared: each target's arms, their gains over the baseline and over the random control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd

from m2pt.analysis.numbers.statistics import Estimate, differences, estimate, holm, paired
from m2pt.config import MODALITIES, RANDOM, MethodName, refuses_unknown
from m2pt.runs.table import by_part

Role = Literal["baseline", "pair", "random", "own"]
Against = Literal["baseline", "random"]

ROLES: dict[MethodName, Role] = {
    "baseline": "baseline",
    "pathway": "pair",
    "random_auxiliary": "random",
    "own_modality": "own",
}

SIGNIFICANT = 0.05

MEASURES = {"accuracy": "accuracy", "map": "mAP", "miou": "mIoU", "miou_instance": "instance mIoU"}
"""Scores by name (`m2pt.runs.spec.RunSpec.metric`), for people."""


@dataclass(frozen=True, order=True)
class Condition:
    """What every comparison holds fixed: the part of the study, how the target starts and what is tuned."""

    setting: str
    tuning: str
    part: str = ""

    @property
    def slug(self) -> str:
        """For file names and keys."""
        return "-".join(name for name in (self.part, self.setting, self.tuning) if name)

    @property
    def label(self) -> str:
        """For people."""
        start = "pretrained target" if self.setting == "pretrained" else "target from scratch"
        label = f"{start}, {'everything tuned' if self.tuning == 'full' else 'only scales and head tuned'}"
        return f"{self.part}: {label}" if self.part else label

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of this condition in a table with the columns `part`, `setting` and `tuning`."""
        return table[(table["part"] == self.part) & (table["setting"] == self.setting) & (table["tuning"] == self.tuning)]


@dataclass(frozen=True)
class Arm:
    """The runs of one target and one auxiliary: scores in percent per planned seed, None where a run is not complete.

    `samples` tells runs on the very same samples by seed (`samples_sha256` of the table of runs).
    """

    target: str
    auxiliary: str
    method: MethodName
    val: dict[int, float | None]
    test: dict[int, float | None]
    metric: str = "accuracy"
    samples: dict[int, str | None] = field(default_factory=dict)

    @property
    def measure(self) -> str:
        """What its scores are, for people."""
        return MEASURES[self.metric]

    @property
    def role(self) -> Role:
        """What the arm is for."""
        return ROLES[self.method]

    @property
    def label(self) -> str:
        """For people, where the target is known."""
        names = {"baseline": "no auxiliary", "random": "random (control)", "own": f"{self.auxiliary} (own, control)"}
        return names.get(self.role, self.auxiliary)

    @property
    def mean_val(self) -> Estimate:
        """Mean validation score."""
        return _mean(self.val)

    @property
    def mean_test(self) -> Estimate:
        """Mean test score."""
        return _mean(self.test)


@dataclass(frozen=True)
class Comparison:
    """The gain of one arm in test score, in percentage points, and its p-value after Holm's correction over its family.

    A family is what is asked at once: all pairs against the baseline, all pairs against the random control, and so on. `unlike`
    says that runs of different samples are compared.
    """

    target: str
    auxiliary: str
    role: Role
    against: Against
    estimate: Estimate
    adjusted_p: float | None = None
    unlike: bool = False

    @property
    def holds(self) -> bool:
        """Whether the difference stands after the correction."""
        return self.adjusted_p is not None and self.adjusted_p <= SIGNIFICANT


@dataclass(frozen=True)
class Summary:
    """All that is compared within one condition. `averages` is over all pairs at once, seed by seed."""

    condition: Condition
    targets: tuple[str, ...]
    auxiliaries: tuple[str, ...]
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    averages: dict[Against, Estimate]

    @property
    def asks(self) -> bool:
        """Whether anything is compared here: a condition may hold rivals and their baselines alone."""
        return bool(self.comparisons)

    def arm(self, target: str, auxiliary: str) -> Arm | None:
        """The arm in one cell of the table of scores, or None where it is not planned."""
        return next((arm for arm in self.arms if (arm.target, arm.auxiliary) == (target, auxiliary)), None)

    @refuses_unknown
    def select(self, against: Against, role: Role) -> list[Comparison]:
        """The comparisons of one family."""
        return [item for item in self.comparisons if item.against == against and item.role == role]

    @refuses_unknown
    def cell(self, target: str, auxiliary: str, against: Against) -> Comparison | None:
        """The comparison in one cell of a matrix, or None where it is not planned."""
        key = (target, auxiliary, against)
        return next((item for item in self.comparisons if (item.target, item.auxiliary, item.against) == key), None)


def summaries(table: pd.DataFrame) -> list[Summary]:
    """One summary per condition, in the order of the table (`m2pt.runs.table.read_table`)."""
    groups = by_part(table).groupby(["part", "setting", "tuning"], sort=False)
    return [_summary(Condition(str(setting), str(tuning), str(part)), rows) for (part, setting, tuning), rows in groups]


def _summary(condition: Condition, rows: pd.DataFrame) -> Summary:
    """Of the methods of `ROLES`; all others are compared in `m2pt.analysis.tables.methods`.

    Runs with random weights in their auxiliary's place are no pairs, but controls: `numbers.contrasts` compares them.
    """
    stands_in = rows["method"].isin(["pathway", "own_modality"]) & rows["auxiliary_weights"].isna()
    arms = _arms(rows[rows["method"].isin(list(ROLES)) & ~stands_in])
    targets = _in_order({arm.target for arm in arms})
    comparisons: list[Comparison] = []
    averages: dict[Against, Estimate] = {}
    references: tuple[Against, ...] = ("baseline", "random")
    for against in references:
        references_of = {arm.target: arm for arm in arms if arm.role == against}
        for role in dict.fromkeys(ROLES.values()):
            if role not in ("baseline", against):
                members = [arm for arm in arms if arm.role == role and arm.target in references_of]
                comparisons += _family(members, references_of, against)
        pairs = [arm for arm in arms if arm.role == "pair" and arm.target in references_of]
        averages[against] = _average(pairs, references_of)
    auxiliaries = _in_order({arm.auxiliary for arm in arms if arm.role in ("pair", "own")})
    return Summary(condition, targets, auxiliaries, tuple(arms), tuple(comparisons), averages)


def _arms(rows: pd.DataFrame) -> list[Arm]:
    grouped = rows.groupby(["target", "method", "auxiliary"], sort=False)
    arms = []
    names: dict[str, MethodName] = {name: name for name in ROLES}
    for (target, method, auxiliary), group in grouped:
        seeds = [int(seed) for seed in group["seed"]]
        val, test = (dict(zip(seeds, _scores(group[key]), strict=True)) for key in ("val_score", "test_score"))
        samples = dict(zip(seeds, _texts(group["samples_sha256"]), strict=True))
        arms.append(Arm(str(target), str(auxiliary), names[str(method)], val, test, str(group["metric"].iloc[0]), samples))
    ranks = list(dict.fromkeys(ROLES.values()))
    return sorted(arms, key=lambda arm: (_rank(arm.target), ranks.index(arm.role), _rank(arm.auxiliary)))


def _family(arms: Sequence[Arm], references: dict[str, Arm], against: Against) -> list[Comparison]:
    found = [
        Comparison(
            arm.target,
            arm.auxiliary,
            arm.role,
            against,
            paired(arm.test, references[arm.target].test),
            unlike=unlike(arm.samples, references[arm.target].samples),
        )
        for arm in arms
    ]
    adjusted = holm([item.estimate.p_value for item in found])
    return [replace(item, adjusted_p=p) for item, p in zip(found, adjusted, strict=True)]


def unlike(first: Mapping[int, str | None], second: Mapping[int, str | None]) -> bool:
    """Whether the two runs of any seed are of different samples; a run that is not complete is of none."""
    return any(first[seed] and second[seed] and first[seed] != second[seed] for seed in first.keys() & second.keys())


def _average(arms: Sequence[Arm], references: dict[str, Arm]) -> Estimate:
    """The mean gain over all arms, one number per seed, from the seeds that are complete in every one of them."""
    gains = [differences(arm.test, references[arm.target].test) for arm in arms]
    if not gains:
        return Estimate(0)
    whole = set.intersection(*(set(gain) for gain in gains))
    planned = len(set().union(*(arm.test for arm in arms)))
    return estimate([sum(gain[seed] for gain in gains) / len(gains) for seed in sorted(whole)], planned)


def _mean(scores: dict[int, float | None]) -> Estimate:
    return estimate([score for score in scores.values() if score is not None], planned=len(scores))


def _scores(column: "pd.Series[Any]") -> list[float | None]:
    return [None if pd.isna(value) else float(value) for value in column]


def _texts(column: "pd.Series[Any]") -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in column]


def _in_order(modalities: set[str]) -> tuple[str, ...]:
    return tuple(sorted(modalities, key=_rank))


def _rank(name: str) -> tuple[int, str]:
    """Modalities in their order, tasks after them, random weights last."""
    names = ["", *MODALITIES]
    if name == RANDOM:
        return len(names) + 1, name
    return (names.index(name), "") if name in names else (len(names), name)

"""A cell: the runs of a study that differ by their draw alone: by seed, and by replicate of the encoders.

Everything that a study reports is computed from cells: they are compared draw by draw, averaged draw by draw, and grouped here
and nowhere else.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import pandas as pd

from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.statistics import BySeed, Estimate, differences, over_seeds
from m2pt.config import MODALITIES, RANDOM, MethodName
from m2pt.methods import METHODS

Role = Literal["baseline", "pair", "random", "lineage", "apart"]

ROLES: dict[MethodName, Role] = {
    "baseline": "baseline",
    "pathway": "pair",
    "random_auxiliary": "random",
    "own_lineage": "lineage",
    "own_apart": "apart",
}
"""What the methods of the main question are for; all others have no role in it."""

CONTROLS: tuple[Role, ...] = ("apart", "lineage")
"""The roles of the positive controls, each with a claim of its own, in their order."""

MEASURES = {"accuracy": "accuracy", "map": "mAP", "miou": "mIoU", "miou_instance": "instance mIoU", "ap_box": "box AP"}
"""The usual names of scores (`m2pt.runs.spec.RunSpec.metric`)."""


@dataclass(frozen=True, order=True)
class Condition:
    """What every comparison holds fixed: the part of the study, how the target starts and what is tuned."""

    setting: str
    tuning: str
    part: str = ""

    @property
    def slug(self) -> str:
        """Its name in file names and keys."""
        return "-".join(name for name in (self.part, self.setting, self.tuning) if name)

    @property
    def label(self) -> str:
        """Its name in a report."""
        start = "pretrained target" if self.setting == "pretrained" else "target from scratch"
        label = f"{start}, {'everything tuned' if self.tuning == 'full' else 'only scales and head tuned'}"
        return f"{self.part}: {label}" if self.part else label


class CellKey(NamedTuple):
    """What the runs of a cell have in common."""

    condition: Condition
    target: str
    method: MethodName
    auxiliary: str

    @property
    def name(self) -> str:
        """The cell's name within its study, safe in file names and addresses."""
        condition, origin = self.condition, self.target
        if self.auxiliary:
            origin = f"{self.target}-from-{self.auxiliary.replace('+', '-')}"
        start = f"{condition.part}--" if condition.part else ""
        return f"{start}{origin}-{self.method}-{condition.setting}-{condition.tuning}"


@dataclass(frozen=True)
class Run:
    """A planned run: its row in the table of runs, and what the table says about it (`m2pt.runs.table.COLUMNS`).

    Scores are in percent. A value is None where the run is not complete, or where the table does not have it.
    """

    row: int
    run_id: str | None = None
    status: str | None = None
    test_score: float | None = None
    val_score: float | None = None
    epoch: int | None = None
    samples_sha256: str | None = None
    train_samples: float | None = None
    test_samples: float | None = None
    parameters: float | None = None
    trainable_parameters: float | None = None
    data_sha256: str | None = None
    target_weights: str | None = None
    auxiliary_weights: str | None = None
    lineage: str | None = None
    error: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the run has its record."""
        return self.status == "complete"


@dataclass(frozen=True)
class Cell:
    """The planned runs of one condition, target, method and auxiliary, by draw."""

    condition: Condition
    target: str
    method: MethodName
    auxiliary: str
    metric: str
    runs: dict[Draw, Run]

    @property
    def key(self) -> CellKey:
        """What its runs have in common."""
        return CellKey(self.condition, self.target, self.method, self.auxiliary)

    @property
    def name(self) -> str:
        """Its name within the study, safe in file names and addresses."""
        return self.key.name

    @property
    def title(self) -> str:
        """Its name in a report, where the condition is known."""
        origin = f"{self.target} from {self.auxiliary.replace('+', ', ')}" if self.auxiliary else self.target
        return f"{origin}: {self.method.replace('_', ' ')}"

    @property
    def label(self) -> str:
        """Its name where condition and target are known."""
        names = {
            "baseline": "no auxiliary",
            "random": "random (control)",
            "lineage": "own lineage (control)",
            "apart": "own apart (control)",
        }
        return names.get(self.role or "", self.auxiliary)

    @property
    def column(self) -> str:
        """Its column in tables by target: its auxiliary, or the control that it is, which has the target's own modality."""
        return {"lineage": "own lineage", "apart": "own apart"}.get(self.role or "", self.auxiliary)

    @property
    def role(self) -> Role | None:
        """What its method is for in the main question; None for all other methods."""
        return ROLES.get(self.method)

    @property
    def measure(self) -> str:
        """The usual name of its scores."""
        return MEASURES[self.metric]

    @cached_property
    def complete(self) -> dict[Draw, Run]:
        """Its complete runs by draw."""
        return {draw: run for draw, run in self.runs.items() if run.is_complete}

    @cached_property
    def test(self) -> BySeed:
        """Its test scores in percent."""
        return {draw: run.test_score for draw, run in self.runs.items()}

    @cached_property
    def val(self) -> BySeed:
        """Its validation scores in percent."""
        return {draw: run.val_score for draw, run in self.runs.items()}

    @cached_property
    def mean_test(self) -> Estimate:
        """Its mean test score over seeds."""
        return over_seeds(self.test)

    @cached_property
    def mean_val(self) -> Estimate:
        """Its mean validation score over seeds."""
        return over_seeds(self.val)

    @property
    def has_random_weights(self) -> bool:
        """Whether its auxiliaries are untrained encoders."""
        return all(run.auxiliary_weights is None for run in self.runs.values())

    @property
    def step(self) -> float:
        """What its test scores move in: the points of one test sample; 0 where scores do not count samples, or it is unknown."""
        counts = [run.test_samples for run in self.runs.values() if run.test_samples]
        return 100 / min(counts) if counts and self.metric == "accuracy" else 0.0

    def gain(self, reference: "Cell") -> Estimate:
        """Its mean difference in test score from another cell, in points, paired by draw."""
        return over_seeds(differences(self.test, reference.test), max(self.step, reference.step))

    def is_unlike(self, reference: "Cell") -> bool:
        """Whether the two runs of any draw used different samples; a run that is not complete does not count."""
        pairs = ((self.runs[draw], reference.runs[draw]) for draw in self.runs.keys() & reference.runs.keys())
        samples = ((mine.samples_sha256, theirs.samples_sha256) for mine, theirs in pairs)
        return any(mine and theirs and mine != theirs for mine, theirs in samples)

    @property
    def lineage(self) -> str | None:
        """Whether targets and auxiliaries go on from common encoders (`m2pt.runs.lineage`); `mixed` if runs differ."""
        known = {run.lineage for run in self.runs.values()} - {None}
        return None if not known else known.pop() if len(known) == 1 else "mixed"

    def only(self, draws: Collection[Draw]) -> "Cell":
        """The cell with the runs of these draws."""
        return replace(self, runs={draw: run for draw, run in self.runs.items() if draw in draws})


def cells(table: pd.DataFrame) -> list[Cell]:
    """The cells of the table of runs (`m2pt.runs.table.read_table`); a run of several parts is in a cell of each.

    Conditions and targets are in the order of the table, methods in that of `m2pt.methods.METHODS`.
    """
    groups: dict[CellKey, tuple[str, dict[Draw, Run]]] = {}
    plain = table.astype(object).where(table.notna(), None).to_dict("records")
    for position, row in enumerate(plain):
        run = Run(position, **{name: row.get(name) for name in _RUN_COLUMNS})
        replicate = row.get("replicate")
        draw = Draw(int(row["seed"]), None if replicate is None else int(replicate))
        for part in str(row["parts"]).split(" "):
            key = CellKey(Condition(row["setting"], row["tuning"], part), row["target"], row["method"], row["auxiliary"])
            groups.setdefault(key, (row.get("metric", ""), {}))[1][draw] = run
    made = [Cell(*key, metric, runs) for key, (metric, runs) in groups.items()]
    methods = list(METHODS)
    return [
        cell
        for members in by_condition(made).values()
        for targets in [list(dict.fromkeys(cell.target for cell in members))]
        for cell in sorted(members, key=lambda cell: (targets.index(cell.target), methods.index(cell.method)))
    ]


def step_of(members: Sequence[Cell]) -> float:
    """What a mean over the targets of some cells moves in: their largest step, over the root of the number of targets.

    Rounding differs between targets; the pairs of a target share theirs through their reference.
    """
    return max((cell.step for cell in members), default=0.0) / math.sqrt(max(1, len({cell.target for cell in members})))


_RUN_COLUMNS = [field.name for field in fields(Run) if field.name != "row"]


def by_condition(members: Iterable[Cell]) -> dict[Condition, list[Cell]]:
    """The cells of each condition, in their order."""
    groups: dict[Condition, list[Cell]] = {}
    for cell in members:
        groups.setdefault(cell.condition, []).append(cell)
    return groups


class _OfTarget(Protocol):
    @property
    def target(self) -> str: ...


Member = TypeVar("Member", bound=_OfTarget)


def by_target(members: Iterable[Member]) -> dict[str, list[Member]]:
    """The cells (or comparisons) of each target, in their order."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(member.target, []).append(member)
    return groups


def by_method(members: Iterable[Cell]) -> dict[MethodName, list[Cell]]:
    """The cells of each method, in the order of `m2pt.methods.METHODS`."""
    known = list(members)
    return {name: mine for name in METHODS if (mine := [cell for cell in known if cell.method == name])}


def runs_table(members: Sequence[Cell]) -> pd.DataFrame:
    """The runs of some cells as a table: `target`, `method`, `seed`, `encoders` and the fields of `Run`."""
    rows: list[Mapping[str, Any]] = [
        {"target": cell.target, "method": cell.method, "seed": draw.seed, "encoders": draw.encoders, **vars(run)}
        for cell in members
        for draw, run in cell.runs.items()
    ]
    return pd.DataFrame(rows, columns=["target", "method", "seed", "encoders", "row", *_RUN_COLUMNS])


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Targets or auxiliaries: none, the modalities in their order, then tasks, random weights last."""
    return tuple(sorted(set(names), key=rank))


def rank(name: str) -> tuple[int, str]:
    """The place of a target or an auxiliary among others (`in_order`)."""
    names = ["", *MODALITIES]
    return (len(names) + 1, name) if name == RANDOM else (names.index(name), "") if name in names else (len(names), name)

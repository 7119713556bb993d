"""Which classes change: recall by class, compared seed by seed, and the confusion matrix of a cell.

Recall of a class: the share of its test samples that are classified correctly, in percent. The mean over classes, weighted by
their samples, is the accuracy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m2pt.analysis.numbers import families
from m2pt.analysis.numbers.averages import mean_over, measured
from m2pt.analysis.numbers.cells import Cell, CellKey, Condition
from m2pt.analysis.numbers.comparisons import Against, Compared
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.statistics import Estimate, differences, over_seeds
from m2pt.config import refuses_unknown
from m2pt.runs.record import FinetuneRecord

MOST_SHOWN = 3
"""The classes of each target that the summary names."""

Records = Mapping[str, FinetuneRecord]
"""The records of the complete runs, by their ids."""

Recalls = dict[str, dict[Draw, float | None]]
"""Recall in percent by class and seed; None where a seed has no record of it."""


@dataclass(frozen=True)
class Confusion:
    """Test samples counted by true class (row) and predicted class, summed over `runs` runs."""

    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    runs: int

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each row as shares of its samples, from 0 to 1; all 0 for a class without samples."""
        totals = self.counts.sum(axis=1, keepdims=True)
        shares: NDArray[np.float64] = np.divide(self.counts, totals, out=np.zeros(self.counts.shape), where=totals > 0)
        return shares


@dataclass(frozen=True)
class ClassChange:
    """One class of one cell: its recall in percent, and its differences in points, paired by seed.

    `adjusted_p` has the correction over all classes of the cell and both references, which are one exploratory family.
    """

    name: str
    samples: int
    recall: Estimate
    over: dict[Against, Estimate]
    adjusted_p: dict[Against, float | None]

    @refuses_unknown
    def holds(self, against: Against) -> bool:
        """Whether the difference is shown at the error rate of its family."""
        return families.holds(self.adjusted_p.get(against))


@dataclass(frozen=True)
class TargetChange:
    """How one class of a target changes with auxiliaries of other modalities against random weights.

    `change` is the mean over the auxiliaries, one number per seed; `random` the recall with random weights; `adjusted_p` has the
    correction over the classes of all targets and conditions, which are one exploratory family.
    """

    name: str
    random: Estimate
    change: Estimate
    adjusted_p: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the difference is shown at the error rate of its family."""
        return families.holds(self.adjusted_p)


@dataclass(frozen=True)
class TargetClasses:
    """The classes of a target in a condition, the largest mean change first.

    `left_out` are auxiliaries with too few runs; `dropped` are classes that have no test sample in both runs of any seed.
    """

    condition: Condition
    target: str
    classes: tuple[TargetChange, ...]
    left_out: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[TargetChange, ...]:
        """The classes that change most."""
        return self.classes[:MOST_SHOWN]

    @property
    def tested(self) -> tuple[TargetChange, ...]:
        """The classes that have an interval."""
        return tuple(item for item in self.classes if item.change.half_width is not None)

    @property
    def remarks(self) -> str:
        """What the verdict does not cover: auxiliaries and classes, with the reason; empty where it covers all."""
        equal = [item.name for item in self.classes if item.change.half_width is None and item.change.n > 1]
        untested = f"; without {', '.join(self.left_out)}, which lack complete runs" if self.left_out else ""
        untested += f"; not tested, because all their differences are equal: {', '.join(equal)}" if equal else ""
        without = "; dropped, because no seed has test samples of them on both sides: "
        return untested + (f"{without}{', '.join(self.dropped)}" if self.dropped else "")

    @property
    def verdict(self) -> str:
        """How many classes changed, in words no stronger than the numbers."""
        tested, untested = self.tested, self.remarks
        if not tested:
            return f"no class has an interval: that takes two seeds that are complete, with different differences{untested}"
        holding = [item.name for item in tested if item.holds]
        among = f"{len(tested)} class{'' if len(tested) == 1 else 'es'}"
        if not holding:
            return f"no change is shown in any of {among}{untested}"
        return f"a change is shown in {len(holding)} of {among} ({', '.join(holding)}){untested}"


def confusion(records: Iterable[FinetuneRecord | None]) -> Confusion | None:
    """The confusion matrices of some records added up; None where none has one (many classes, tagging, segmentation)."""
    known = [record for record in records if record is not None and record.confusion]
    if not known:
        return None
    counts = np.sum([np.array(record.confusion, dtype=np.int64) for record in known], axis=0)
    return Confusion(known[0].classes, counts, len(known))


def recalls(cell: Cell, records: Records) -> Recalls:
    """The recall of each class in the runs of a cell."""
    of_classes: Recalls = {}
    for seed, run in cell.runs.items():
        record = records.get(str(run.run_id))
        if record is not None and record.confusion:
            for index, (name, counts) in enumerate(zip(record.classes, record.confusion, strict=True)):
                total = sum(counts)
                of_classes.setdefault(name, dict.fromkeys(cell.runs))[seed] = 100 * counts[index] / total if total else None
    return of_classes


class ByCell:
    """The recalls and the confusion matrices of the cells of a study, each computed once: cells share their references."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._recalls: dict[CellKey, Recalls] = {}
        self._matrices: dict[CellKey, Confusion | None] = {}

    def recalls(self, cell: Cell) -> Recalls:
        """The recall of each class in the runs of a cell."""
        key = cell.key
        if key not in self._recalls:
            self._recalls[key] = recalls(cell, self._records)
        return self._recalls[key]

    def matrix(self, cell: Cell) -> Confusion | None:
        """The confusion matrices of its runs added up; None where none has one."""
        key = cell.key
        if key not in self._matrices:
            self._matrices[key] = confusion(self._records.get(str(run.run_id)) for run in cell.runs.values())
        return self._matrices[key]


def changes(item: Compared, of_cells: ByCell) -> list[ClassChange]:
    """The classes of a cell, in their order; empty where no run of it has a confusion matrix."""
    matrix = of_cells.matrix(item.cell)
    if matrix is None:
        return []
    mine = of_cells.recalls(item.cell)
    others = {against: of_cells.recalls(cell) for against, cell in item.against.items()}
    steps = _steps(matrix)
    over = {
        against: {name: over_seeds(differences(mine[name], theirs.get(name, {})), steps[name]) for name in mine}
        for against, theirs in others.items()
    }
    adjusted = iter(families.discoveries([item.p_value for estimates in over.values() for item in estimates.values()]))
    corrected = {against: {name: next(adjusted) for name in estimates} for against, estimates in over.items()}
    samples = _samples(matrix)
    return [
        ClassChange(
            name=name,
            samples=samples[name],
            recall=over_seeds(mine[name]),
            over={against: estimates[name] for against, estimates in over.items()},
            adjusted_p={against: values[name] for against, values in corrected.items()},
        )
        for name in mine
    ]


def by_target(cells: Sequence[Compared], of_cells: ByCell) -> list[TargetClasses]:
    """What the pathway's auxiliaries change in each class against random weights, for each condition and target that has both."""
    groups: dict[tuple[Condition, str], list[Compared]] = {}
    for item in cells:
        if item.cell.method == "pathway" and "random" in item.against:
            groups.setdefault((item.cell.condition, item.cell.target), []).append(item)
    of_targets = [_of_target(*key, members, of_cells) for key, members in groups.items()]
    adjusted = iter(families.discoveries([row.change.p_value for item in of_targets for row in item.classes]))
    made = [replace(item, classes=tuple(replace(row, adjusted_p=next(adjusted)) for row in item.classes)) for item in of_targets]
    return [item for item in made if item.classes or item.dropped]


def _of_target(condition: Condition, target: str, members: Sequence[Compared], of_cells: ByCell) -> TargetClasses:
    reference = members[0].against["random"]
    random, matrix = of_cells.recalls(reference), of_cells.matrix(reference)
    steps = _steps(matrix) if matrix else {}
    pairs = [of_cells.recalls(member.cell) for member in members]
    made, kept = [], set[int]()
    for name, of_random in random.items():
        gains = [differences(pair.get(name, {}), of_random) for pair in pairs]
        kept |= set(measured(gains))
        made.append(TargetChange(name, over_seeds(of_random), mean_over(gains, steps[name])))
    known = [item for item in made if item.change.mean is not None]
    dropped = tuple(item.name for item in made if item.change.mean is None) if kept else ()
    lacking = tuple(member.cell.auxiliary for place, member in enumerate(members) if place not in kept)
    return TargetClasses(
        condition, target, tuple(sorted(known, key=lambda item: -abs(item.change.mean or 0.0))), lacking, dropped
    )


def _samples(matrix: Confusion) -> dict[str, int]:
    """The test samples of each class."""
    return dict(zip(matrix.classes, (matrix.counts.sum(axis=1) // matrix.runs).tolist(), strict=True))


def _steps(matrix: Confusion) -> dict[str, float]:
    """What the recall of each class moves in: the points of one of its samples."""
    return {name: 100 / count if count else 0.0 for name, count in _samples(matrix).items()}

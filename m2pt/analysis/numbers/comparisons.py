"""The cells of a study against each other: each against its baseline and its random control; the families of both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from m2pt.analysis.numbers import families, unequal
from m2pt.analysis.numbers.averages import mean_over
from m2pt.analysis.numbers.cells import CONTROLS, MEASURES, Cell, CellKey, Condition, Role, by_condition, in_order, rank, step_of
from m2pt.analysis.numbers.statistics import BySeed, Estimate, differences
from m2pt.analysis.numbers.unequal import ALL_THERE, Missing
from m2pt.config import RANDOM, MethodName, refuses_unknown
from m2pt.methods import METHODS

Against = Literal["baseline", "random"]

REFERENCES: dict[Against, tuple[MethodName, str]] = {"baseline": ("baseline", ""), "random": ("random_auxiliary", RANDOM)}
"""What cells are compared with: the method and the auxiliary of the reference. Some methods have another random control."""

_ROLES: tuple[Role, ...] = ("pair", "random", *CONTROLS)


@dataclass(frozen=True)
class Compared:
    """A cell with its references; `against` lacks what the study does not plan, and the cell itself."""

    cell: Cell
    against: dict[Against, Cell]

    @refuses_unknown
    def difference(self, against: Against) -> Estimate | None:
        """Its mean difference in test score, in points, paired by seed; None where the study does not plan the reference."""
        return self.cell.gain(self.against[against]) if against in self.against else None

    @refuses_unknown
    def differences(self, against: Against) -> BySeed:
        """The difference in test score of each seed."""
        return differences(self.cell.test, self.against[against].test) if against in self.against else {}

    @refuses_unknown
    def unlike(self, against: Against) -> bool:
        """Whether runs on different samples are compared."""
        return against in self.against and self.cell.is_unlike(self.against[against])


def compared(cells: Sequence[Cell]) -> list[Compared]:
    """Every cell with its references."""
    known = {cell.key: cell for cell in cells}
    return [Compared(cell, _references(cell, known)) for cell in cells]


@refuses_unknown
def reference_key(cell: Cell, against: Against) -> CellKey:
    """The reference of a cell: on the same target, in the same condition."""
    method, auxiliary = REFERENCES[against]
    method = METHODS[cell.method].control if against == "random" else method
    return cell.key._replace(method=method, auxiliary=auxiliary)


def _references(cell: Cell, known: Mapping[CellKey, Cell]) -> dict[Against, Cell]:
    if cell.method == "baseline":
        return {}
    keys = {against: reference_key(cell, against) for against in REFERENCES}
    return {against: known[key] for against, key in keys.items() if key in known and key != cell.key}


@dataclass(frozen=True)
class Comparison:
    """The gain of a cell over a reference in test score, in percentage points.

    `p_value` is that of the estimate, or of the worst case where runs are missing on one side more than on the other
    (`m2pt.analysis.numbers.unequal`). `adjusted_p` is the same after the correction over its exploratory family, e.g. all
    gains over random weights. `missing` counts the runs that both sides lack.
    """

    cell: Cell
    reference: Cell
    role: Role
    against: Against
    estimate: Estimate
    p_value: float | None = None
    adjusted_p: float | None = None
    missing: Missing = ALL_THERE

    @property
    def target(self) -> str:
        """The target of the cell."""
        return self.cell.target

    @property
    def auxiliary(self) -> str:
        """The auxiliary of the cell."""
        return self.cell.auxiliary

    @property
    def column(self) -> str:
        """The column of the cell in tables by target."""
        return self.cell.column

    @property
    def measure(self) -> str:
        """The usual name of the scores that are compared."""
        return MEASURES.get(self.cell.metric, "score")

    @property
    def differences(self) -> BySeed:
        """The gain of each seed."""
        return differences(self.cell.test, self.reference.test)

    @property
    def unlike(self) -> bool:
        """Whether runs on different samples are compared."""
        return self.cell.is_unlike(self.reference)

    @property
    def holds(self) -> bool:
        """Whether the difference is shown at the error rate of its family."""
        return families.holds(self.adjusted_p)

    @property
    def is_withheld(self) -> bool:
        """Whether missing runs alone could have made what its interval excludes."""
        return self.estimate.sign != 0 and self.p_value != self.estimate.p_value and not families.holds(self.p_value)


@refuses_unknown
def group(pairs: Iterable[tuple[Cell, Cell]], role: Role, against: Against, within: unequal.Ranges) -> list[Comparison]:
    """Cells of one role with their references, not corrected yet; `within` has the range of the scores of each target."""
    members = list(pairs)
    suspect = unequal.missing(members).is_suspect
    made = []
    for cell, reference in members:
        value, lost = cell.gain(reference), unequal.missing([(cell, reference)])
        p = unequal.guarded([(cell, reference)], value, within, suspect or lost.is_suspect)
        made.append(Comparison(cell, reference, role, against, value, p, missing=lost))
    return made


def corrected(members: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of one exploratory family, with its correction."""
    adjusted = families.discoveries([item.p_value for item in members])
    return [replace(item, adjusted_p=p) for item, p in zip(members, adjusted, strict=True)]


@dataclass(frozen=True)
class Summary:
    """The main question within one condition. `averages` is over all pairs at once, draw by draw.

    `auxiliaries` are the columns of its tables by target (`Cell.column`), without those for no auxiliary and for random weights.
    """

    condition: Condition
    targets: tuple[str, ...]
    auxiliaries: tuple[str, ...]
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...]
    averages: dict[Against, Estimate]

    @property
    def asks(self) -> bool:
        """Whether anything is compared here: a condition may have rivals and their baselines only."""
        return bool(self.comparisons)

    def measure(self, target: str) -> str:
        """The usual name of a target's scores, where the targets have several; empty where all have the same."""
        known = {cell.target: MEASURES.get(cell.metric, "score") for cell in self.cells}
        return known[target] if len(set(known.values())) > 1 else ""

    def cell(self, target: str, column: str) -> Cell | None:
        """A cell of the table of scores, None where it is not planned."""
        return next((cell for cell in self.cells if (cell.target, cell.column) == (target, column)), None)

    @refuses_unknown
    def select(self, against: Against, role: Role) -> list[Comparison]:
        """The comparisons of one family."""
        return [item for item in self.comparisons if item.against == against and item.role == role]

    @refuses_unknown
    def comparison(self, target: str, column: str, against: Against) -> Comparison | None:
        """A comparison of the matrix of gains, None where it is not planned."""
        key = (target, column, against)
        return next((item for item in self.comparisons if (item.target, item.column, item.against) == key), None)


def summaries(cells: Sequence[Cell]) -> list[Summary]:
    """One summary for each condition, in the order of the cells (`m2pt.analysis.numbers.cells.cells`).

    The gains over each reference, of all conditions and with their controls, are one exploratory family.
    """
    made = [_summary(condition, members) for condition, members in by_condition(cells).items()]
    for against in REFERENCES:
        family = iter(corrected([item for summary in made for item in summary.comparisons if item.against == against]))
        made = [
            replace(summary, comparisons=tuple(next(family) if item.against == against else item for item in summary.comparisons))
            for summary in made
        ]
    return made


def by_measure(comparisons: Sequence[Comparison]) -> list[list[Comparison]]:
    """The comparisons of each metric, whose points have no mean with those of another."""
    groups: dict[str, list[Comparison]] = {}
    for item in comparisons:
        groups.setdefault(item.cell.metric, []).append(item)
    return list(groups.values())


def average(comparisons: Sequence[Comparison]) -> Estimate:
    """The mean over some comparisons, one number per seed; no result where they are in different units.

    An average never mixes metrics: points of accuracy and points of mAP have no mean.
    """
    if len({item.cell.metric for item in comparisons}) > 1:
        return Estimate(0)
    step = step_of([cell for item in comparisons for cell in (item.cell, item.reference)])
    return mean_over([item.differences for item in comparisons], step)


def _summary(condition: Condition, members: Sequence[Cell]) -> Summary:
    """The methods that have a role; all others are compared in `m2pt.analysis.tables.methods`.

    A pathway of random weights is no pair but a control: `m2pt.analysis.numbers.contrasts` compares it.
    """
    asked = [cell for cell in members if cell.role in ("baseline", "random") or (cell.role and not cell.has_random_weights)]
    cells = sorted(asked, key=lambda cell: (rank(cell.target), _place(cell), rank(cell.auxiliary)))
    comparisons: list[Comparison] = []
    averages: dict[Against, Estimate] = {}
    with_references, within = compared(cells), unequal.ranges(cells)
    for against in REFERENCES:
        for role in _ROLES:
            of_role = [item for item in with_references if item.cell.role == role and against in item.against]
            comparisons += group([(item.cell, item.against[against]) for item in of_role], role, against, within)
        averages[against] = average([item for item in comparisons if (item.against, item.role) == (against, "pair")])
    auxiliaries = in_order(cell.column for cell in cells if cell.role == "pair" or cell.role in CONTROLS)
    return Summary(condition, in_order(cell.target for cell in cells), auxiliaries, tuple(cells), tuple(comparisons), averages)


def _place(cell: Cell) -> int:
    """Baselines first, then the pairs and their controls."""
    return _ROLES.index(cell.role) + 1 if cell.role in _ROLES else 0

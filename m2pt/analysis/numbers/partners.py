"""Where the cells of a part of a study find what they are compared with: in the reference, among baselines, among controls."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from m2pt.analysis.numbers.averages import balanced, freedom, mean_over, measured
from m2pt.analysis.numbers.cells import Cell, CellKey, Condition, by_target, step_of
from m2pt.analysis.numbers.changes import ENCODER, Change
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.statistics import BySeed, Estimate, differences, over_seeds
from m2pt.config import RANDOM, MethodName, Study
from m2pt.methods import METHODS

NOTHING = Estimate(0)

Pairs = Sequence[tuple[Cell, Cell]]
"""Cells with their partners, both with the seeds alone that both plan."""

Partner = Callable[[Cell], Cell | None]


def paired(cells: Iterable[Cell], partner: Partner) -> list[tuple[Cell, Cell]]:
    """The cells that have a partner, with it; seeds that only one of the two plans are left out."""
    known = [(cell, other) for cell in cells if (other := partner(cell)) is not None]
    pairs = [(cell.only(other.runs), other.only(cell.runs)) for cell, other in known]
    return [(cell, other) for cell, other in pairs if cell.runs]


def gains(pairs: Pairs, of: Callable[[Cell], BySeed] = lambda cell: cell.test) -> dict[str, dict[Draw, float | None]]:
    """By target and seed: how far cells are above their partners (by default in test score), averaged over auxiliaries."""
    return {target: balanced(values) for target, values in _differences(pairs, of).items()}


def _differences(pairs: Pairs, of: Callable[[Cell], BySeed] = lambda cell: cell.test) -> dict[str, list[BySeed]]:
    targets: dict[str, list[BySeed]] = {}
    for cell, other in pairs:
        targets.setdefault(cell.target, []).append(differences(of(cell), of(other)))
    return targets


def mean_gain(pairs: Pairs) -> Estimate:
    """The mean over targets of how far cells are above their partners, one number per seed.

    No result where the targets have several metrics (points of accuracy and points of mAP have no mean), or where a target has
    too few seeds to count (`m2pt.analysis.numbers.averages.measured`).
    """
    groups = list(_differences(pairs).values())
    values = [balanced(members) for members in groups]
    if len({cell.metric for cell, _ in pairs}) > 1:
        return NOTHING
    if values and len(measured(values)) < len(values):
        return Estimate(0, len(set[Draw]().union(*values)))
    return over_seeds(balanced(values), step_of([cell for pair in pairs for cell in pair]), freedom(groups))


def scores(cells: Iterable[Cell]) -> dict[str, Estimate]:
    """The mean test score by target, averaged over auxiliaries, with its interval over seeds."""
    return {target: mean_over([cell.test for cell in mine]) for target, mine in by_target(cells).items()}


def joined(cells: Sequence[Cell]) -> Cell:
    """The cell with the runs of several; where two plan the same seed, the first one's run counts."""
    return replace(cells[0], runs={seed: run for cell in reversed(cells) for seed, run in cell.runs.items()})


@dataclass(frozen=True)
class Partners:
    """The cells of a study, and which part finds its partners in which.

    `reference` are the parts that the others are compared with, `changes` what each part changes.
    """

    study: Study
    changes: Mapping[str, Change]
    reference: Sequence[str]
    cells: Mapping[CellKey, Cell]

    def of_part(self, part: str) -> list[Cell]:
        """The cells of one part."""
        return [cell for cell in self.cells.values() if cell.condition.part == part]

    @cached_property
    def usual(self) -> Sequence[Cell]:
        """The reference's cells in the study's own setting and tuning."""
        cells = [
            cell for part in self.reference for cell in self.of_part(part) if replace(cell.condition, part="") == self._usual
        ]
        groups: dict[CellKey, list[Cell]] = {}
        for cell in cells:
            groups.setdefault(cell.key._replace(condition=self._usual), []).append(cell)
        return [joined(mine) for mine in groups.values()]

    def same(self, change: Change) -> Partner:
        """The same cell in the reference: in its own setting and tuning, or else, if the part chose them, in the study's own."""

        def partner(cell: Cell) -> Cell | None:
            settings = [cell.condition.setting] + [self._usual.setting] * ("sweep.settings" in change.differing)
            tunings = [cell.condition.tuning] + [self._usual.tuning] * ("sweep.tunings" in change.differing)
            places = [Condition(setting, tuning, part) for setting in settings for tuning in tunings for part in self.reference]
            return self._find(cell.key, places)

        return partner

    def baseline(self, change: Change) -> Partner:
        """The baseline with the part's settings; the reference's, where the part keeps baselines as they are."""
        return self._control(change, "baseline", "", change.keeps_baselines)

    def random_auxiliary(self, change: Change) -> Partner:
        """The random auxiliary with the part's settings; the reference's, where the part changes only the auxiliary encoder."""
        return self._random(change, "random_auxiliary")

    def _random(self, change: Change, method: MethodName) -> Partner:
        return self._control(change, method, RANDOM, set(change.differing) <= {ENCODER})

    def random_weights(self, change: Change) -> Partner | None:
        """The same cell in the part that differs only by random weights as auxiliaries; None without such a part."""
        if change.settings == change.with_random:
            return None
        parts = [name for name, other in self.changes.items() if other.settings == change.with_random]
        return (lambda cell: self._find(cell.key, [replace(cell.condition, part=parts[0])])) if parts else None

    def over_random(self, change: Change, cells: Sequence[Cell]) -> Estimate:
        """The gain of one method over its control: itself with random weights, or else the method that joins such weights."""
        if not cells or METHODS[cells[0].method].takes in ("nothing", "random"):
            return NOTHING
        control = self.random_weights(change) if METHODS[cells[0].method].loads_auxiliaries else None
        value = mean_gain(paired(cells, control)) if control else NOTHING
        if value.n + value.dropped or not METHODS[cells[0].method].random_auxiliary_is_control:
            return value
        return mean_gain(paired(cells, self._random(change, METHODS[cells[0].method].control)))

    @property
    def _usual(self) -> Condition:
        return Condition(self.study.sweep.settings[0], self.study.sweep.tunings[0])

    def _control(self, change: Change, method: MethodName, auxiliary: str, in_reference: bool) -> Partner:
        alike = [name for name, other in self.changes.items() if other.settings == change.settings]
        parts = [*alike, *(self.reference if in_reference else ())]

        def partner(cell: Cell) -> Cell | None:
            key = cell.key._replace(method=method, auxiliary=auxiliary)
            return self._find(key, [replace(cell.condition, part=part) for part in parts])

        return partner

    def _find(self, key: CellKey, places: Iterable[Condition]) -> Cell | None:
        """The cell of this target, method and auxiliary with its runs in all of these conditions; None where it is in none."""
        known = [self.cells[place] for condition in places if (place := key._replace(condition=condition)) in self.cells]
        return joined(known) if known else None

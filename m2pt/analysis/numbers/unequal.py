"""Runs that are missing on one side of a comparison more than on the other, and what they could hide.

Where runs fail because they do badly, the side that loses them looks better: if the worst quarter of one side's runs fails, it
gains 0.4 standard deviations from nothing. Where the shares of missing runs differ more than chance makes plausible, a
difference counts as shown only if it is also shown in the worst case: each missing run of the side that scored higher takes the
lowest score of any run on its target, each one of the other side the highest. The mean and the interval themselves stay those
of the runs that are there.

The bounds are those of a sensitivity analysis for missing outcomes (Hollis and Campbell, BMJ 319, 1999), with observed extremes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from m2pt.analysis.numbers.averages import mean_over
from m2pt.analysis.numbers.cells import Cell
from m2pt.analysis.numbers.rules import FIXED, Rule
from m2pt.analysis.numbers.statistics import BySeed, Estimate, differences

PLAUSIBLE = 0.2
"""Shares differ by more than chance where Fisher's exact test is below this: lenient, as few runs show little."""

Ranges = Mapping[str, tuple[float, float]]
"""The lowest and the highest test score of each target."""


@dataclass(frozen=True)
class Missing:
    """The runs of both sides of a comparison that are not complete, of those planned."""

    mine: int = 0
    mine_planned: int = 0
    theirs: int = 0
    theirs_planned: int = 0

    @property
    def differs(self) -> bool:
        """Whether the shares differ at all."""
        return self.mine * self.theirs_planned != self.theirs * self.mine_planned

    @property
    def is_suspect(self) -> bool:
        """Whether they differ by more than chance makes plausible."""
        if not self.differs:
            return False
        table = [[self.mine, self.mine_planned - self.mine], [self.theirs, self.theirs_planned - self.theirs]]
        return float(stats.fisher_exact(table).pvalue) < PLAUSIBLE

    @property
    def words(self) -> str:
        """Both shares, in words; empty where they are equal."""
        if not self.differs:
            return ""
        return f"missing runs: {self.mine} of {self.mine_planned} against {self.theirs} of {self.theirs_planned}"


ALL_THERE = Missing()


def missing(pairs: Sequence[tuple[Cell, Cell]]) -> Missing:
    """What some comparisons lack together; a run that several of them share counts once."""
    mine = {cell.key: cell for cell, _ in pairs}
    theirs = {cell.key: cell for _, cell in pairs}
    return Missing(*_count(mine.values()), *_count(theirs.values()))


def ranges(cells: Sequence[Cell]) -> dict[str, tuple[float, float]]:
    """The range of the test scores of each target that has any."""
    scores: dict[str, list[float]] = {}
    for cell in cells:
        scores.setdefault(cell.target, []).extend(value for value in cell.test.values() if value is not None)
    return {target: (min(values), max(values)) for target, values in scores.items() if values}


def worst_case(pairs: Sequence[tuple[Cell, Cell]], sign: int, within: Ranges) -> Estimate:
    """The mean difference of some comparisons if every run that one side alone lacks had scored against `sign`."""
    return mean_over([_worst(cell, other, sign, within[cell.target]) for cell, other in pairs])


def guarded(
    pairs: Sequence[tuple[Cell, Cell]], estimate: Estimate, within: Ranges, suspect: bool, rule: Rule = FIXED
) -> float | None:
    """The p-value of a mean difference, no smaller than that of the worst case where missing runs are `suspect`.

    `estimate` was judged by `rule`, and so is the worst case. The p-value is 1 where the worst case has the other sign, None
    where nothing was tested.
    """
    if not suspect or estimate.p_value is None or not estimate.mean:
        return estimate.p_value
    sign = 1 if estimate.mean > 0 else -1
    worst = rule.judged(worst_case(pairs, sign, within))
    if worst.p_value is None or worst.mean is None or worst.mean * sign <= 0:
        return 1.0
    return max(estimate.p_value, worst.p_value)


def _worst(cell: Cell, other: Cell, sign: int, within: tuple[float, float]) -> BySeed:
    low, high = within if sign > 0 else within[::-1]
    mine, theirs = dict(cell.test), dict(other.test)
    for seed in mine.keys() & theirs.keys():
        if (mine[seed] is None) != (theirs[seed] is None):
            mine[seed] = low if mine[seed] is None else mine[seed]
            theirs[seed] = high if theirs[seed] is None else theirs[seed]
    return differences(mine, theirs)


def _count(cells: Iterable[Cell]) -> tuple[int, int]:
    known = list(cells)
    return sum(len(cell.runs) - len(cell.complete) for cell in known), sum(len(cell.runs) for cell in known)

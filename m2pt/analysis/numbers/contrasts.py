"""What a change does: every method of a part of a study against the same method without the change."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from m2pt.analysis.numbers import families, unequal
from m2pt.analysis.numbers.cells import Cell, Condition, by_condition, by_method, in_order
from m2pt.analysis.numbers.changes import ENCODER, Change, changes, references
from m2pt.analysis.numbers.comparisons import Comparison, group
from m2pt.analysis.numbers.partners import NOTHING, Pairs, Partners, gains, mean_gain, paired, scores
from m2pt.analysis.numbers.statistics import Estimate, over_seeds
from m2pt.analysis.numbers.unequal import ALL_THERE, Missing
from m2pt.config import RANDOM, MethodName, Study
from m2pt.methods import METHODS


@dataclass(frozen=True)
class Contrast:
    """One method of one part against the same method in the reference.

    `targets` and `overall` are differences in points, `scores` the part's own test scores in percent. `gain` is over the part's
    own baseline, `over_random` over its own random control, both over all targets. `p_value` is of `overall`, or of the worst
    case where runs are missing on one side more than on the other; `adjusted_p` the same after the correction over all rows of
    all methods, which are one exploratory family. `published` is the paper's difference by target, if it has both scores.
    `unlike` are the targets on which the two sides used different samples.
    """

    change: Change
    condition: Condition
    method: MethodName
    targets: dict[str, Estimate]
    overall: Estimate
    scores: dict[str, Estimate]
    gain: Estimate
    over_random: Estimate
    published: dict[str, float]
    unlike: frozenset[str] = frozenset()
    missing: Missing = ALL_THERE
    p_value: float | None = None
    adjusted_p: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the difference over all targets is shown at the error rate of its family."""
        return families.holds(self.adjusted_p)


@dataclass(frozen=True)
class Family:
    """The contrasts of one method, with the reference's scores by target: its own, and its baseline's."""

    method: MethodName
    targets: tuple[str, ...]
    scores: dict[str, Estimate]
    baseline: dict[str, Estimate]
    gain: Estimate
    over_random: Estimate
    rows: tuple[Contrast, ...]


@dataclass(frozen=True)
class OwnControl:
    """One method over itself with random weights in the auxiliary's place, in points.

    `overall` is over all targets, one number per seed; `targets` averaged over auxiliaries; `pairs` by target and auxiliary.
    `p_value` is of `overall`, or of the worst case where runs are missing on one side more than on the other; `adjusted_p` the
    same after the correction. The averages and pairs of all methods in all conditions are one exploratory family.
    """

    method: MethodName
    overall: Estimate
    targets: dict[str, Estimate]
    pairs: tuple[Comparison, ...]
    p_value: float | None = None
    missing: Missing = ALL_THERE
    adjusted_p: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the average is shown at the error rate of its family."""
        return families.holds(self.adjusted_p)

    @property
    def auxiliaries(self) -> tuple[str, ...]:
        """The auxiliaries of its pairs."""
        return in_order(item.auxiliary for item in self.pairs)

    @property
    def largest(self) -> float:
        """The largest mean difference of a pair, either way."""
        return max((abs(item.estimate.mean) for item in self.pairs if item.estimate.mean is not None), default=0.0)

    def pair(self, target: str, auxiliary: str) -> Comparison | None:
        """One of its pairs; None where it is not planned."""
        return next((item for item in self.pairs if (item.target, item.auxiliary) == (target, auxiliary)), None)


@dataclass(frozen=True)
class Ablations:
    """What the parts of a study do. `reference` names the parts that only choose runs, or the first part.

    `own_random` has, by condition and method, what a method gains over itself with random weights; `changes` what each part
    changes.
    """

    reference: tuple[str, ...] = ()
    families: tuple[Family, ...] = ()
    own_random: dict[tuple[str, str], OwnControl] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)

    def is_reference(self, part: str) -> bool:
        """Whether a part belongs to the reference; every part does if the study declares none (a search has its own)."""
        return not self.reference or part in self.reference

    def is_random(self, part: str) -> bool:
        """Whether a part has random weights in the auxiliaries' place: it says nothing about other modalities."""
        return part in self.changes and self.changes[part].settings.get(ENCODER) == RANDOM

    def controls(self, condition: Condition) -> list[OwnControl]:
        """The methods of a condition that were also run with random weights."""
        return [item for (slug, _), item in self.own_random.items() if slug == condition.slug]

    def control(self, condition: Condition, method: str) -> Estimate:
        """The gain of a method over itself with random weights; without seeds if the study has no such part."""
        control = self.own_random.get((condition.slug, method))
        return control.overall if control else NOTHING


def ablations(study: Study, cells: Sequence[Cell], published: Sequence[float | None] = ()) -> Ablations:
    """Every part of a study against the reference, method by method, `pathway` first.

    A row whose runs are all the reference's own is left out: nothing of it was changed.

    Args:
        study: the study.
        cells: its cells (`m2pt.analysis.numbers.cells.cells`).
        published: the paper's score of each row of the table of runs in percent, None where it has none; empty: no row has one.

    """
    known = changes(study)
    if not known:
        return Ablations()
    of_parts = {change.part: change for change in known}
    partners = Partners(study, of_parts, references(known), {cell.key: cell for cell in cells})
    contrasts = [
        contrast
        for change in known
        if change.part not in partners.reference
        for contrast in _contrasts(partners, change, published)
    ]
    adjusted = families.discoveries([row.p_value for row in contrasts])
    contrasts = [replace(row, adjusted_p=p) for row, p in zip(contrasts, adjusted, strict=True)]
    order = sorted(METHODS, key=lambda name: name != "pathway")
    of_methods = [_family(partners, name, [row for row in contrasts if row.method == name]) for name in order]
    kept = tuple(family for family in of_methods if family.rows)
    return Ablations(tuple(partners.reference), kept, _own_random(partners), of_parts)


def _contrasts(partners: Partners, change: Change, published: Sequence[float | None]) -> list[Contrast]:
    """One row for each condition and method of a part that the reference has too and the part changes."""
    own = by_condition(partners.of_part(change.part))
    groups = [(condition, method, mine) for condition, members in own.items() for method, mine in by_method(members).items()]
    pairs = [(condition, method, paired(mine, partners.same(change))) for condition, method, mine in groups]
    return [_contrast(partners, change, *group, published) for group in pairs if any(_differ(*pair) for pair in group[2])]


def _differ(cell: Cell, other: Cell) -> bool:
    """Whether the two have other runs."""
    return any(run.row != other.runs[seed].row for seed, run in cell.runs.items())


def _contrast(
    partners: Partners, change: Change, condition: Condition, method: MethodName, pairs: Pairs, published: Sequence[float | None]
) -> Contrast:
    cells = [cell for cell, _ in pairs]
    targets, overall, lost = gains(pairs), mean_gain(pairs), unequal.missing(pairs)
    theirs = gains(pairs, lambda cell: {seed: published[run.row] if published else None for seed, run in cell.runs.items()})
    of_paper = {target: next(iter(values.values())) for target, values in theirs.items()}
    return Contrast(
        change=change,
        condition=condition,
        method=method,
        targets={target: over_seeds(values) for target, values in targets.items()},
        overall=overall,
        scores=scores(cells),
        gain=mean_gain(paired(cells, partners.baseline(change))) if method != "baseline" else NOTHING,
        over_random=partners.over_random(change, cells),
        published={target: value for target, value in of_paper.items() if value is not None},
        unlike=frozenset(cell.target for cell, other in pairs if cell.is_unlike(other)),
        missing=lost,
        p_value=unequal.guarded(pairs, overall, _ranges(pairs), lost.is_suspect),
    )


def _family(partners: Partners, method: MethodName, rows: Sequence[Contrast]) -> Family:
    """The rows of a method, and the reference's scores on the targets that any of them has."""
    base = partners.changes[partners.reference[0]]
    targets = tuple(dict.fromkeys(target for row in rows for target in row.targets))
    usual = [cell for cell in partners.usual if cell.target in targets]
    mine = [cell for cell in usual if cell.method == method]
    return Family(
        method=method,
        targets=targets,
        scores=scores(mine),
        baseline=scores(cell for cell in usual if cell.method == "baseline"),
        gain=mean_gain(paired(mine, partners.baseline(base))) if method != "baseline" else NOTHING,
        over_random=partners.over_random(base, mine),
        rows=tuple(rows),
    )


def _own_random(partners: Partners) -> dict[tuple[str, str], OwnControl]:
    """For every part that has a twin with random weights in the auxiliary's place: each method over itself there."""
    controls: dict[tuple[str, str], OwnControl] = {}
    for part, change in partners.changes.items():
        control = partners.random_weights(change)
        own = by_condition(partners.of_part(part)) if control else {}
        for condition, members in own.items():
            for method, mine in by_method(members).items():
                if control and METHODS[method].loads_auxiliaries and (pairs := paired(mine, control)):
                    controls[condition.slug, method] = _own_control(method, pairs)
    return dict(zip(controls, _corrected(list(controls.values())), strict=True))


def _corrected(controls: Sequence[OwnControl]) -> list[OwnControl]:
    """With the correction over all averages and all pairs."""
    adjusted = iter(families.discoveries([p for item in controls for p in (item.p_value, *(one.p_value for one in item.pairs))]))
    return [
        replace(item, adjusted_p=next(adjusted), pairs=tuple(replace(pair, adjusted_p=next(adjusted)) for pair in item.pairs))
        for item in controls
    ]


def _own_control(method: MethodName, pairs: Pairs) -> OwnControl:
    over = {target: over_seeds(values) for target, values in gains(pairs).items()}
    within, lost, overall = _ranges(pairs), unequal.missing(pairs), mean_gain(pairs)
    members = tuple(group(pairs, "pair", "random", within))
    return OwnControl(method, overall, over, members, unequal.guarded(pairs, overall, within, lost.is_suspect), lost)


def _ranges(pairs: Pairs) -> unequal.Ranges:
    return unequal.ranges([cell for pair in pairs for cell in pair])

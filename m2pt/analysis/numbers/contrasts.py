"""What a change does: every method of a part of a study against the same method without the change."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from m2pt.analysis.numbers.cells import Cell, Condition, by_condition, by_method, in_order
from m2pt.analysis.numbers.changes import ENCODER, Change, changes, references
from m2pt.analysis.numbers.comparisons import SIGNIFICANT, Comparison, family
from m2pt.analysis.numbers.partners import NOTHING, Pairs, Partners, gains, over_targets, paired, scores
from m2pt.analysis.numbers.statistics import Estimate, holm, over_seeds
from m2pt.config import RANDOM, MethodName, Study
from m2pt.methods import METHODS


@dataclass(frozen=True)
class Contrast:
    """One method of one part against the same method in the reference.

    `targets` and `overall` are differences in points, `scores` the part's own test scores in percent. `gain` is over the part's
    own baseline, `over_random` over its own random control, both over all targets. `adjusted_p` is of `overall`, after Holm's
    correction over the rows of the method. `published` is the paper's difference by target, if it has both scores. `unlike` are
    the targets on which the two sides used different samples.
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
    adjusted_p: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the difference over all targets is significant after the correction."""
        return self.adjusted_p is not None and self.adjusted_p <= SIGNIFICANT


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

    `overall` is over all targets, one number per seed; `targets` averaged over auxiliaries; `pairs` by target and auxiliary, with
    Holm's correction over them.
    """

    method: MethodName
    overall: Estimate
    targets: dict[str, Estimate]
    pairs: tuple[Comparison, ...]

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
    order = sorted(METHODS, key=lambda name: name != "pathway")
    families = [_family(partners, name, [row for row in contrasts if row.method == name]) for name in order]
    kept = tuple(family for family in families if family.rows)
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
    targets = gains(pairs)
    theirs = gains(pairs, lambda cell: {seed: published[run.row] if published else None for seed, run in cell.runs.items()})
    of_paper = {target: next(iter(values.values())) for target, values in theirs.items()}
    return Contrast(
        change=change,
        condition=condition,
        method=method,
        targets={target: over_seeds(values) for target, values in targets.items()},
        overall=over_targets(targets),
        scores=scores(cells),
        gain=over_targets(gains(paired(cells, partners.baseline(change)))) if method != "baseline" else NOTHING,
        over_random=partners.over_random(change, cells),
        published={target: value for target, value in of_paper.items() if value is not None},
        unlike=frozenset(cell.target for cell, other in pairs if cell.is_unlike(other)),
    )


def _family(partners: Partners, method: MethodName, rows: Sequence[Contrast]) -> Family:
    """The rows of a method with their correction, and the reference's scores on the targets that any of them has."""
    base = partners.changes[partners.reference[0]]
    adjusted = holm([row.overall.p_value for row in rows])
    targets = tuple(dict.fromkeys(target for row in rows for target in row.targets))
    usual = [cell for cell in partners.usual() if cell.target in targets]
    mine = [cell for cell in usual if cell.method == method]
    return Family(
        method=method,
        targets=targets,
        scores=scores(mine),
        baseline=scores(cell for cell in usual if cell.method == "baseline"),
        gain=over_targets(gains(paired(mine, partners.baseline(base)))) if method != "baseline" else NOTHING,
        over_random=partners.over_random(base, mine),
        rows=tuple(replace(row, adjusted_p=p) for row, p in zip(rows, adjusted, strict=True)),
    )


def _own_random(partners: Partners) -> dict[tuple[str, str], OwnControl]:
    """For every part that has a twin with random weights in the auxiliary's place: each method over itself there."""
    controls: dict[tuple[str, str], OwnControl] = {}
    for part, change in partners.changes.items():
        control = partners.random_weights(change)
        own = by_condition(partners.of_part(part)) if control else {}
        for condition, members in own.items():
            for method, mine in by_method(members).items():
                if control and METHODS[method].takes not in ("nothing", "random") and (pairs := paired(mine, control)):
                    controls[condition.slug, method] = _own_control(method, pairs)
    return controls


def _own_control(method: MethodName, pairs: Pairs) -> OwnControl:
    targets = gains(pairs)
    over = {target: over_seeds(values) for target, values in targets.items()}
    return OwnControl(method, over_targets(targets), over, tuple(family(pairs, "pair", "random")))

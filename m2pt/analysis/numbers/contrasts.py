"""What a change does: every method of a part of a study against the same method without the change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from m2pt.analysis.numbers import pairing
from m2pt.analysis.numbers.changes import ENCODER, Change, changes, references
from m2pt.analysis.numbers.pairing import Key, Partner, Run, Runs, differences, over_seeds, over_targets
from m2pt.analysis.numbers.statistics import Estimate, holm
from m2pt.analysis.tables.summaries import SIGNIFICANT, Comparison, Condition
from m2pt.config import MODALITIES, RANDOM, MethodName, Study
from m2pt.methods import METHODS

_NONE = Estimate(0)


@dataclass(frozen=True)
class Contrast:
    """One method of one part against the same method in the reference.

    `targets` and `overall` are differences in points, `scores` the part's own test scores in percent. `gain` is over the part's
    own baseline, `over_random` over its own random control, both over all targets. `adjusted_p` is of `overall`, after Holm's
    correction over the rows of the method. `published` is the paper's difference by target, where it has both cells. `unlike` are
    the targets on which the two sides are of different samples.
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
        """Whether the difference over all targets stands after the correction."""
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
        order: dict[str, int] = {name: index for index, name in enumerate(MODALITIES)}
        return tuple(sorted({item.auxiliary for item in self.pairs}, key=lambda name: (order.get(name, len(order)), name)))

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
        """Whether a part belongs to the reference; every part does where the study declares none (a search has its own)."""
        return not self.reference or part in self.reference

    def is_random(self, part: str) -> bool:
        """Whether random weights stand in the auxiliaries' place in a part: it says nothing of other modalities."""
        return part in self.changes and self.changes[part].settings.get(ENCODER) == RANDOM

    def controls(self, condition: Condition) -> list[OwnControl]:
        """The methods of a condition that stand with random weights too."""
        return [item for (slug, _), item in self.own_random.items() if slug == condition.slug]

    def control(self, condition: Condition, method: str) -> Estimate:
        """The gain of a method over itself with random weights; without a seed where the study has no such part."""
        found = self.own_random.get((condition.slug, method))
        return found.overall if found else _NONE


def ablations(study: Study, table: pd.DataFrame, published: Sequence[float | None] = ()) -> Ablations:
    """Every part of a study against the reference, method by method, `pathway` first.

    A row whose runs are all the reference's own is left out: nothing of it was changed.

    Args:
        study: the study.
        table: its table of runs (`m2pt.runs.table.read_table`).
        published: the paper's score of each row's cell in percent, None where it has none; empty where no row has one.

    """
    found = changes(study)
    if not found:
        return Ablations()
    names = references(found)
    view = _View(study, {change.part: change for change in found}, names, pairing.runs_by_part(table, published))
    rows = [row for change in found if change.part not in names for row in view.contrasts(change)]
    order = sorted(METHODS, key=lambda name: name != "pathway")
    families = [view.family(name, [row for row in rows if row.method == name]) for name in order]
    kept = tuple(family for family in families if family.rows)
    return Ablations(names, kept, view.own_random(), {change.part: change for change in found})


class _View:
    """The runs of a study by part, and where each finds its partners."""

    def __init__(
        self, study: Study, found: Mapping[str, Change], names: Sequence[str], parts: Mapping[str, dict[Key, Run]]
    ) -> None:
        self.study, self.changes, self.parts = study, found, parts
        self.base = found[names[0]]
        self.reference: dict[Key, Run] = {}
        for name in names:
            self.reference |= parts.get(name, {})

    def contrasts(self, change: Change) -> list[Contrast]:
        """One row for each condition and method of a part that the reference has too."""
        own = self.parts.get(change.part, {})
        groups: dict[tuple[str, str, MethodName], list[Key]] = {}
        for key in own:
            if self._in_reference(change, key) is not None:
                groups.setdefault((key.setting, key.tuning, key.method), []).append(key)
        return [
            self._contrast(change, Condition(setting, tuning, change.part), method, keys)
            for (setting, tuning, method), keys in groups.items()
            if any((other := self._in_reference(change, key)) and other.row != own[key].row for key in keys)
        ]

    def _contrast(self, change: Change, condition: Condition, method: MethodName, keys: list[Key]) -> Contrast:
        own = self.parts[change.part]
        against = differences(keys, own, lambda key: self._in_reference(change, key))
        published = {key: Run(run.row, run.published) for key, run in own.items()}
        theirs = differences(keys, published, lambda key: _of_paper(self._in_reference(change, key)))
        return Contrast(
            change=change,
            condition=condition,
            method=method,
            targets={target: over_seeds(values) for target, values in against.items()},
            overall=over_targets(against),
            scores=pairing.scores(keys, own),
            gain=over_targets(differences(keys, own, self._baseline(change))) if method != "baseline" else _NONE,
            over_random=self._over_random(change, keys, own),
            published={target: value for target, values in theirs.items() if (value := next(iter(values.values()))) is not None},
            unlike=frozenset(pairing.unlike(keys, own, lambda key: self._in_reference(change, key))),
        )

    def family(self, method: MethodName, rows: Sequence[Contrast]) -> Family:
        """The rows of a method with their correction, and the reference's scores on the targets that any of them has."""
        adjusted = holm([row.overall.p_value for row in rows])
        targets = tuple(dict.fromkeys(target for row in rows for target in row.targets))
        keys = [key for key in self.reference if key.target in targets and self._is_usual(key)]
        mine = [key for key in keys if key.method == method]
        gains = differences(mine, self.reference, self._baseline(self.base))
        return Family(
            method=method,
            targets=targets,
            scores=pairing.scores(mine, self.reference),
            baseline=pairing.scores([key for key in keys if key.method == "baseline"], self.reference),
            gain=over_targets(gains) if method != "baseline" else _NONE,
            over_random=self._over_random(self.base, mine, self.reference),
            rows=tuple(replace(row, adjusted_p=p) for row, p in zip(rows, adjusted, strict=True)),
        )

    def own_random(self) -> dict[tuple[str, str], OwnControl]:
        """For every part that stands with random weights in the auxiliary's place too: each method over itself there."""
        found: dict[tuple[str, str], OwnControl] = {}
        for name, own in self.parts.items():
            control = self._random_part(self.changes[name]) or {}
            groups: dict[tuple[str, MethodName], list[Key]] = {}
            for key in own:
                if key in control and METHODS[key.method].takes not in ("nothing", "random"):
                    groups.setdefault((Condition(key.setting, key.tuning, name).slug, key.method), []).append(key)
            found |= {(slug, method): _own_control(method, keys, own, control) for (slug, method), keys in groups.items()}
        return found

    def _in_reference(self, change: Change, key: Key) -> Run | None:
        """The partner: in the same setting and tuning, or, where the part has chosen others, in the study's own."""
        settings = [key.setting] + [str(self.study.sweep.settings[0])] * ("sweep.settings" in change.differing)
        tunings = [key.tuning] + [str(self.study.sweep.tunings[0])] * ("sweep.tunings" in change.differing)
        places = (key._replace(setting=setting, tuning=tuning) for setting in settings for tuning in tunings)
        return next((self.reference[place] for place in places if place in self.reference), None)

    def _is_usual(self, key: Key) -> bool:
        return (key.setting, key.tuning) == (self.study.sweep.settings[0], self.study.sweep.tunings[0])

    def _alike(self, change: Change) -> Runs:
        """The runs of all parts with the very settings of this one: one may hold methods, another their controls."""
        parts = [self.parts.get(name, {}) for name, other in self.changes.items() if other.settings == change.settings]
        return {key: run for part in parts for key, run in part.items()}

    def _baseline(self, change: Change) -> Partner:
        """The baseline with the part's settings; the reference's, where it is the same and no such part has it."""
        alike = self._alike(change)

        def partner(key: Key) -> Run | None:
            place = key._replace(method="baseline", auxiliary="")
            return alike.get(place) or (self.reference.get(place) if change.keeps_baselines else None)

        return partner

    def _over_random(self, change: Change, keys: Sequence[Key], own: Runs) -> Estimate:
        """Over the method's own random control: itself with random weights, or `random_auxiliary` where that is the same."""
        if not keys or METHODS[keys[0].method].takes in ("nothing", "random"):
            return _NONE
        control = self._random_part(change)
        value = over_targets(differences(keys, own, control.get)) if control else _NONE
        if value.n + value.dropped or not METHODS[keys[0].method].random_auxiliary_is_control:
            return value

        alike = self._alike(change)

        def partner(key: Key) -> Run | None:
            place = key._replace(method="random_auxiliary", auxiliary=RANDOM)
            return alike.get(place) or (self.reference.get(place) if set(change.differing) <= {ENCODER} else None)

        return over_targets(differences(keys, own, partner))

    def _random_part(self, change: Change) -> Runs | None:
        """The runs of the part that differs from this one by its random auxiliaries alone."""
        if change.settings == change.with_random:
            return None
        return next((self.parts.get(name) for name, other in self.changes.items() if other.settings == change.with_random), None)


def _own_control(method: MethodName, keys: Sequence[Key], own: Runs, control: Runs) -> OwnControl:
    by_pair: dict[tuple[str, str], list[Key]] = {}
    for key in keys:
        by_pair.setdefault((key.target, key.auxiliary), []).append(key)
    pairs = [
        Comparison(
            target,
            auxiliary,
            "pair",
            "random",
            over_targets(differences(members, own, control.get)),
            unlike=bool(pairing.unlike(members, own, control.get)),
        )
        for (target, auxiliary), members in by_pair.items()
    ]
    adjusted = holm([item.estimate.p_value for item in pairs])
    of_targets = differences(keys, own, control.get)
    return OwnControl(
        method,
        over_targets(of_targets),
        {target: over_seeds(values) for target, values in of_targets.items()},
        tuple(replace(item, adjusted_p=p) for item, p in zip(pairs, adjusted, strict=True)),
    )


def _of_paper(run: Run | None) -> Run | None:
    return None if run is None else Run(run.row, run.published)

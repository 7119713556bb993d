"""What of a study to do now: some of its seeds, methods and targets, for some minutes.

The study stays what its file declares, so that no run changes its identity and none is put aside: a choice leaves runs for later.
"""

from collections.abc import Collection
from dataclasses import dataclass

from m2pt.config import Study, UserError
from m2pt.config.spelling import suggestion
from m2pt.runs.spec import EncoderKey, PretrainSpec, RunSpec
from pipelines.execution.submitting import is_submitted
from pipelines.planning.grid import made_by
from pipelines.planning.plan import Plan

MINUTE_S = 60.0
YEAR_MINUTES = 366 * 24 * 60


@dataclass(frozen=True)
class Choice:
    """The seeds, methods and targets whose runs to do (empty: all), and for how many seconds (None: without a limit)."""

    seeds: frozenset[int] = frozenset()
    methods: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    budget_s: float | None = None

    @property
    def is_part(self) -> bool:
        """Whether it may leave runs out."""
        return bool(self.seeds or self.methods or self.targets)

    def runs(self, plan: Plan) -> list[RunSpec]:
        """The fine-tuning runs that were chosen."""
        return [spec for spec in plan.runs if self._takes(spec)]

    def encoders(self, plan: Plan) -> list[PretrainSpec]:
        """The pretraining runs whose encoders the chosen runs load, and those that they start from."""
        if not self.is_part:
            return list(plan.pretrain)
        refs = [ref for spec in self.runs(plan) for ref in (spec.target_weights, *spec.auxiliary_refs) if ref is not None]
        wanted = {EncoderKey(ref.source, ref.modality, ref.seed) for ref in refs}
        made = {made_by(plan.study, spec): spec for spec in plan.pretrain}
        starts = [made[key].start for key in wanted if key in made]
        wanted |= {EncoderKey(start.source, start.modality, start.seed) for start in starts if start is not None}
        return [spec for key, spec in made.items() if key in wanted]

    def _takes(self, spec: RunSpec) -> bool:
        chosen = ((self.seeds, spec.seed), (self.methods, spec.method), (self.targets, spec.target))
        return all(not values or value in values for values, value in chosen)


EVERYTHING = Choice()


def choose(study: Study, seeds: object, methods: object, targets: object, budget_minutes: object) -> Choice:
    """Read a choice as a form gives it.

    Raises:
        UserError: a value is of the wrong kind or not in the study, no run has them together, or the study is done as a whole.

    """
    sweeps = [part.sweep for part in study.expanded().values()]
    choice = Choice(
        frozenset(_seeds(study, seeds, {seed for sweep in sweeps for seed in sweep.seeds})),
        frozenset(_names(study, "methods", methods, {method for sweep in sweeps for method in sweep.methods})),
        frozenset(_names(study, "targets", targets, {target for sweep in sweeps for target in sweep.targets})),
        _budget(budget_minutes),
    )
    if (choice.is_part or choice.budget_s is not None) and is_submitted(study):
        raise UserError(
            f"seeds, methods, targets, budget_minutes: what is left of the study {study.study} is submitted to SLURM as a whole; "
            "leave them empty, or choose another engine."
        )
    if choice.is_part and (study.search is not None or study.sweep.tune is not None):
        raise UserError(
            f"seeds, methods, targets: the study {study.study} chooses rates or values by all of its trials, so it is done as a "
            "whole; leave them empty."
        )
    return choice


def require_runs(choice: Choice, plan: Plan) -> None:
    """Raise `UserError` if no run of the study has the chosen seeds, methods and targets together."""
    if choice.is_part and not choice.runs(plan):
        raise UserError(
            f"seeds, methods, targets: no run of the study {plan.study.study} has these together: its parts have different ones; "
            "choose fewer."
        )


def _seeds(study: Study, given: object, declared: Collection[int]) -> list[int]:
    values = _listed("seeds", given)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int):
            raise UserError(f"seeds: {value!r} is no whole number; give seeds of the study, such as {min(declared)}.")
        if value not in declared:
            known = ", ".join(map(str, sorted(declared)))
            raise UserError(f"seeds: the study {study.study} has no seed {value}; it declares {known}.")
    return [value for value in values if isinstance(value, int)]


def _names(study: Study, key: str, given: object, declared: Collection[str]) -> list[str]:
    values = [str(value) for value in _listed(key, given)]
    for value in values:
        if value not in declared:
            known = ", ".join(sorted(declared))
            hint = suggestion(value, declared) or "."
            raise UserError(f"{key}: the study {study.study} has no {key[:-1]} {value!r}{hint} It declares {known}.")
    return values


def _listed(key: str, given: object) -> list[object]:
    if given is None:
        return []
    if not isinstance(given, list | tuple):
        raise UserError(f"{key}: {given!r} is no list; give a list of them, or none for all.")
    return list(given)


def _budget(minutes: object) -> float | None:
    if minutes is None or minutes == 0:
        return None
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 < minutes <= YEAR_MINUTES:  # also NaN
        raise UserError(
            f"budget_minutes: {minutes!r} is no number of minutes; give one above 0 and up to {YEAR_MINUTES} (a year), or 0 for "
            "no limit."
        )
    return minutes * MINUTE_S

"""The runs of a tuned sweep: those of every arm's trials, and the ones on fresh seeds with what was chosen.

Nothing is kept about a tuning but its runs: the trials follow from the study file, and their scores from the records.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.methods import unread
from m2pt.runs.arms import MULTIPLE, Arm, ArmRates, arm_of, values_of, with_values
from m2pt.runs.failure import read_failure
from m2pt.runs.folder import RunState, run_state
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec
from m2pt.runs.trials import Trial
from m2pt.runs.unread import is_unread
from pipelines.planning import grid
from pipelines.planning.folders import place_of
from pipelines.planning.run_maker import Fingerprints
from pipelines.planning.search_journal import with_score


def arms(study: Study, prints: Fingerprints, folder: Path) -> list[ArmRates]:
    """The arms of a study with their trials, as the runs in `folder` show them; empty for a study that tunes nothing.

    Raises:
        UserError: a record cannot be read, or has no validation score.

    """
    return [each for name, part in study.expanded().items() for each in _arms(name, part, prints, folder)]


def _arms(name: str, part: Study, prints: Fingerprints, folder: Path) -> Iterator[ArmRates]:
    tune = part.sweep.tune
    if tune is None:
        return
    on_seeds = part.model_copy(update={"sweep": part.sweep.model_copy(update={"seeds": tune.seeds})})
    members: dict[Arm, list[RunSpec]] = {}
    for spec in grid.part_specs(on_seeds, prints)[""]:
        members.setdefault(arm_of(name, spec), []).append(spec)
    for arm, specs in members.items():
        values = [values_of(rates) for rates in tune.grid(trains_scales(specs[0]))]
        runs = tuple(tuple(with_values(spec, each) for spec in specs) for each in values)
        trials = tuple(_trial(number, each, runs[number], folder) for number, each in enumerate(values))
        yield ArmRates(arm, trials, runs)


def trains_scales(spec: RunSpec) -> bool:
    """Whether the factor on the scales' learning rate changes a run."""
    return spec.pathway is not None and is_unread(MULTIPLE, unread(spec)) is None


def _trial(number: int, values: dict[str, float], specs: Sequence[RunSpec], folder: Path) -> Trial:
    """A trial as the folders of its runs show it.

    A run whose worker died does not fail it, nor one of which is not known why it failed: another attempt may succeed.
    """
    trial = with_score(Trial(number, values), specs, folder)
    if trial.state == "complete" or not all(spec.ready for spec in specs):
        return trial
    places = [place_of(folder / run_id(spec)) for spec in specs]
    states = [run_state(place) for place in places]
    if not set(states) <= {RunState.COMPLETE, RunState.FAILED}:
        return trial
    try:
        failures = [read_failure(place) for place, state in zip(places, states, strict=True) if state == RunState.FAILED]
    except UserError:
        return trial
    if any(failure.kind == "worker_died" for failure in failures):
        return trial
    more = f" ({len(failures)} of its {len(specs)} runs failed)" if len(failures) > 1 else ""
    return replace(trial, state="failed", reason=f"{failures[0].error}{more}")


def part_specs(study: Study, prints: Fingerprints, rates: Sequence[ArmRates]) -> dict[str, list[RunSpec]]:
    """The runs of each part on fresh seeds; those of an arm are missing while nothing is chosen for it."""
    chosen = {each.arm: each.chosen for each in rates}
    parts: dict[str, list[RunSpec]] = {}
    for name, specs in grid.part_specs(study, prints).items():
        parts[name] = []
        for spec in specs:
            arm = arm_of(name, spec)
            if arm not in chosen:  # its part tunes nothing
                parts[name].append(spec)
            elif (best := chosen[arm]) is not None:
                parts[name].append(with_values(spec, best.values))
    return parts


def run_specs(study: Study, prints: Fingerprints, rates: Sequence[ArmRates]) -> list[RunSpec]:
    """All fine-tuning runs of a tuned study, each once: those of trials first, then the ones on fresh seeds, seed by seed."""
    trials = [spec for each in rates for specs in each.runs for spec in specs]
    fresh = [spec for specs in part_specs(study, prints, rates).values() for spec in specs]
    return grid.distinct([*trials, *sorted(fresh, key=lambda spec: spec.seed)])


def to_come(study: Study, prints: Fingerprints, rates: Sequence[ArmRates]) -> list[RunSpec]:
    """The runs on fresh seeds of the arms whose trials have not ended; their rates are not known yet."""
    waiting = {each.arm for each in rates if not each.is_over}
    specs = [
        spec for name, members in grid.part_specs(study, prints).items() for spec in members if arm_of(name, spec) in waiting
    ]
    return grid.distinct(specs)

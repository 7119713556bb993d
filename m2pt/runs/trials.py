"""The trials of a search: their studies, how they ended, and which of them is chosen. Nothing here reads a test score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from m2pt.config import ENCODER_KEYS, PartConfig, Study
from m2pt.runs.spec import RunSpec, Spec

DECLARED = "declared"
CHOSEN = "chosen"
"""The parts that a search compares in the end: the study as it was declared, and with the values of the chosen trial."""

Values = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Trial:
    """One proposal of a search: values by dotted keys of the study.

    `score` is the mean validation score of its runs, None where one of them is not complete; `reason` says why it failed, and
    `refused` that it has no runs because its values are impossible together.
    """

    number: int
    values: Values = field(default_factory=dict)
    state: Literal["complete", "failed", "unfinished"] = "unfinished"
    score: float | None = None
    reason: str = ""
    refused: bool = False

    @property
    def name(self) -> str:
        """The name of the part of the study that the trial is."""
        return f"trial-{self.number}"


def better(first: Trial | None, second: Trial) -> Trial | None:
    """The trial with the higher validation score, the first of two equal ones; None where neither has one."""
    if second.score is None:
        return first
    return second if first is None or first.score is None or second.score > first.score else first


def best_so_far(trials: Sequence[Trial]) -> list[Trial | None]:
    """For each trial the best one up to it; None before the first that is complete."""
    best: Trial | None = None
    return [best := better(best, trial) for trial in trials]


def chosen(study: Study, trials: Sequence[Trial]) -> Trial | None:
    """The trial with the best validation score; None before all trials of the search have ended, or where none is complete."""
    if study.search is None or len(trials) < study.search.trials or any(trial.state == "unfinished" for trial in trials):
        return None
    return best_so_far(trials)[-1]


def with_trials(study: Study, trials: Sequence[Trial]) -> Study:
    """The study with its search written out as parts: the declared values, the chosen ones where they differ, every trial.

    A study without a search is returned as it is.
    """
    if study.search is None:
        return study
    fixed: dict[str, JsonValue] = {"sweep.seeds": list(study.search.seeds), "sweep.methods": [study.search.method]}
    parts: dict[str, Values] = {DECLARED: {}}
    if (best := chosen(study, trials)) is not None and not is_declared(study, best.values):
        parts[CHOSEN] = best.values
    parts |= {trial.name: {**trial.values, **fixed} for trial in trials if not trial.refused}
    return study.model_copy(update={"parts": _parts(parts)})


def is_declared(study: Study, values: Values) -> bool:
    """Whether values are those that the study file already has."""
    return all(study.value_of(key) == value for key, value in values.items())


def with_encoders(study: Study) -> Study:
    """The study with parts that together load every encoder that some trial may load."""
    if study.search is None:
        return study
    ranges = [(key, values) for key, values in study.search.ranges.items() if key in ENCODER_KEYS]
    choices = [{key: choice} for key, values in ranges for choice in values.ends]
    return study.model_copy(update={"parts": _parts({f"choice-{index}": each for index, each in enumerate([{}, *choices])})})


def _parts(changes: Mapping[str, Values]) -> tuple[PartConfig, ...]:
    return tuple(PartConfig.model_validate({"name": name, "set": dict(values)}) for name, values in changes.items())


def trial_seeds(study: Study) -> frozenset[int]:
    """The seeds of a search's trials and of tuning runs, which no other run of the study has."""
    tunes = [part.sweep.tune for part in (study.expanded().values() if study.parts else [study])]
    of_tuning = [seed for tune in tunes if tune is not None for seed in tune.seeds]
    return frozenset([*of_tuning, *(study.search.seeds if study.search is not None else ())])


def is_trial(study: Study, spec: Spec) -> bool:
    """Whether a run belongs to trials: only they have these seeds."""
    return isinstance(spec, RunSpec) and spec.seed in trial_seeds(study)

"""Refuses a search whose ranges reach values that make no runs, or runs that cannot start: before the first trial."""

from collections.abc import Sequence

from m2pt.config import Study, UserError, value_words
from m2pt.config.lines import Fault, told
from m2pt.runs.spec import RunSpec
from m2pt.runs.trials import DECLARED, Trial, with_trials
from m2pt.training.startable import Known, Means, refusal
from pipelines.planning.grid import part_specs
from pipelines.planning.run_maker import Fingerprints


def check(study: Study, source: str) -> None:
    """Raise `UserError` if a value of a range makes no runs, or a run that cannot start; `source` names the file."""
    if sentences := impossible_values(study):
        raise UserError(told(source, [Fault(None, sentence) for sentence in sentences]))


def impossible_values(study: Study) -> list[str]:
    """A sentence for each value of a range that makes no runs, or a run that cannot start.

    Both ends of each range, or all its choices, are tried, with the declared values elsewhere. What keeps the declared study from
    starting too, such as a compiler that this machine lacks, is not the range's fault.

    Raises:
        UserError: runs are impossible.

    """
    if study.search is None:
        return []
    sentences: dict[str, None] = {}
    values = [(key, value) for key, of_key in study.search.ranges.items() for value in of_key.ends]
    trials = [Trial(number, {key: value}) for number, (key, value) in enumerate(values)]
    parts = trial_specs(study, trials)
    usual = {refusal(spec, _means(study, spec), _known(study, spec)) for spec in parts[DECLARED]}
    for (key, value), trial in zip(values, trials, strict=True):
        if not parts[trial.name]:
            sentences[
                f"search.method: {study.search.method} has no runs in this sweep when {key} is {value_words(value)}; "
                "give it auxiliaries (sweep.auxiliaries), or choose another method"
            ] = None
        for spec in parts[trial.name]:
            if (reason := refusal(spec, _means(study, spec), _known(study, spec))) not in usual | {None}:
                sentences[
                    f"search.ranges.{key}: with {value_words(value)}, a run on {spec.target} could not start "
                    f"({str(reason).rstrip('.')}); narrow the range"
                ] = None
                break
    return list(sentences)


def _means(study: Study, spec: RunSpec) -> Means:
    return Means(devices=study.execution.devices_per_job, micro_batch=study.execution.rows_at_once(spec.target))


def trial_specs(study: Study, trials: Sequence[Trial]) -> dict[str, list[RunSpec]]:
    """The runs of each trial by its name, and those of the declared study, whatever the data are.

    Raises:
        UserError: they are impossible.

    """
    prints = Fingerprints(dict.fromkeys([*study.sweep.targets, *study.sweep.auxiliaries], ""), {})
    return part_specs(with_trials(study, trials), prints)


def _known(study: Study, spec: RunSpec) -> Known:
    """The numbers of samples that the study file states."""
    sizes = study.data.embedded
    return Known() if sizes is None or spec.task is not None else Known(sizes.train, sizes.val)

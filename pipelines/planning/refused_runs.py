"""Which runs of a plan cannot start, and why; their cost is not estimated."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from m2pt.config import GivenSource, InputConfig, ModelConfig, UserError
from m2pt.config.lines import Fault, told
from m2pt.modalities.registry import dataset, dataset_facts
from m2pt.runs.identity import form_without_draw
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec, WeightsRef
from m2pt.runs.trials import is_trial
from m2pt.training.startable import Known, Means, data_faults, faults
from pipelines.planning.embedded_data import unmade
from pipelines.planning.memory import too_large
from pipelines.planning.plan import Plan, data_keys
from pipelines.planning.slots import slots
from pipelines.planning.small_data import SmallData
from pipelines.planning.task_samples import count_samples, without_model
from pipelines.planning.weight_files import read_once


def refusals(plan: Plan) -> dict[str, str]:
    """Why runs cannot start, by what runs of several seeds share (`without_seed`). Their jobs would fail with the same sentences.

    This reads which samples the lists of the data name, and whether files of weights fit.
    """
    judge = _Judge(plan)
    return {key: reason for key, spec in _unlike(plan).items() if (reason := next(judge.reasons(spec), None)) is not None}


def all_refusals(plan: Plan) -> dict[str, list[str]]:
    """As `refusals`, with all that keeps a run from starting; what comes first is what its job would say."""
    judge = _Judge(plan)
    return {key: reasons for key, spec in _unlike(plan).items() if (reasons := list(judge.reasons(spec)))}


def require_startable(plan: Plan) -> None:
    """Refuse a study some of whose runs cannot start, before any of them is done; runs of trials may fail.

    Raises:
        UserError: such runs are left; each reason is told once with the number of its runs.

    """
    left, refused = refused_left(plan, {key: [reason] for key, reason in refusals(plan).items()})
    if not refused:
        return
    counts = [f"{one_of(len(specs), left)} cannot start: {reason}" for reason, specs in refused.items()]
    raise UserError(told(plan.study.study, [Fault(None, sentence) for sentence in counts]))


def refused_left(plan: Plan, reasons: Mapping[str, Sequence[str]]) -> tuple[int, dict[str, list[Spec]]]:
    """How many runs are left to do, and by reason those that cannot start; without those of trials, which may fail."""
    left = [spec for spec in plan.unfinished(plan.specs) if not is_trial(plan.study, spec)]
    refused: dict[str, list[Spec]] = {}
    for spec in left if reasons else ():
        for reason in reasons.get(without_seed(spec), ()):
            refused.setdefault(reason, []).append(spec)
    return len(left), refused


def _unlike(plan: Plan) -> dict[str, Spec]:
    """The runs of a plan that differ in more than their seed."""
    runs: dict[str, Spec] = {without_seed(spec): spec for spec in plan.runs}
    return runs | {spec.model_dump_json(): spec for spec in plan.pretrain}


class _Judge:
    """Says why runs of a plan cannot start; what several of them share is looked at once."""

    def __init__(self, plan: Plan) -> None:
        execution = plan.study.execution
        self.plan, self.small = plan, SmallData(plan)
        self.device = slots(execution)[0].device
        self.count = functools.lru_cache(maxsize=None)(functools.partial(_known, plan, self.small))
        embedded = plan.study.data.embedded is not None
        self.not_made = unmade(Path(plan.study.data.root)) if embedded and plan.missing_data else None

    def reasons(self, spec: Spec) -> Iterator[str]:
        """All that keeps a run from starting, as far as it can be known."""
        if self.not_made is not None and set(data_keys(spec)) & set(self.plan.missing_data):
            yield self.not_made
        if (reason := too_large(spec, self.device)) is not None:
            yield reason
        yield from self._of_run(spec) if isinstance(spec, RunSpec) else self._of_pretraining(spec)

    def _of_run(self, spec: RunSpec) -> Iterator[str]:
        execution = self.plan.study.execution
        rows, recomputes = execution.rows_at_once(spec.target), execution.gradient_checkpointing
        means = Means(self.device, execution.devices_per_job, rows, recomputes)
        plain = list(faults(spec, means, Known()))
        yield from plain
        known = "" if data_faults(spec) else self.count(without_model(spec))
        if isinstance(known, Known):  # a fault that follows without numbers of samples is told without them
            told_already = {reason.partition(":")[0] for reason in plain}
            yield from (fault for fault in faults(spec, means, known) if fault.partition(":")[0] not in told_already)
        elif known:
            yield known
        for arguments in _files(self.plan, spec):
            if (reason := read_once(*arguments).misfit) is not None:
                yield reason

    def _of_pretraining(self, spec: PretrainSpec) -> Iterator[str]:
        for reason in (_of_steps(self.plan, spec), self.small.of_pretraining(spec)):
            if reason is not None:
                yield reason


def one_of(count: int, total: int) -> str:
    """`3 of 8 runs`, or `the only run`."""
    return f"{count} of {total} runs" if total > 1 else "the only run"


def without_seed(spec: Spec) -> str:
    """The form of a spec with seed 0, and without its replicate and trained weights: equal for runs that differ only by those.

    A pretraining has no others like it.
    """
    return form_without_draw(spec) if isinstance(spec, RunSpec) else spec.model_dump_json()


def _of_steps(plan: Plan, spec: PretrainSpec) -> str | None:
    recipe, kind = spec.pretrain, plan.study.encoders[spec.source].kind
    if recipe.steps < recipe.warmup_steps != type(recipe).model_fields["warmup_steps"].default:
        steps = f"{recipe.steps} steps of the encoder {spec.source}"
        return f"pretrain.{kind}.warmup_steps: {recipe.warmup_steps} are more than the {steps}; lower it."
    return None


def _known(plan: Plan, small: SmallData, spec: RunSpec) -> Known | str:
    """How many samples a run will have, as far as is known, or what is wrong with the lists of samples."""
    task = spec.task
    if task is None:
        return small.of_run(spec)
    if spec.target not in plan.missing_data:
        counts, fault = count_samples(plan, spec)
        if fault is None and counts["test"].kept == 0:
            return f"{spec.target}: no sample is left in the test split; check its files and what is skipped."
        return f"{fault}." if fault else Known(counts["train"].kept, counts["val"].kept if "val" in counts else 0)
    facts = dataset_facts(task.dataset, task.variant)
    if facts is None:
        return Known()
    held = round(facts.train * task.holdout)
    return Known(facts.train - held, 0 if dataset(task.dataset).never_validates and held == 0 else None)


def _files(plan: Plan, spec: RunSpec) -> list[tuple[Path, WeightsRef, InputConfig | None, ModelConfig]]:
    """The files of weights that a run loads, of those that exist."""
    files = []
    for reference in (spec.target_weights, *spec.auxiliary_refs):
        declared = None if reference is None else plan.study.encoders.get(reference.source)
        if reference is not None and isinstance(declared, GivenSource):
            path = plan.weights.get(reference.key)
            beside = spec.auxiliary_data.input if spec.auxiliary_data else None  # its tokenizer is read too
            samples = spec.input if reference is spec.target_weights else beside
            size = spec.model if reference is spec.target_weights else spec.auxiliary_model
            files += [] if path is None else [(path, reference, samples, size)]
    return files


def assumed(plan: Plan) -> list[str]:
    """What the files of weights that runs load do not say, so that it is taken on trust; a sentence for each."""
    files = [arguments for spec in _unlike(plan).values() if isinstance(spec, RunSpec) for arguments in _files(plan, spec)]
    return list(dict.fromkeys(f"{file[0]}: {words}" for file in files for words in read_once(*file).assumed))

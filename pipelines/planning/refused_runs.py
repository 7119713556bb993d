"""Which runs of a plan cannot start, and why; their cost is not estimated."""

import functools
from collections import Counter
from pathlib import Path

from m2pt.config import FileSource, InputConfig, ModelConfig, UserError
from m2pt.config.lines import Fault, told
from m2pt.modalities.registry import dataset, dataset_facts
from m2pt.runs.identity import form_without_draw
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec, WeightsRef
from m2pt.runs.trials import is_trial
from m2pt.training.startable import Known, Means, refusal
from pipelines.planning.embedded_data import unmade
from pipelines.planning.memory import too_large
from pipelines.planning.plan import Plan, data_keys
from pipelines.planning.slots import slots
from pipelines.planning.small_data import SmallData
from pipelines.planning.task_samples import count_samples, without_model


def refusals(plan: Plan) -> dict[str, str]:
    """Why runs cannot start, by what runs of several seeds share (`without_seed`). Their jobs would fail with the same sentences.

    This reads which samples the lists of the data name, and whether files of weights fit.
    """
    small = SmallData(plan)
    execution = plan.study.execution
    means = Means(slots(execution)[0].device, execution.devices_per_job, execution.micro_batch)
    fit = functools.lru_cache(maxsize=None)(_misfit)  # each file is read once
    count = functools.lru_cache(maxsize=None)(functools.partial(_known, plan, small))
    reasons: dict[str, str] = {}
    not_made = unmade(Path(plan.study.data.root)) if plan.study.data.embedded is not None and plan.missing_data else None

    def no_data(spec: Spec) -> str | None:
        return not_made if set(data_keys(spec)) & set(plan.missing_data) else None

    for key, spec in {without_seed(spec): spec for spec in plan.runs}.items():
        reason = no_data(spec) or too_large(spec, means.device) or refusal(spec, means)
        if reason is None:
            known = count(without_model(spec))
            reason = known if isinstance(known, str) else refusal(spec, means, known)
        for arguments in () if reason else _files(plan, spec):
            reason = reason or fit(*arguments)
        if reason is not None:
            reasons[key] = reason
    for made in plan.pretrain:
        reason = no_data(made) or too_large(made, means.device) or _of_steps(plan, made) or small.of_pretraining(made)
        reasons |= {made.model_dump_json(): reason} if reason is not None else {}
    return reasons


def require_startable(plan: Plan) -> None:
    """Refuse a study some of whose runs cannot start, before any of them is done; runs of trials may fail.

    Raises:
        UserError: such runs are left; each reason is told once with the number of its runs.

    """
    reasons = refusals(plan)
    left = [spec for spec in plan.unfinished(plan.specs) if not is_trial(plan.study, spec)]
    refused = [reason for spec in left if (reason := reasons.get(without_seed(spec))) is not None]
    if not refused:
        return
    counts = [f"{one_of(count, len(left))} cannot start: {reason}" for reason, count in Counter(refused).items()]
    raise UserError(told(plan.study.study, [Fault(None, sentence) for sentence in counts]))


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
        if reference is not None and isinstance(declared, FileSource):
            path = plan.weights.get(reference.key)
            beside = spec.auxiliary_data.input if spec.auxiliary_data else None  # its tokenizer is read too
            samples = spec.input if reference is spec.target_weights else beside
            files += [] if path is None else [(path, reference, samples, spec.model)]
    return files


def _misfit(path: Path, reference: WeightsRef, samples: InputConfig | None, model: ModelConfig) -> str | None:
    """Why a file of weights does not fit: as a complete encoder, or (without a form of samples) as an auxiliary."""
    from m2pt.weights.reading import read_encoder  # only where a study loads files are they opened

    try:
        read_encoder(
            path,
            reference.modality,
            samples,
            model,
            parts="all" if samples is not None else "blocks",
            reading=reference.reading,
            source=reference.source,
        )
    except UserError as error:
        return str(error)
    return None
